"""A TLS protocol that encrypts each write at once, unlike Twisted's, which collects writes first.

Twisted waits one reactor turn for more data, because many programs write small pieces. A session writes a whole batch
of packets at a time, for which waiting only adds delay.
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
from .direct_reads import ReadRecords, reader

RECORD = 1 << 14
"""Maximum plaintext bytes of a TLS record (RFC 8446 section 5.1)."""

OVERHEAD = 512
"""More than the overhead of a record (RFC 5246 section 6.2.3 allows 2048; no suite of ours needs 64)."""


class ReadBatching:
    """A protocol that collects received data until `turn_over` reports the end of one read of the socket.

    While `gathering` is True it takes the data of any number of records at a time.
    """

    gathering = False

    def begun(self) -> None:
        """Record that the peer has sent its first bytes, which may be TLS handshake messages only."""

    def records_received(self, data: bytes, records: int) -> None:
        """Take the data of so many records, at least one, while `gathering`."""
        raise NotImplementedError

    def turn_over(self) -> None:
        """Process the data received in this reactor turn."""
        raise NotImplementedError


class ImmediateTLS(TLSMemoryBIOProtocol):
    """TLS on one connection.

    On a server, all data received before the session is open goes through a scheduler, because handshakes are
    expensive: they run one at a time, and do not delay packets of open sessions.
    """

    factory: ImmediateTLSFactory
    _scheduler: HandshakeScheduler | None = None
    _waiting: bytes | None = None
    _read_records: ReadRecords | None = None
    _looked = False
    _room = RECORD

    def makeConnection(self, transport: ITransport) -> None:
        """Connect to the transport, and use the factory's scheduler."""
        self._scheduler = self.factory.scheduler
        super().makeConnection(transport)

    def hand_over(self, protocol: IProtocol) -> None:
        """Pass all further data to this protocol, without the scheduler: the handshake phase is over."""
        self.wrappedProtocol = protocol
        self._scheduler = None

    def dataReceived(self, data: bytes) -> None:
        """Decrypt received data, or queue it with the scheduler and pause the transport."""
        if self._scheduler is None:
            self._decrypt(data)
        elif self._waiting is None:
            if isinstance(self.wrappedProtocol, ReadBatching):
                self.wrappedProtocol.begun()
            self._waiting = data
            self._scheduler.submit(self._step)
            if self._waiting is not None:
                cast(IPushProducer, self.transport).pauseProducing()
        else:  # received before the transport was paused
            self._waiting += data

    def _step(self) -> None:
        data, self._waiting = self._waiting, None
        if data is not None:
            cast(IPushProducer, self.transport).resumeProducing()
            self._decrypt(data)

    def _decrypt(self, data: bytes) -> None:
        """Decrypt, deliver, and then call `turn_over`: one read of the socket may bring many records."""
        self._room = len(data) + RECORD  # a record may have begun before
        super().dataReceived(data)
        if isinstance(self.wrappedProtocol, ReadBatching):
            self.wrappedProtocol.turn_over()

    def _flushReceiveBIO(self) -> None:
        """Decrypt and deliver what was received: packets all at once, if that can be; the rest, and errors, as ever."""
        protocol = self.wrappedProtocol
        if isinstance(protocol, ReadBatching) and protocol.gathering and not (self._aborted or self._lostTLSConnection):
            if not self._looked:
                self._looked, self._read_records = True, reader(self.getHandle())
            if self._read_records:
                data, records = self._read_records(self._room)
                if records:
                    protocol.records_received(data, records)
        super()._flushReceiveBIO()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Process data received before the end of the connection."""
        self._scheduler = None
        self._step()
        super().connectionLost(reason)
        self._read_records = None  # the memory that it reads may be freed now

    def write(self, data: bytes) -> None:
        """Encrypt the bytes, at least one, and pass them to the transport."""
        connection = self.getHandle()
        if self.disconnecting or connection is None:
            super().write(data)
            return
        try:
            sent = connection.send(data)
        except SSL.Error:
            super().write(data)  # a handshake is in progress, or the connection has failed: Twisted handles both
            return
        self._carry(connection, sent + OVERHEAD * (sent // RECORD + 2))
        if sent < len(data):  # the context has partial writes enabled: one record per call
            super().write(data[sent:])

    def _carry(self, connection: SSL.Connection, size: int) -> None:
        """Pass OpenSSL's output to the transport, `size` bytes at a time; handshake output may be waiting too."""
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
    """A factory that puts `ImmediateTLS` beneath the protocols of another factory."""

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
    """An endpoint that connects through another endpoint and adds `ImmediateTLS`."""

    def __init__(
        self, tls: IOpenSSLClientConnectionCreator, endpoint: IStreamClientEndpoint, clock: IReactorTime | None = None
    ) -> None:
        self._tls = tls
        self._endpoint = endpoint
        self._clock = clock

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect a protocol of the factory; the Deferred fires with that protocol."""
        factory = ImmediateTLSFactory(self._tls, True, protocolFactory, self._clock)
        connecting = cast("Deferred[ImmediateTLS]", self._endpoint.connect(cast(IProtocolFactory, factory)))
        return connecting.addCallback(lambda tls: tls.wrappedProtocol)
