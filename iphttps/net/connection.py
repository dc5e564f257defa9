"""A connection to a peer: the optional TLS handshake, a deadline until the session is open, and an end with a reason.

The phase is determined by the method that receives the bytes. A connection can be handed over from one object to
another, with its state: the listener's object processes HTTP, the session that follows it processes packets.
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
"""Maximum seconds from the start of the connection to the open session; a session has no time limit (3.2.2)."""

CLOSE_DEADLINE = 1.0
"""Seconds within which a peer must receive pending data and answer the close, before the connection is aborted."""

KEY_RATE = 2.0
KEY_BURST = 200.0
"""Maximum number of KeyUpdate messages, the peer's and our responses: per second, and in a burst.

A KeyUpdate costs CPU time, and its response occupies the transport's buffer even if the peer does not read. Normal
peers send less than one per minute.
"""


class Wire(TypingProtocol):
    """The interface of the transport used by a connection."""

    def write(self, data: bytes) -> None: ...
    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def loseConnection(self) -> None: ...
    def loseWriteConnection(self) -> None: ...
    def abortConnection(self) -> None: ...
    def getHandle(self) -> object: ...


@implementer(IHandshakeListener)
class PeerConnection(Protocol, ReadBatching):
    """The base class of connections; subclasses implement `head_received` and `expired`."""

    wire: Wire
    _carrier: BottomTransport

    def __init__(self, clock: IReactorTime, handshake_deadline: float = HANDSHAKE_DEADLINE) -> None:
        self.clock = clock
        self.handshake_deadline = handshake_deadline
        self.tls: CheckedConnection | None = None
        self.ended: Deferred[None] = Deferred()
        self.ending: str | None = None
        """The reason for which this end closes the connection; None before."""
        self.forget: Callable[[PeerConnection], None] = _nothing
        """Called when the connection has ended."""
        self._producing = False
        """True if the transport has a producer."""
        self._receive: Callable[[bytes], None] = discard
        self._deadline: IDelayedCall | None = None
        self._keys = TokenBucket(KEY_RATE, KEY_BURST)

    def connectionMade(self) -> None:
        """Start the deadline; with TLS wait for the handshake, otherwise continue at once."""
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
        """Start using the transport; subclasses override this."""

    def take_over(self, before: PeerConnection) -> None:
        """Take over a connection from another object, and receive its data from now on."""
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
        """Stop using the connection; this also removes reference cycles, which only a collection would free."""
        self._cancel_deadline()
        self._receive = discard

    def handshakeCompleted(self) -> None:
        """Continue after the TLS handshake."""
        assert self.tls is not None
        self.tls.heard = self._keys_renewed
        self.established()

    def _keys_renewed(self) -> None:
        """Count a key update (RFC 8446 section 4.6.3), and end the connection if there are too many."""
        if self.tls and not self._keys.take(self.clock.seconds()):
            self.tls.heard = None
            self.clock.callLater(
                0, self._cut_off, "it renews its keys too often"
            )  # not now: OpenSSL is on the call stack

    def _cut_off(self, sentence: str) -> None:
        self.disconnect(sentence)
        if not self.ended.called:
            self.wire.abortConnection()

    def established(self) -> None:
        """Enter the head phase: the HTTPS or HTTP connection is established (3.1.5.1)."""
        self._receive = self.head_received

    def head_received(self, data: bytes) -> None:
        """Process data of the peer's head. Abstract."""
        raise NotImplementedError

    def expired(self) -> None:
        """Handle the handshake deadline. Abstract."""
        raise NotImplementedError

    def dataReceived(self, data: bytes) -> None:
        """Pass data to the method of the present phase."""
        self._receive(data)

    def turn_over(self) -> None:
        """Do nothing after the TLS records of one read of the socket: heads are processed as they arrive."""

    def disconnect(self, sentence: str) -> None:
        """End the connection for this reason: with close_notify if TLS is up, and within CLOSE_DEADLINE."""
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
        """Close the connection once pending data has been sent."""
        self.wire.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Clean up: the connection has ended. Subclasses extend this."""
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
    """Discard data received before or after the phases that process it."""


def _nothing(connection: object) -> None:
    """Do nothing."""
