"""A connection to a peer: TLS first where there is TLS, a deadline until it is open, and an end with a reason.

Phase is which method takes the bytes. A connection may pass from one object to another, which takes it over with
all that is known of it: the listener's connection knows HTTP, the session that follows it knows packets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as TypingProtocol
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IReactorTime, ISSLTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

from ..core.limits import TokenBucket
from ..pki.verification import CheckedConnection
from .stream.write_through import BottomTransport, prepare
from .tls.immediate import ImmediateTLS, ReadBatching

HANDSHAKE_DEADLINE = 30.0
"""Seconds from the connection's start to the open session; after it there is no time limit (3.2.2)."""

CLOSE_DEADLINE = 1.0
"""Seconds that a peer has to take what was sent and to answer the close, before the connection is cut."""

KEY_RATE = 2.0
KEY_BURST = 200.0
"""How many messages for new keys there may be, the peer's and ours that answer: in a second, and at once.

A KeyUpdate is work, and its answer waits in the transport's buffer whether the peer takes it or not. Nobody needs
one in a minute.
"""


class Wire(TypingProtocol):
    """What a connection needs of its transport."""

    def write(self, data: bytes) -> None: ...
    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def loseConnection(self) -> None: ...
    def loseWriteConnection(self) -> None: ...
    def abortConnection(self) -> None: ...
    def getHandle(self) -> object: ...


@implementer(IHandshakeListener)
class PeerConnection(Protocol, ReadBatching):
    """What all connections have in common; `head_received` and `expired` are each one's own."""

    wire: Wire
    _carrier: BottomTransport

    def __init__(self, clock: IReactorTime, handshake_deadline: float = HANDSHAKE_DEADLINE) -> None:
        self.clock = clock
        self.handshake_deadline = handshake_deadline
        self.tls: CheckedConnection | None = None
        self.ended: Deferred[None] = Deferred()
        self.ending: str | None = None
        """Why this end closes the connection, once it does."""
        self.forget: Callable[[PeerConnection], None] = _nobody
        """Called when the connection has ended."""
        self._producing = False
        """Whether the transport has a producer."""
        self._receive: Callable[[bytes], None] = discard
        self._deadline: IDelayedCall | None = None
        self._keys = TokenBucket(KEY_RATE, KEY_BURST)

    def connectionMade(self) -> None:
        """Start: with TLS the rest can begin when its handshake is complete, else at once."""
        self.wire = cast(Wire, self.transport)
        self._carrier = prepare(self.transport)
        self.attached()
        self._deadline = self.clock.callLater(self.handshake_deadline, self.expired)
        if ISSLTransport.providedBy(self.transport):
            handle = self.wire.getHandle()
            assert isinstance(handle, CheckedConnection)
            self.tls = handle
        else:
            self.established()

    def attached(self) -> None:
        """Learn that the transport is there."""

    def take_over(self, before: PeerConnection) -> None:
        """Continue a connection in the place of the object that had it, and get its bytes from here on."""
        transport: object = before.transport
        self.transport = before.transport
        self.connected = 1
        self.wire, self._carrier = before.wire, before._carrier
        self.tls, self.ended, self.forget, self._keys = before.tls, before.ended, before.forget, before._keys
        before._released()
        if isinstance(transport, ImmediateTLS):
            transport.hand_over(self)
        else:
            cast(Connection, transport).protocol = self
        if self.tls:
            self.tls.heard = self._keys_renewed
        self.attached()

    def _released(self) -> None:
        """Take no further part; nothing may lead from here back to here, or it would stay until a collection."""
        self._cancel_deadline()
        self._receive = discard

    def handshakeCompleted(self) -> None:
        """TLS is up."""
        assert self.tls is not None
        self.tls.heard = self._keys_renewed
        self.established()

    def _keys_renewed(self) -> None:
        """Keys were renewed (RFC 8446 section 4.6.3): end the connection if that happens all the time."""
        if self.tls and not self._keys.take(self.clock.seconds()):
            self.tls.heard = None
            self.clock.callLater(0, self._cut_off, "it does nothing but renew its keys")  # OpenSSL is at work here

    def _cut_off(self, sentence: str) -> None:
        self.disconnect(sentence)
        if not self.ended.called:
            self.wire.abortConnection()

    def established(self) -> None:
        """The HTTPS connection, or the HTTP connection, is established (3.1.5.1)."""
        self._receive = self.head_received

    def head_received(self, data: bytes) -> None:
        """Take bytes of the peer's head: each connection in its way."""
        raise NotImplementedError

    def expired(self) -> None:
        """The session did not open in time: each connection in its way."""
        raise NotImplementedError

    def dataReceived(self, data: bytes) -> None:
        """Give the bytes to the phase."""
        self._receive(data)

    def turn_over(self) -> None:
        """TLS has given all records that one read of the socket brought; heads are read as they come."""

    def disconnect(self, sentence: str) -> None:
        """End the connection for the reason given: with close_notify if TLS is up, and in any case soon."""
        if self.ending or self.ended.called:
            return
        self.ending = sentence
        self._released()
        # A transport with a producer waits for the producer to finish before it closes.
        self._unregister()
        self.hang_up()
        self._deadline = self.clock.callLater(CLOSE_DEADLINE, self.wire.abortConnection)

    def _unregister(self) -> None:
        if self._producing:
            self._producing = False
            self.wire.unregisterProducer()

    def hang_up(self) -> None:
        """Close the connection once what was sent before is gone."""
        self.wire.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection has ended; what inherits this extends it."""
        self._released()
        if self.tls:
            self.tls.heard = None
        self._unregister()
        self.forget(self)
        self.ended.callback(None)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None


def discard(data: bytes) -> None:
    """Take bytes that come before the phase in which they would mean something, or after it."""


def _nobody(connection: object) -> None:
    """Nobody keeps this connection."""
