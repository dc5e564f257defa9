"""Download of a small file by HTTP GET, limited in size and time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, NoReturn
from urllib.parse import quote, urljoin, urlsplit

import h11
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectingCancelledError, ConnectionDone
from twisted.internet.interfaces import IAddress, IReactorTime, IStreamClientEndpoint, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from ...core.errors import ConfigError, DiscoveryError
from ...core.http.content_coding import decode
from ...core.http.response_head import HeadCleaner
from ...core.proxy.choice import PACLocation
from ...core.text import ascii_only
from ..explain import sentence
from .endpoints import URI

MAXIMUM_SIZE = 1 << 20
"""Maximum size of a file in bytes."""

MAXIMUM_WIRE = 2 * MAXIMUM_SIZE
"""Maximum bytes received, heads and chunk framing included: a file in chunks of one byte takes seconds to parse."""

MAXIMUM_HEAD = 16 * 1024
"""Maximum size of the response head in bytes."""

MAXIMUM_REDIRECTIONS = 5
"""Maximum number of successive redirections."""

SHOWN = 120
"""Maximum characters of a reason phrase, an address or a malformed line in an error."""

_URI_CHARACTERS = "%:/?#[]@!$&'()*+,;=~"

_CONTROLS = frozenset((*range(0x20), 0x7F))

_REDIRECTIONS = (301, 302, 303, 307, 308)
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([A-Za-z0-9._:+-]{1,40})""", re.IGNORECASE)

Connect = Callable[[URI], IStreamClientEndpoint]
"""A function that returns the endpoint of a web server."""


class Downloaded(NamedTuple):
    """The content of a file, and the charset of its Content-Type, empty if there is none."""

    content: bytes
    charset: str = ""


class _Moved(DiscoveryError):
    """A redirection to another location."""

    def __init__(self, sentence: str, location: bytes) -> None:
        super().__init__(sentence)
        self.location = location


def download(
    clock: IReactorTime, connect: Connect, url: str, seconds: float, *, rooted: bool = False
) -> Deferred[Downloaded]:
    """Download an http or https URL within a number of seconds; fails with DiscoveryError, also for a status not 200.

    `rooted` is for URLs that were guessed (WPAD): the host name is fully qualified, so the resolver must not append its
    search domains, and redirections are not followed, because any host could direct them anywhere. Otherwise
    redirections are followed, but never from https to http.
    """

    def late(result: object, limit: float) -> NoReturn:
        raise DiscoveryError(f"the download took longer than {limit:g} seconds")

    return Deferred.fromCoroutine(_followed(connect, url, rooted)).addTimeout(seconds, clock, late)


async def _followed(connect: Connect, url: str, rooted: bool) -> Downloaded:
    via = ""
    for _ in range(MAXIMUM_REDIRECTIONS + 1):
        try:
            return await _get(connect, url, rooted)
        except _Moved as moved:
            target = None if rooted else _target(url, moved.location)
            if target is None:
                raise DiscoveryError(f"{via}{moved}") from moved
            url, via = target, f"redirected to {target[:SHOWN]}: "
        except DiscoveryError as error:
            raise DiscoveryError(f"{via}{error}") from error
    raise DiscoveryError(f"there are more than {MAXIMUM_REDIRECTIONS} redirections")


def _target(url: str, location: bytes) -> str | None:
    """Return the target of a redirection; None if it cannot or must not be followed."""
    try:
        # Servers send spaces and other bytes that RFC 3986 section 2.1 requires to be percent-encoded.
        words = quote(location, safe=_URI_CHARACTERS) if _CONTROLS.isdisjoint(location) else ""
        found = PACLocation.parse(urljoin(url, words) if words else "").url
    except (ConfigError, ValueError):
        return None
    if url.startswith("https:") and not found.startswith("https:"):
        return None
    return found or None


def _get(connect: Connect, url: str, rooted: bool) -> Deferred[Downloaded]:
    parts = urlsplit(url)
    secure, host = parts.scheme == "https", parts.hostname or ""
    server = URI(secure, host, parts.port or (443 if secure else 80), "")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    protocol = _Download(server.authority, target)
    dotted = URI(secure, f"{host.rstrip('.')}.", server.port, "") if rooted else server

    def unconnected(failure: Failure) -> NoReturn:
        if isinstance(failure.value, CancelledError | ConnectingCancelledError):
            raise CancelledError
        raise DiscoveryError(f"cannot connect: {sentence(failure)}")

    return connect(dotted).connect(_Once(protocol)).addErrback(unconnected).addCallback(lambda _: protocol.content)


class _Once(Factory):
    noisy = False

    def __init__(self, protocol: _Download) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: IAddress | None) -> _Download:
        return self._protocol


class _Download(Protocol):
    transport: ITCPTransport

    def __init__(self, host: str, target: str) -> None:
        self.content: Deferred[Downloaded] = Deferred(lambda content: self.transport.abortConnection())
        self._request = h11.Request(
            method="GET",
            target=target,
            headers=[
                ("Host", host),
                ("User-Agent", "iphttps"),
                ("Accept", "*/*"),
                ("Accept-Encoding", "identity"),
                ("Connection", "close"),
            ],
        )
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAXIMUM_HEAD)
        self._cleaner = HeadCleaner()
        self._headers: dict[bytes, bytes] = {}
        self._body = bytearray()
        self._received = 0

    def connectionMade(self) -> None:
        request = (self._http.send(self._request) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        self.transport.write(request)

    def dataReceived(self, data: bytes) -> None:
        if self.content.called:
            return
        try:
            # h11 takes empty input for the end of the connection, so it is not given when the cleaner has no output.
            if (readable := self._cleaner.feed(data)) or not data:
                self._http.receive_data(readable)
                self._read()
            self._received += len(data)
            if self._received > MAXIMUM_WIRE:
                raise DiscoveryError(f"the response is longer than {MAXIMUM_WIRE} bytes")
        except h11.RemoteProtocolError as error:
            self._fail(DiscoveryError(f"the response is not valid HTTP: {str(error)[:SHOWN]}"))
        except DiscoveryError as error:
            self._fail(error)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # A clean close can end the body. A broken connection cannot: half a file can mean the opposite of the whole.
        if self._http.their_state is h11.SEND_BODY and isinstance(reason.value, ConnectionDone):
            self.dataReceived(b"")
        self._fail(DiscoveryError(f"the download is incomplete: {sentence(reason)}"))

    def _read(self) -> None:
        while (event := self._http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            match event:
                case h11.Response(status_code=status) if status != 200:
                    raise _refusal(event)
                case h11.Response(headers=headers):
                    self._headers = dict(reversed(list(headers)))  # of repeated headers, the first counts
                case h11.Data(data=data):
                    self._body += data
                    if len(self._body) > MAXIMUM_SIZE:
                        raise DiscoveryError(f"the file is larger than {MAXIMUM_SIZE} bytes")
                case h11.EndOfMessage():
                    found = self._found()
                    self.transport.abortConnection()
                    self.content.callback(found)
                    return

    def _found(self) -> Downloaded:
        coding = self._headers.get(b"content-encoding", b"").decode("latin-1")
        kind = self._headers.get(b"content-type", b"").decode("latin-1")
        charset = _CHARSET.search(kind)
        return Downloaded(decode(bytes(self._body), coding, MAXIMUM_SIZE), charset[1] if charset else "")

    def _fail(self, error: DiscoveryError) -> None:
        if not self.content.called:
            self.transport.abortConnection()
            self.content.errback(error)


def _refusal(response: h11.Response) -> DiscoveryError:
    words = f"the web server answers {response.status_code} {ascii_only(response.reason)[:SHOWN]}".rstrip()
    location = next((value for name, value in response.headers if name == b"location"), None)
    if location and response.status_code in _REDIRECTIONS:
        return _Moved(f"{words}: give the address of the redirection, {ascii_only(location)[:SHOWN]}", location)
    return DiscoveryError(words)
