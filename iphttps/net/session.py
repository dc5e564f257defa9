"""A session: the packet phase of a connection, between the stream and whole packets.

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

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ..core.backlog import Backlog
from ..core.codec import Codec
from ..core.counters import Counters
from ..core.errors import DropReason
from ..core.ip.batch import IDENTITY, Batch, Framer
from ..core.memory import SharedMemory
from .connection import HANDSHAKE_DEADLINE, PeerConnection, discard
from .stream.write_through import QUEUE, write_through

_UNFRAMED = Framer()
"""What stands in for a codec until there is one: nothing is fed to it."""


@implementer(IPushProducer)
class Session(PeerConnection):
    """What all sessions have in common; each says where packets go."""

    def __init__(
        self,
        clock: IReactorTime,
        handshake_deadline: float = HANDSHAKE_DEADLINE,
        memory: SharedMemory | None = None,
    ) -> None:
        super().__init__(clock, handshake_deadline)
        self.counters = Counters()
        self.congested = False
        self.backlog = Backlog()
        self._memory = SharedMemory() if memory is None else memory
        self._held = 0
        self._full_since = 0.0
        self._codec: Codec = _UNFRAMED
        self._feed = self._codec.feed
        self._encode = IDENTITY
        self._last = b""
        self._take: Callable[[bytes], None] = discard
        self._gathered: list[bytes] = []

    def attached(self) -> None:
        """Be told when the transport's buffer is full, and when it is empty again."""
        self.wire.registerProducer(self, True)
        self._producing = True

    def opened(self, rest: bytes, codec: Codec) -> None:
        """The session is open: from here on the codec takes packets from the stream, the first of them in `rest`."""
        self._cancel_deadline()
        self._codec, self._last = codec, codec.last
        self._feed = codec.feed
        self._encode = self.backlog.encode = codec.encode
        self._take = self._packets_received
        self._receive = self._gathered.append if self.tls else self._take
        if rest:
            self._receive(rest)

    def turn_over(self) -> None:
        """TLS has given all records that one read of the socket brought: the more packets at a time, the better."""
        if self._gathered:
            data = b"".join(self._gathered)
            self._gathered.clear()
            self._take(data)

    def _packets_received(self, data: bytes) -> None:
        batch = self._feed(data)
        if batch:
            self.deliver(batch)
        if self._codec.end:
            self._stream_ended(self._codec.end)

    def _stream_ended(self, end: DropReason | str) -> None:
        self._receive = self._take = discard
        if isinstance(end, DropReason):
            self.counters.dropped(end)
        self.settle()
        if isinstance(end, DropReason):
            self.out_of_step(end)
        else:
            self.disconnect(end)

    def deliver(self, batch: Batch) -> None:
        """Take the packets that have arrived: each session in its way."""
        raise NotImplementedError

    def settle(self) -> None:
        """Take at once what has arrived and was put off, if anything was."""

    def out_of_step(self, fault: DropReason) -> None:
        """The peer sent something else than packets: each session in its way."""
        raise NotImplementedError

    def send(self, batch: Batch) -> None:
        """Send whole packets to the peer; while the session is congested they wait, or are dropped and counted."""
        if not self.congested:
            if self._memory.tight:
                self._carrier.bufferSize = min(self._carrier.bufferSize, self._memory.transport_share)
            self.counters.sent(len(batch), len(batch.data))
            write_through(self.wire, self._encode(batch))
            return
        self.backlog.room = min(self.backlog.room, self._memory.share)
        taken = self.backlog.add(batch)
        self._hold(batch.bounds[taken])
        self.counters.sent(taken, batch.bounds[taken])
        if taken < len(batch):
            self.counters.dropped(DropReason.CONGESTED, len(batch) - taken)

    def send_urgent(self, batch: Batch) -> bool:
        """Send the link's own Neighbor Discovery; while the session is congested it waits ahead of data.

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

    def hang_up(self) -> None:
        """End the stream in order, then close the connection."""
        if self._last:
            self.wire.write(self._last)
        super().hang_up()

    def _released(self) -> None:
        super()._released()
        self._take = discard

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection has ended; the roles extend this."""
        self._hold(-self._held)
        super().connectionLost(reason)
