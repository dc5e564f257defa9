"""A session: the packet phase of a connection, which converts between the stream and whole packets.

Three bounded queues are in series. Twisted pauses a producer when more than a limit is in its buffer, and resumes it
when all has gone to the kernel; packets sent in between wait in the backlog (`core/queues/backlog.py`), where CoDel
keeps their delay short, or are dropped and counted if it is full. The limits of all three follow the rate of the
connection and the round-trip time that TCP reports (`core/queues/send_limits.py`), so that packets wait where they can
be dropped, marked and put in order. A peer that stops reading costs at most these bounds plus one batch. The total of
all sessions of a server is bounded as well (`core/queues/memory.py`): the higher it is, the less may wait for each. A
packet counts as sent when it leaves for the transport, not while it waits.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ..core.codec import Codec
from ..core.counters import Counters
from ..core.errors import DropReason
from ..core.ip.batch import IDENTITY, Batch, Framer
from ..core.queues.backlog import Backlog
from ..core.queues.memory import SharedMemory
from ..core.queues.send_limits import QUEUE, SendLimits
from .connection import HANDSHAKE_DEADLINE, PeerConnection, discard
from .rate import SessionRate
from .stream.send_buffer import SendBuffer
from .stream.write_through import write_through

_UNFRAMED = Framer()
"""A placeholder for the codec until the session opens; it receives no data."""

LOOK = 16 * 1024
"""Bytes sent between two looks at the connection while it is not congested."""


@implementer(IPushProducer)
class Session(PeerConnection):
    """The base class of sessions; subclasses define the destination of packets."""

    buffer = SendBuffer
    """Makes the view of the kernel's send buffer of a transport."""

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
        self._limits = SendLimits()
        self._queue = self._limits.queue
        self._next_look = 0
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
        self._buffer = self.buffer(self.wire)
        self.wire.registerProducer(self, True)
        self._producing = True

    def opened(self, rest: bytes, codec: Codec) -> None:
        """Enter the packet phase: from now on the codec reads packets from the stream, starting with `rest`."""
        self._cancel_deadline()
        self._codec, self._last = codec, codec.last
        self._feed = codec.feed
        self._encode = self.backlog.encode = codec.encode
        self._take = self._packets_received
        self.gathering = self.tls is not None
        self._receive = self._gathered.append if self.tls else self._take
        if rest:
            self._receive(rest)

    def records_received(self, data: bytes, records: int) -> None:
        """Collect the data of several TLS records."""
        self._gathered.append(data)

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
        self.gathering = False
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
        if not self.congested and len(batch.data) <= self._limits.piece:
            self.counters.sent(len(batch), len(batch.data))
            self._write(self._encode(batch))
            if self.counters.bytes_out > self._next_look:
                self._look()
            return
        backlog = self.backlog
        now = self.clock.seconds()
        if self.congested and now >= self._limits.next:
            self._measure(now)
        backlog.room = min(backlog.room, self._memory.share)
        taken = backlog.add(batch, now)
        if taken < len(batch):
            self.counters.dropped(DropReason.CONGESTED, len(batch) - taken)
        if not self.congested:
            self._send_backlog()
            self._look()
        self._account()

    def _look(self) -> None:
        """See whether the packets wait in queues below, though the session is not congested."""
        self._next_look = self.counters.bytes_out + LOOK
        now = self.clock.seconds()
        if now >= self._limits.next:
            self._measure(now)

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
        self._full_since = now = self.clock.seconds()
        if now >= self._limits.next:
            self._measure(now)
        self.congested = True
        self._account()

    def resumeProducing(self) -> None:
        """Leave congestion and send the backlog, as far as the transport takes it: the transport's buffer is empty."""
        if self.congested:
            now = self.clock.seconds()
            if now >= self._limits.next and not self._measure(now):
                self._limits.drained(self._queue, now - self._full_since)
            self.backlog.room = self._limits.room
            self._queue = self._limits.queue
            self.congested = False
        self._send_backlog()
        self._account()

    def _measure(self, now: float) -> bool:
        """Adapt the limits to the connection; return False if nothing is known of it."""
        info = self._buffer.info()
        if info is None:
            return False
        self._limits.measure(now, info, congested=self.congested)
        self._buffer.limit(self._limits.in_kernel, self._limits.unsent)
        self._queue = self._limits.queue
        self.backlog.sparse_first = self._limits.in_kernel is not None
        self.backlog.room = min(self.backlog.room, self._limits.room)  # more only once the peer has read
        return True

    def _send_backlog(self) -> None:
        backlog = self.backlog
        while backlog and not self.congested:
            taken = backlog.take(self.clock.seconds(), self._limits.piece)
            self.counters.sent(taken.packets, taken.size)
            if taken.dropped:
                self.counters.dropped(DropReason.AQM, taken.dropped)
            self.counters.marked += taken.marked
            if taken.data:
                self._write(taken.data)

    def _write(self, data: bytes) -> None:
        """Write to the transport, which pauses this session if more than the limit stays in its buffer."""
        if self._memory.tight:
            self._queue = min(self._queue, self._memory.transport_share)
        # The transport's only limit is also the size of its reads, which stays as it is.
        carrier = self._carrier
        carrier.bufferSize = self._queue
        write_through(self.wire, data)
        carrier.bufferSize = QUEUE

    def _account(self) -> None:
        """Count the memory queued for this connection now."""
        held = self.backlog.size + (self._queue if self.congested else 0)
        if held != self._held:
            self._memory.hold(held - self._held)
            self._held = held

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
        self.gathering = False

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Release the memory accounted for; subclasses extend this."""
        self.backlog.clear()
        self.congested = False
        self._account()
        super().connectionLost(reason)
