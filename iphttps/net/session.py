"""The tunnel protocol: a handshake phase, then a packet phase, on one stream.

Phase is which method takes the bytes; on the data path nobody asks whether the session is open.

There are three queues, one behind the other, and each is bounded. Twisted tells a producer to pause when more than
`bufferSize` bytes wait in its buffer, and to resume when all have gone to the kernel; what comes in between waits in
the backlog (`core/backlog.py`), or is dropped and counted where there is no room. The kernel is kept from taking more
than `UNSENT` bytes ahead of what the peer has room for (TCP_NOTSENT_LOWAT). How much there is room for follows the rate
at which the connection drains, so that a packet waits some milliseconds on a fast connection and not much longer on a
slow one; a peer that stops reading costs at most the bounds and one batch more. What all of a server's tunnels hold is
bounded as well (`core/memory.py`): the more that is, the less may wait for each.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol as TypingProtocol
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IHandshakeListener,
    IPushProducer,
    IReactorTime,
    ISSLTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ..core.backlog import Backlog
from ..core.counters import Counters
from ..core.errors import DropReason
from ..core.http.body import Body
from ..core.ip.batch import Batch, Framer
from ..core.limits import TokenBucket
from ..core.memory import SharedMemory
from ..pki.verification import CheckedConnection
from .stream.write_through import QUEUE, prepare, write_through
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
    """What a tunnel needs of its transport."""

    def write(self, data: bytes) -> None: ...
    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def loseConnection(self) -> None: ...
    def loseWriteConnection(self) -> None: ...
    def abortConnection(self) -> None: ...
    def getHandle(self) -> object: ...


@implementer(IHandshakeListener, IPushProducer)
class Session(Protocol, ReadBatching):
    """What both ends have in common; each role says how its handshake goes and where packets go."""

    def __init__(
        self,
        clock: IReactorTime,
        handshake_deadline: float = HANDSHAKE_DEADLINE,
        memory: SharedMemory | None = None,
    ) -> None:
        self.clock = clock
        self.handshake_deadline = handshake_deadline
        self.counters = Counters()
        self.congested = False
        self.backlog = Backlog()
        self._memory = SharedMemory() if memory is None else memory
        self._held = 0
        self._full_since = 0.0
        self.tls: CheckedConnection | None = None
        self.framer = Framer()
        self.ended: Deferred[None] = Deferred()
        self._receive: Callable[[bytes], None] = discard
        self._take: Callable[[bytes], None] = discard
        self._gathered: list[bytes] = []
        self._deadline: IDelayedCall | None = None
        self.ending: str | None = None
        self._keys = TokenBucket(KEY_RATE, KEY_BURST)

    # The handshake phase.

    def connectionMade(self) -> None:
        """Start: with TLS the session can begin when its handshake is complete, else at once."""
        self.wire = cast(Wire, self.transport)
        self._carrier = prepare(self.transport)
        self.wire.registerProducer(self, True)
        self._deadline = self.clock.callLater(self.handshake_deadline, self.expired)
        if ISSLTransport.providedBy(self.transport):
            handle = self.wire.getHandle()
            assert isinstance(handle, CheckedConnection)
            self.tls = handle
        else:
            self.established()

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
        """Take bytes of the peer's head: each role in its way."""
        raise NotImplementedError

    def expired(self) -> None:
        """The session did not open in time: each role in its way."""
        raise NotImplementedError

    def opened(self, rest: bytes, body: Body | None = None) -> None:
        """The session is open: from here on come packets, the first of them in `rest`; `body` reads one that ends."""
        self._cancel_deadline()
        transport: object = self.transport
        if isinstance(transport, ImmediateTLS):
            transport.opened()
        self._take = partial(self._body_received, body) if body else self._packets_received
        self._receive = self._gathered.append if self.tls else self._take
        if rest:
            self._receive(rest)

    # The packet phase.

    def dataReceived(self, data: bytes) -> None:
        """Give the bytes to the phase."""
        self._receive(data)

    def turn_over(self) -> None:
        """TLS has given all records that one read of the socket brought: the more packets at a time, the better."""
        if self._gathered:
            data = b"".join(self._gathered)
            self._gathered.clear()
            self._take(data)

    def _body_received(self, body: Body, data: bytes) -> None:
        self._packets_received(body.feed(data))
        if body.end:
            self.settle()
            self.disconnect(body.end)

    def _packets_received(self, data: bytes) -> None:
        batch = self.framer.feed(data)
        if batch:
            self.deliver(batch)
        if self.framer.fault:
            self._receive = self._take = discard
            self.counters.dropped(self.framer.fault)
            self.settle()
            self.out_of_step(self.framer.fault)

    def deliver(self, batch: Batch) -> None:
        """Take the packets that have arrived: each role in its way."""
        raise NotImplementedError

    def settle(self) -> None:
        """Take at once what has arrived and was put off, if anything was."""

    def out_of_step(self, fault: DropReason) -> None:
        """The peer sent something else than IPv6 packets: each role in its way."""
        raise NotImplementedError

    def send(self, batch: Batch) -> None:
        """Send whole packets to the peer; while the tunnel is congested they wait, or are dropped and counted."""
        if not self.congested:
            if self._memory.tight:
                self._carrier.bufferSize = min(self._carrier.bufferSize, self._memory.transport_share)
            self.counters.sent(len(batch), len(batch.data))
            write_through(self.wire, batch.data)
            return
        self.backlog.room = min(self.backlog.room, self._memory.share)
        taken = self.backlog.add(batch)
        self._hold(batch.bounds[taken])
        self.counters.sent(taken, batch.bounds[taken])
        if taken < len(batch):
            self.counters.dropped(DropReason.CONGESTED, len(batch) - taken)

    def send_urgent(self, batch: Batch) -> bool:
        """Send the link's own Neighbor Discovery; while the tunnel is congested it waits ahead of data.

        Returns False if the peer has not been sent it yet: while it waits, which the same packet does only once, and
        where there is no room for it either, with the drop counted.
        """
        if not self.congested:
            self.send(batch)
            return True
        if self.backlog.waits(batch):
            return False
        if self.backlog.add_urgent(batch):
            self.counters.sent(len(batch), len(batch.data))
        else:
            self.counters.dropped(DropReason.CONGESTED, len(batch))
        return False

    def pauseProducing(self) -> None:
        """The transport's buffer is full."""
        self.congested = True
        self._full_since = self.clock.seconds()
        self._hold(self._carrier.bufferSize)

    def _hold(self, size: int) -> None:
        self._held += size
        self._memory.hold(size)

    def resumeProducing(self) -> None:
        """The transport's buffer is empty again: what has waited is next."""
        if self.congested:
            self.backlog.drained(self._carrier.bufferSize, self.clock.seconds() - self._full_since)
            self._carrier.bufferSize = min(self.backlog.room, QUEUE)
        self.congested = False
        self._hold(-self._held)
        if waited := self.backlog.take():
            write_through(self.wire, waited)

    def stopProducing(self) -> None:
        """The transport is closing; `connectionLost` follows."""

    # The end.

    def disconnect(self, sentence: str) -> None:
        """End the session for the reason given: with close_notify if TLS is up, and in any case soon."""
        if self.ending or self.ended.called:
            return
        self.ending = sentence
        self._cancel_deadline()
        self._receive = self._take = discard
        # A transport with a producer waits for the producer to finish before it closes.
        self.wire.unregisterProducer()
        self.hang_up()
        self._deadline = self.clock.callLater(CLOSE_DEADLINE, self.wire.abortConnection)

    def hang_up(self) -> None:
        """Close the connection once what was sent before is gone."""
        self.wire.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection has ended; the roles extend this."""
        self._cancel_deadline()
        # Nothing may lead from here back to here, or it would all stay until a garbage collection.
        self._receive = self._take = discard
        self._hold(-self._held)
        if self.tls:
            self.tls.heard = None
        if not self.ending:
            self.wire.unregisterProducer()
        self.ended.callback(None)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None


def discard(data: bytes) -> None:
    """Take bytes that come before the phase in which they would mean something, or after it."""
