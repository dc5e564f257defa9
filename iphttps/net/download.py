"""Brings a small file by one GET request, within a size and a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn
from urllib.parse import urlsplit

import h11
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectingCancelledError, ConnectionDone
from twisted.internet.interfaces import IAddress, IReactorTime, IStreamClientEndpoint, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from ..core.errors import DiscoveryError
from ..core.folding import FOLDED, Folds
from ..core.handshake import ascii_only
from .endpoints import URI
from .explain import sentence

MAXIMUM_SIZE = 1 << 20
"""Bytes of a file."""

MAXIMUM_WIRE = 2 * MAXIMUM_SIZE
"""Bytes that bring it, heads and chunks included: a file in chunks of one byte each keeps us busy for seconds."""

MAXIMUM_HEAD = 16 * 1024
"""Bytes of the answer's head."""

SHOWN = 120
"""Characters of a reason phrase, an address or a faulty line that are shown."""

Connect = Callable[[URI], IStreamClientEndpoint]
"""How to get to a web server."""


def download(
    clock: IReactorTime, connect: Connect, url: str, seconds: float, *, rooted: bool = False
) -> Deferred[bytes]:
    """Return the content of a URL of http or https; fails with DiscoveryError, for any status but 200 too.

    `rooted` says that the host's name is a full one, to which the resolver must not add this host's domains. A
    redirection is not followed: the operator shall see where the file really comes from.
    """
    parts = urlsplit(url)
    secure, host = parts.scheme == "https", parts.hostname or ""
    server = URI(secure, host, parts.port or (443 if secure else 80), "")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    protocol = _Download(server.authority, target)
    dotted = URI(secure, f"{host.rstrip('.')}.", server.port, "") if rooted else server

    def late(result: object, limit: float) -> NoReturn:
        raise DiscoveryError(f"it was not brought within {limit:g} seconds")

    def unconnected(failure: Failure) -> NoReturn:
        if isinstance(failure.value, CancelledError | ConnectingCancelledError):
            raise CancelledError
        raise DiscoveryError(f"it cannot be brought: {sentence(failure)}")

    connected = connect(dotted).connect(_Once(protocol)).addErrback(unconnected)
    return connected.addCallback(lambda _: protocol.content).addTimeout(seconds, clock, late)


class _Once(Factory):
    noisy = False

    def __init__(self, protocol: _Download) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: IAddress | None) -> _Download:
        return self._protocol


class _Download(Protocol):
    transport: ITCPTransport

    def __init__(self, host: str, target: str) -> None:
        self.content: Deferred[bytes] = Deferred(lambda content: self.transport.abortConnection())
        self._request = h11.Request(
            method="GET",
            target=target,
            headers=[("Host", host), ("User-Agent", "iphttps"), ("Accept", "*/*"), ("Connection", "close")],
        )
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAXIMUM_HEAD)
        self._folds = Folds()
        self._body = bytearray()
        self._received = 0

    def connectionMade(self) -> None:
        request = (self._http.send(self._request) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        self.transport.write(request)

    def dataReceived(self, data: bytes) -> None:
        if self.content.called:
            return
        try:
            if self._folds.feed(data):
                raise DiscoveryError(f"what answers is no web server: {FOLDED}")
            self._http.receive_data(data)
            self._read()
            self._received += len(data)
            if self._received > MAXIMUM_WIRE:
                raise DiscoveryError(f"it comes in more than {MAXIMUM_WIRE} bytes")
        except h11.RemoteProtocolError as error:
            self._fail(f"what answers is no web server: {str(error)[:SHOWN]}")
        except DiscoveryError as error:
            self._fail(str(error))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # The end may be the body's, unless the connection broke: half a file can mean the opposite of the whole.
        if self._http.their_state is h11.SEND_BODY and isinstance(reason.value, ConnectionDone):
            self.dataReceived(b"")
        self._fail(f"it was not brought to its end: {sentence(reason)}")

    def _read(self) -> None:
        while (event := self._http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            match event:
                case h11.Response(status_code=status) if status != 200:
                    raise DiscoveryError(_refusal(event))
                case h11.Data(data=data):
                    self._body += data
                    if len(self._body) > MAXIMUM_SIZE:
                        raise DiscoveryError(f"it is larger than {MAXIMUM_SIZE} bytes")
                case h11.EndOfMessage():
                    self.transport.abortConnection()
                    self.content.callback(bytes(self._body))
                    return

    def _fail(self, sentence: str) -> None:
        if not self.content.called:
            self.transport.abortConnection()
            self.content.errback(DiscoveryError(sentence))


def _refusal(response: h11.Response) -> str:
    words = f"the web server answers {response.status_code} {ascii_only(response.reason)[:SHOWN]}".rstrip()
    location = next((value for name, value in response.headers if name == b"location"), None)
    if location and 300 <= response.status_code < 400:
        return f"{words}: give the address that it leads to, {ascii_only(location)[:SHOWN]}"
    return words
