"""A connection to a web proxy, until the proxy has connected to the server."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IProtocol, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from ...core.errors import ProxyError, ProxyFault
from ...core.proxy.connect import Challenged, Connected, ConnectHandshake, Header
from ...core.proxy.url import Proxy
from ...pki.verification import CheckedConnection
from ..explain import sentence

QUIET_LIMIT = 2.0
"""Seconds of silence after which the rest of a response body is no longer awaited: its length may be wrong."""

BODY_LIMIT = 5.0
"""Seconds after which the rest of a response body is no longer awaited in any case."""


class NoAnswerError(Exception):
    """The connection ended before the response.

    `error` describes that. If the connection was `used` for an earlier request, the proxy may just not keep
    connections open, and the request can be repeated over a new one.
    """

    def __init__(self, error: ProxyError, *, used: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.used = used


@implementer(IHandshakeListener)
class ProxyConnection(Protocol):
    """A connection to the proxy, used until the proxy has connected to the server; one request at a time."""

    def __init__(self, clock: IReactorTime, proxy: Proxy, authority: str, headers: tuple[Header, ...] = ()) -> None:
        self._clock = clock
        self._proxy = proxy
        self._handshake = ConnectHandshake(authority, str(proxy), headers)
        self._quiet: IDelayedCall | None = None
        self._latest = 0.0
        self._waiting: Deferred[Connected | Challenged] | None = None
        self._gone: NoAnswerError | None = None
        self._used = False
        self.secured: Deferred[None] = Deferred()
        """Fires when the TLS handshake with the proxy is complete."""

    @property
    def peer(self) -> Any:
        """The address of the proxy."""
        return self._wire.getPeer()

    def connectionMade(self) -> None:
        """Keep the transport, and wait for `ask`."""
        self._wire = cast(Any, self.transport)
        self._secure = isinstance(self.transport, TLSMemoryBIOProtocol)

    def handshakeCompleted(self) -> None:
        """Record that the TLS handshake with the proxy is complete."""
        self.secured.callback(None)

    def ask(self, authorization: bytes | None) -> Deferred[Connected | Challenged]:
        """Send a CONNECT request, with this value of Proxy-Authorization, and return the proxy's response.

        Fails with ProxyError, or with NoAnswerError if the connection ends before the response.
        """
        waiting: Deferred[Connected | Challenged] = Deferred()
        self._waiting = waiting
        if self._gone:
            self._fail(self._gone)
        else:
            self._wire.write(self._handshake.request(authorization))
        return waiting

    def dataReceived(self, data: bytes) -> None:
        """Parse the response; unsolicited bytes are ignored."""
        if self._waiting:
            try:
                answer = self._handshake.feed(data)
            except ProxyError as error:
                self._fail(error)
            else:
                self._settle(answer)
                if answer is None and self._handshake.answered:
                    self._await_body()

    def _await_body(self) -> None:
        """Wait for the rest of a response body, within limits: it is only discarded."""
        now = self._clock.seconds()
        if not self._quiet:
            self._latest = now + BODY_LIMIT
            self._quiet = self._clock.callLater(QUIET_LIMIT, self._leave_body)
        else:
            self._quiet.reset(min(QUIET_LIMIT, max(self._latest - now, 0.0)))

    def _leave_body(self) -> None:
        self._quiet = None
        try:
            self._settle(self._handshake.settle())
        except ProxyError as error:
            self._fail(error)

    def _stop_waiting(self) -> Deferred[Connected | Challenged] | None:
        waiting, self._waiting = self._waiting, None
        if self._quiet:
            self._quiet.cancel()
            self._quiet = None
        return waiting

    def _settle(self, answer: Connected | Challenged | None) -> None:
        if answer and (waiting := self._stop_waiting()):
            self._used = True
            waiting.callback(answer)

    def _fail(self, error: Exception) -> None:
        if waiting := self._stop_waiting():
            waiting.errback(error)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Complete the response, which the end of the connection can delimit, or fail."""
        self._gone = NoAnswerError(self._fate(reason), used=self._used)
        try:
            answer = self._handshake.closed()
        except ProxyError as error:
            self._fail(error)
        else:
            self._settle(answer)
            self._fail(self._gone)  # no effect if there was an answer

    def _fate(self, reason: Failure) -> ProxyError:
        handle = self._wire.getHandle() if self._secure else None  # a closed TCP transport has none
        words = handle.check.failure if isinstance(handle, CheckedConnection) else None
        if words or not isinstance(reason.value, ConnectionDone | ConnectionLost):
            return unreachable(self._proxy, words or sentence(reason))
        return ProxyError(f"the proxy {self._proxy} closed the connection without an answer", ProxyFault.NO_ANSWER)

    def expired(self) -> ProxyError:
        """Return the error for a proxy that has not answered before the deadline."""
        error = self._handshake.expired()
        if self._secure and not self.secured.called:
            return ProxyError(f"{error}, not even in the TLS handshake: it may be an http:// proxy", error.fault)
        return error

    def hand_over(self, protocol: IProtocol, rest: bytes) -> None:
        """Replace this protocol by another at the transport, and pass it the bytes received after the response."""
        if self._secure:
            self._wire.wrappedProtocol = protocol
        else:
            self._wire.protocol = protocol
        protocol.makeConnection(self._wire)
        if self._secure and IHandshakeListener.providedBy(protocol):
            protocol.handshakeCompleted()  # the handshake was completed before the protocol was connected
        if rest:
            protocol.dataReceived(rest)

    def abort(self) -> None:
        """Close the connection at once."""
        self._stop_waiting()
        self._wire.abortConnection()


def unreachable(proxy: Proxy, words: str) -> ProxyError:
    """Return the error for a failed connection to a proxy; `words` are the reason."""
    return ProxyError(f"cannot reach the proxy {proxy}: {words}", ProxyFault.UNREACHABLE)
