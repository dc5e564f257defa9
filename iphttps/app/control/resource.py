"""The control socket: HTTP with JSON, for the user that the daemon runs as and for root.

A connection carries one request and lives for at most `DEADLINE` seconds, regardless of its peer. Beyond `CONNECTIONS`
connections, the one that has been idle longest is closed. Therefore a slow or hostile peer does not block others: a
connection costs a request line, a head and a body of bounded size, and one answer.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus

from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from ...core.errors import ConfigError, IPHTTPSError
from ...core.identity import printable
from ...core.recent import RecentlyUsed
from ...host.process.unix import PrivateSocket, peer_user
from ...net.interfaces import IReactor
from ...net.listen.unix import Acceptor
from ...net.log import logger

LINE = 4096
"""Maximum bytes of the request line, and of each line of the head."""

HEAD = 8192
"""Maximum bytes of the request line and the head together."""

BODY = 4096
"""Maximum bytes of a request's body."""

CONNECTIONS = 32
"""Maximum number of simultaneous connections."""

DEADLINE = 10.0
"""Maximum seconds that a connection lives, including the answer."""


class Refusal(IPHTTPSError):
    """A request that is rejected, with its HTTP status and a sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of an action: the path segments that match `*`, and the body."""

    words: tuple[str, ...] = ()
    body: bytes = b""

    def member(self, name: str, choices: Iterable[str]) -> str:
        """Return the value of the body's only member.

        Raises:
            Refusal: The body is not a JSON object with this member, or the value is not one of the choices.
        """
        choices = tuple(choices)
        example = json.dumps({name: choices[0]})
        right = f"the body must be a JSON object with {name!r} one of {', '.join(choices)}, such as {example}"
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, right) from error
        if not isinstance(value, dict) or set(value) != {name} or value[name] not in choices:
            raise Refusal(HTTPStatus.BAD_REQUEST, right)
        return str(value[name])


@dataclass(frozen=True, slots=True)
class Route:
    """A method, a path and an action, which returns a value for JSON or a Deferred of one.

    The action raises Refusal, or ConfigError if the daemon's settings do not allow the request.
    """

    method: str
    path: str
    action: Callable[[Asked], object]

    def words(self, path: str) -> tuple[str, ...] | None:
        """Return the segments of a path that match `*` in this route, or None if the path does not match."""
        pattern, given = self.path.split("/"), path.split("/")
        pairs = tuple(zip(pattern, given, strict=False))
        if len(pattern) != len(given) or any(mine not in ("*", theirs) for mine, theirs in pairs):
            return None
        return tuple(theirs for mine, theirs in pairs if mine == "*")


class ControlResource(Resource):
    """The HTTP resource of a daemon's control socket."""

    isLeaf = True
    log = logger()

    def __init__(self, routes: Iterable[Route], kind: str) -> None:
        super().__init__()
        self._kind = kind
        self._routes = tuple(routes)

    def render(self, request: Request) -> int:
        """Answer a request once its action is done."""
        gone: list[object] = []
        # Twisted fires this if the peer disconnects before the answer; the action is completed nevertheless.
        request.notifyFinish().addErrback(gone.append)
        answer = maybeDeferred(self._perform, request)
        answer.addErrback(_refused, request)
        answer.addErrback(self._failed, request)
        answer.addCallback(lambda value: None if gone else _answer(request, value))
        return NOT_DONE_YET

    def _perform(self, request: Request) -> object:
        method, path = request.method.decode("latin-1"), request.path.decode("latin-1")
        matching = [(route, words) for route in self._routes if (words := route.words(path)) is not None]
        if not matching:
            there = ", ".join(f"{route.method} {route.path}" for route in self._routes)
            raise Refusal(HTTPStatus.NOT_FOUND, f"no such path: this daemon is a {self._kind}, which offers {there}")
        for route, words in matching:
            if method == route.method or (method == "HEAD" and route.method == "GET"):
                if method == "POST":
                    self.log.info("request on the control socket: {path}", event="asked", path=printable(path))
                assert request.content is not None
                return route.action(Asked(words, request.content.read()))
        allowed = [route.method for route, _ in matching]
        request.setHeader(b"Allow", ", ".join(allowed + ["HEAD"] * ("GET" in allowed)).encode())
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"{matching[0][0].path} allows only {' or '.join(allowed)}")

    def _failed(self, failure: Failure, request: Request) -> dict[str, str]:
        self.log.failure("a request to the control socket failed", failure, event="bug")
        request.setResponseCode(HTTPStatus.INTERNAL_SERVER_ERROR)
        return {"error": "internal error: this is a bug in iphttps; see the daemon's log"}


def _refused(failure: Failure, request: Request) -> dict[str, str]:
    failure.trap(Refusal, ConfigError)
    error = failure.value
    request.setResponseCode(error.status if isinstance(error, Refusal) else HTTPStatus.CONFLICT)
    return {"error": str(error)}


def _answer(request: Request, value: object) -> None:
    body = _json(value)
    request.setHeader(b"Content-Type", b"application/json")
    request.setHeader(b"Content-Length", str(len(body)).encode())
    request.setHeader(b"Cache-Control", b"no-store")
    request.write(body)
    request.finish()


def _json(value: object) -> bytes:
    # Non-ASCII and control characters are escaped.
    return json.dumps(value, indent=2).encode("ascii") + b"\n"


class ControlChannel(HTTPChannel):
    """One connection with one request."""

    MAX_LENGTH = LINE
    totalHeadersSize = HEAD
    maxHeaders = 50
    site: ControlSite

    _deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Start the deadline."""
        super().connectionMade()
        self.site.opened(self)
        self._deadline = self.site.reactor.callLater(DEADLINE, self.forceAbortClient)

    def dataReceived(self, data: bytes) -> None:
        """Read the request."""
        self.site.heard(self)
        super().dataReceived(data)

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """Close every connection after its first answer."""
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False

    def lineLengthExceeded(self, line: bytes) -> None:
        """Reject a line that is too long."""
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"a line is longer than {LINE} bytes")

    def allHeadersReceived(self) -> None:
        """Reject a body that is too long before it is received."""
        if self.length is None:
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "the request needs a Content-Length")
        elif self.length > BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than {BODY} bytes")
        else:
            # The body is always JSON. Without this, Twisted might parse it as a form, and import modules for that
            # which are not readable after `twistd --uid`.
            self.requests[-1].requestHeaders.removeHeader(b"Content-Type")
            super().allHeadersReceived()

    def _respondToBadRequestAndDisconnect(self) -> None:
        # A private method of Twisted; if it is renamed, the answer lacks only the sentence.
        self._refuse(HTTPStatus.BAD_REQUEST, "not an HTTP request")

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        body = _json({"error": sentence})
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
        self.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        self.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Cancel the deadline."""
        if self._deadline and self._deadline.active():
            self._deadline.cancel()
        self.site.closed(self)
        super().connectionLost(reason)


class ControlSite(Site):
    """Creates the channels, and closes the one idle longest if there are too many."""

    protocol = ControlChannel  # type: ignore[assignment]  # Twisted's type also allows HTTP/2
    displayTracebacks = False
    reactor: IReactor

    def __init__(self, resource: Resource, reactor: IReactor) -> None:
        # The channel has its own deadline; no idle timeout is needed.
        super().__init__(resource, reactor=reactor, timeout=None)
        self._open: RecentlyUsed[ControlChannel] = RecentlyUsed(CONNECTIONS)

    def opened(self, channel: ControlChannel) -> None:
        """Record a connection; if there are too many, close the one idle longest."""
        silent = self._open.use(channel)
        if silent is not None:
            silent.forceAbortClient()

    def heard(self, channel: ControlChannel) -> None:
        """Record activity on a connection."""
        if channel in self._open:  # one that made room for another may not have closed yet
            self._open.use(channel)

    def closed(self, channel: ControlChannel) -> None:
        """Forget a connection."""
        self._open.discard(channel)

    def close_all(self) -> None:
        """End every connection."""
        for channel in self._open:
            channel.forceAbortClient()


class Control:
    """The control socket of a daemon: created with privileges, served without, removed at the end.

    `kind` is the name of the daemon in sentences.
    """

    def __init__(
        self, reactor: IReactor, private: PrivateSocket, routes: Callable[[], Iterable[Route]], kind: str
    ) -> None:
        self._reactor = reactor
        self._private = private
        self._routes = routes
        self._kind = kind
        self._acceptor: Acceptor | None = None
        self._site: ControlSite | None = None

    def start(self) -> None:
        """Start answering; earlier connections have waited in the backlog."""
        self._site = ControlSite(ControlResource(self._routes(), self._kind), self._reactor)
        self._acceptor = Acceptor(self._reactor, self._private.listening, self._site, _may_control)
        self._acceptor.start()

    def stop(self) -> None:
        """Stop answering and remove the socket."""
        if self._acceptor and self._site:
            self._acceptor.stop()
            self._site.close_all()
            self._acceptor = self._site = None
        self._private.close()


def _may_control(connected: socket.socket) -> bool:
    return peer_user(connected) in (0, os.geteuid())
