"""TLS that encrypts at once and in one piece what is written, in the place of Twisted's, which collects first.

Twisted waits a turn of the reactor for more to be written, because many programs write little at a time. Tunnels write
a batch of packets at a time; for them the wait is a delay and nothing else.
"""

from __future__ import annotations

from typing import cast

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    IReactorTime,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from ..stream.scheduler import HandshakeScheduler
from ..stream.write_through import write_through

RECORD = 1 << 14
"""The most bytes that a record of TLS holds (RFC 8446 section 5.1)."""

OVERHEAD = 512
"""More than what a record has around its bytes (RFC 5246 section 6.2.3 allows 2048, no suite of ours takes 64)."""


class ReadBatching:
    """A protocol that gathers what it receives until it is told that nothing more comes in this turn."""

    def begun(self) -> None:
        """Learn that the peer has sent something, perhaps nothing yet that is for this protocol."""

    def turn_over(self) -> None:
        """Take what was received."""
        raise NotImplementedError


class ImmediateTLS(TLSMemoryBIOProtocol):
    """TLS on one connection.

    At a server, what comes before a session is open passes a scheduler, because handshakes are work: one waits for
    the other, and packets for none.
    """

    factory: ImmediateTLSFactory
    _scheduler: HandshakeScheduler | None = None
    _waiting: bytes | None = None

    def makeConnection(self, transport: ITransport) -> None:
        """Begin."""
        self._scheduler = self.factory.scheduler
        super().makeConnection(transport)

    def hand_over(self, protocol: IProtocol) -> None:
        """Give all that comes from now on to this protocol, at once: the handshake phase is over."""
        self.wrappedProtocol = protocol
        self._scheduler = None

    def dataReceived(self, data: bytes) -> None:
        """Take what has come, or have it wait, and the peer with what is to follow."""
        if self._scheduler is None:
            self._decrypt(data)
        elif self._waiting is None:
            if isinstance(self.wrappedProtocol, ReadBatching):
                self.wrappedProtocol.begun()
            self._waiting = data
            self._scheduler.submit(self._step)
            if self._waiting is not None:
                cast(IPushProducer, self.transport).pauseProducing()
        else:  # the transport had it already
            self._waiting += data

    def _step(self) -> None:
        data, self._waiting = self._waiting, None
        if data is not None:
            cast(IPushProducer, self.transport).resumeProducing()
            self._decrypt(data)

    def _decrypt(self, data: bytes) -> None:
        """Hand on what is in the bytes, and say when that was all: one read of the socket may bring many records."""
        super().dataReceived(data)
        if isinstance(self.wrappedProtocol, ReadBatching):
            self.wrappedProtocol.turn_over()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Take what has come before the end."""
        self._scheduler = None
        self._step()
        super().connectionLost(reason)

    def write(self, data: bytes) -> None:
        """Encrypt the bytes, which must be some, and hand them to the transport."""
        connection = self.getHandle()
        if self.disconnecting or connection is None:
            super().write(data)
            return
        try:
            sent = connection.send(data)
        except SSL.Error:
            super().write(data)  # the handshake goes on, or the connection has failed: Twisted knows what to do
            return
        self._carry(connection, sent + OVERHEAD * (sent // RECORD + 2))
        if sent < len(data):  # the context does not let OpenSSL write several records at a time
            super().write(data[sent:])

    def _carry(self, connection: SSL.Connection, size: int) -> None:
        """Hand on what OpenSSL has for the transport, so many bytes at a time; a handshake may have left some."""
        transport = cast(ITransport, self.transport)
        piece = connection.bio_read(size)
        write_through(transport, piece)
        while len(piece) == size:
            try:
                piece = connection.bio_read(size)
            except SSL.WantReadError:
                break
            write_through(transport, piece)


class ImmediateTLSFactory(TLSMemoryBIOFactory):
    """Puts such TLS beneath the protocols of another factory."""

    protocol = ImmediateTLS

    def __init__(
        self,
        creator: IOpenSSLClientConnectionCreator | IOpenSSLServerConnectionCreator,
        isClient: bool,
        wrapped: IProtocolFactory,
        clock: IReactorTime | None = None,
    ) -> None:
        super().__init__(creator, isClient, wrapped, clock)
        self.scheduler = None if isClient else HandshakeScheduler(self._clock)


@implementer(IStreamClientEndpoint)
class TLSEndpoint:
    """Connects by another endpoint and puts such TLS on the connection."""

    def __init__(
        self, tls: IOpenSSLClientConnectionCreator, endpoint: IStreamClientEndpoint, clock: IReactorTime | None = None
    ) -> None:
        self._tls = tls
        self._endpoint = endpoint
        self._clock = clock

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect a protocol of the factory; fires with that protocol."""
        factory = ImmediateTLSFactory(self._tls, True, protocolFactory, self._clock)
        connecting = cast("Deferred[ImmediateTLS]", self._endpoint.connect(cast(IProtocolFactory, factory)))
        return connecting.addCallback(lambda tls: tls.wrappedProtocol)
