"""A connection to a web proxy, until the way through it is open."""

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
"""Seconds without a byte after which the rest of an answer's body is not waited for: its length may be wrong."""

BODY_LIMIT = 5.0
"""Seconds from the first of a body that is not whole until the rest is not waited for, however it comes."""


class NoAnswerError(Exception):
    """The connection ended before the answer: `error` is what to say of that unless it was `used` before."""

    def __init__(self, error: ProxyError, *, used: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.used = used


@implementer(IHandshakeListener)
class ProxyConnection(Protocol):
    """A connection to the proxy until the way is open; one request at a time is under way."""

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
        """Fires when TLS with the proxy is agreed on."""

    @property
    def peer(self) -> Any:
        """The address of the proxy."""
        return self._wire.getPeer()

    def connectionMade(self) -> None:
        """Wait to be asked."""
        self._wire = cast(Any, self.transport)
        self._secure = isinstance(self.transport, TLSMemoryBIOProtocol)

    def handshakeCompleted(self) -> None:
        """Note that the proxy speaks TLS."""
        self.secured.callback(None)

    def ask(self, authorization: bytes | None) -> Deferred[Connected | Challenged]:
        """Send a request; fails with ProxyError, or NoAnswerError if the connection ends before the answer."""
        waiting: Deferred[Connected | Challenged] = Deferred()
        self._waiting = waiting
        if self._gone:
            self._fail(self._gone)
        else:
            self._wire.write(self._handshake.request(authorization))
        return waiting

    def dataReceived(self, data: bytes) -> None:
        """Read the answer; bytes that no request has asked for are nobody's."""
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
        """Wait for more of a body whose head has come, but not for long: it is only read away."""
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
        """The connection has ended, which can be how an answer ends."""
        self._gone = NoAnswerError(self._fate(reason), used=self._used)
        try:
            answer = self._handshake.closed()
        except ProxyError as error:
            self._fail(error)
        else:
            self._settle(answer)
            self._fail(self._gone)  # if nobody could be told anything better

    def _fate(self, reason: Failure) -> ProxyError:
        handle = self._wire.getHandle() if self._secure else None  # TCP has none any more
        words = handle.check.failure if isinstance(handle, CheckedConnection) else None
        if words or not isinstance(reason.value, ConnectionDone | ConnectionLost):
            return unreachable(self._proxy, words or sentence(reason))
        return ProxyError(f"the proxy {self._proxy} closed the connection without an answer", ProxyFault.NO_ANSWER)

    def expired(self) -> ProxyError:
        """Return what to say of the proxy if it has had its time."""
        error = self._handshake.expired()
        if self._secure and not self.secured.called:
            return ProxyError(f"{error}, not even in the TLS handshake: perhaps it is one for http://", error.fault)
        return error

    def hand_over(self, protocol: IProtocol, rest: bytes) -> None:
        """Put a protocol in the place of this one, and give it the bytes that came behind the answer."""
        if self._secure:
            self._wire.wrappedProtocol = protocol
        else:
            self._wire.protocol = protocol
        protocol.makeConnection(self._wire)
        if self._secure and IHandshakeListener.providedBy(protocol):
            protocol.handshakeCompleted()  # which was before its time
        if rest:
            protocol.dataReceived(rest)

    def abort(self) -> None:
        """End the connection at once."""
        self._stop_waiting()
        self._wire.abortConnection()


def unreachable(proxy: Proxy, words: str) -> ProxyError:
    """Return the error for a proxy to which there is no connection."""
    return ProxyError(f"cannot reach the proxy {proxy}: {words}", ProxyFault.UNREACHABLE)
