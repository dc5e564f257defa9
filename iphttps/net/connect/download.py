"""Brings a small file by GET, within a size and a time."""

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
"""Bytes of a file."""

MAXIMUM_WIRE = 2 * MAXIMUM_SIZE
"""Bytes that bring it, heads and chunks included: a file in chunks of one byte each keeps us busy for seconds."""

MAXIMUM_HEAD = 16 * 1024
"""Bytes of the answer's head."""

MAXIMUM_REDIRECTIONS = 5
"""Redirections that are followed, one after another."""

SHOWN = 120
"""Characters of a reason phrase, an address or a faulty line that are shown."""

_URI_CHARACTERS = "%:/?#[]@!$&'()*+,;=~"

_CONTROLS = frozenset((*range(0x20), 0x7F))

_REDIRECTIONS = (301, 302, 303, 307, 308)
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([A-Za-z0-9._:+-]{1,40})""", re.IGNORECASE)

Connect = Callable[[URI], IStreamClientEndpoint]
"""How to get to a web server."""


class Downloaded(NamedTuple):
    """A file, and the charset that the web server says it has, or nothing."""

    content: bytes
    charset: str = ""


class _Moved(DiscoveryError):
    """The web server says that the file is elsewhere."""

    def __init__(self, sentence: str, location: bytes) -> None:
        super().__init__(sentence)
        self.location = location


def download(
    clock: IReactorTime, connect: Connect, url: str, seconds: float, *, rooted: bool = False
) -> Deferred[Downloaded]:
    """Return the content of a URL of http or https; fails with DiscoveryError, for any status but 200 too.

    `rooted` says that the host's name is a full one, to which the resolver must not add this host's domains, and that
    nobody chose the URL: a redirection is not followed then, because it could have us ask anything of anybody. Any
    other is, but never from https to http.
    """

    def late(result: object, limit: float) -> NoReturn:
        raise DiscoveryError(f"it was not brought within {limit:g} seconds")

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
            url, via = target, f"{target[:SHOWN]}, to which it leads: "
        except DiscoveryError as error:
            raise DiscoveryError(f"{via}{error}") from error
    raise DiscoveryError(f"it leads from place to place, more than {MAXIMUM_REDIRECTIONS} times")


def _target(url: str, location: bytes) -> str | None:
    """Return where a redirection leads; None if that is no place to follow it to."""
    try:
        # Servers write blanks and other bytes as they are, which RFC 3986 section 2.1 has encoded.
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
        raise DiscoveryError(f"it cannot be brought: {sentence(failure)}")

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
            # Nothing to read yet is not the end, which is what h11 takes nothing for.
            if (readable := self._cleaner.feed(data)) or not data:
                self._http.receive_data(readable)
                self._read()
            self._received += len(data)
            if self._received > MAXIMUM_WIRE:
                raise DiscoveryError(f"it comes in more than {MAXIMUM_WIRE} bytes")
        except h11.RemoteProtocolError as error:
            self._fail(DiscoveryError(f"what answers is no web server: {str(error)[:SHOWN]}"))
        except DiscoveryError as error:
            self._fail(error)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # The end may be the body's, unless the connection broke: half a file can mean the opposite of the whole.
        if self._http.their_state is h11.SEND_BODY and isinstance(reason.value, ConnectionDone):
            self.dataReceived(b"")
        self._fail(DiscoveryError(f"it was not brought to its end: {sentence(reason)}"))

    def _read(self) -> None:
        while (event := self._http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            match event:
                case h11.Response(status_code=status) if status != 200:
                    raise _refusal(event)
                case h11.Response(headers=headers):
                    self._headers = dict(reversed(list(headers)))  # of equal names the first counts
                case h11.Data(data=data):
                    self._body += data
                    if len(self._body) > MAXIMUM_SIZE:
                        raise DiscoveryError(f"it is larger than {MAXIMUM_SIZE} bytes")
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
        return _Moved(f"{words}: give the address that it leads to, {ascii_only(location)[:SHOWN]}", location)
    return DiscoveryError(words)
