"""A session: the packet phase of a connection, which converts between the stream and whole packets.

Three bounded queues are in series. Twisted pauses a producer when more than `bufferSize` bytes are in its buffer, and
resumes it when all have gone to the kernel; packets sent in between wait in the backlog (`core/backlog.py`), or are
dropped and counted if it is full. The kernel queues at most `UNSENT` bytes beyond the peer's receive window
(TCP_NOTSENT_LOWAT). The size of the backlog follows the rate at which the connection drains, so that a packet waits
some milliseconds on a fast connection and not much longer on a slow one. A peer that stops reading costs at most these
bounds plus one batch. The total of all sessions of a server is bounded as well (`core/memory.py`): the higher it is,
the less may wait for each.
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
from .rate import SessionRate
from .stream.write_through import QUEUE, write_through

_UNFRAMED = Framer()
"""A placeholder for the codec until the session opens; it receives no data."""


@implementer(IPushProducer)
class Session(PeerConnection):
    """The base class of sessions; subclasses define the destination of packets."""

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
        self.rate: SessionRate | None = None
        """The rate limit of a server's session, which delays or drops packets to the client; None without one."""
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
        """Register as producer, to be paused and resumed with the transport's buffer."""
        self.wire.registerProducer(self, True)
        self._producing = True

    def opened(self, rest: bytes, codec: Codec) -> None:
        """Enter the packet phase: from now on the codec reads packets from the stream, starting with `rest`."""
        self._cancel_deadline()
        self._codec, self._last = codec, codec.last
        self._feed = codec.feed
        self._encode = self.backlog.encode = codec.encode
        self._take = self._packets_received
        self._receive = self._gathered.append if self.tls else self._take
        if rest:
            self._receive(rest)

    def turn_over(self) -> None:
        """Process the data of all TLS records from one read of the socket together, in large batches."""
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
        """Process received packets. Abstract."""
        raise NotImplementedError

    def settle(self) -> None:
        """Process any deferred packets now."""

    def out_of_step(self, fault: DropReason) -> None:
        """Handle a stream that does not contain packets. Abstract."""
        raise NotImplementedError

    def send(self, batch: Batch) -> None:
        """Send whole packets to the peer; during congestion they are queued, or dropped and counted."""
        if self.rate is not None:
            batch = self.rate.admit(batch)
            if not batch:
                return
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
        """Send Neighbor Discovery packets of the link; during congestion they are queued ahead of data.

        Returns False if they were not sent now: they are queued, at most once for the same packet, or dropped and
        counted if that queue is full.
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
        """Enter congestion: the transport's buffer is full."""
        self.congested = True
        self._full_since = self.clock.seconds()
        self._hold(self._carrier.bufferSize)

    def _hold(self, size: int) -> None:
        self._held += size
        self._memory.hold(size)

    def resumeProducing(self) -> None:
        """Leave congestion and send the backlog: the transport's buffer is empty."""
        if self.congested:
            self.backlog.drained(self._carrier.bufferSize, self.clock.seconds() - self._full_since)
            self._carrier.bufferSize = min(self.backlog.room, QUEUE)
        self.congested = False
        self._hold(-self._held)
        if waited := self.backlog.take():
            write_through(self.wire, waited)

    def stopProducing(self) -> None:
        """Do nothing: the transport is closing, and `connectionLost` follows."""

    def hang_up(self) -> None:
        """End the stream properly, then close the connection."""
        if self._last:
            self.wire.write(self._last)
        super().hang_up()

    def _released(self) -> None:
        super()._released()
        self._take = discard

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Release the memory accounted for; subclasses extend this."""
        self._hold(-self._held)
        super().connectionLost(reason)
