"""A session on a slow connection: what waits, where, and for how long."""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import DropReason
from iphttps.core.ip import ipv6
from iphttps.core.ip.batch import Batch, Framer
from iphttps.core.ip.ecn import ECT_0
from iphttps.core.queues.memory import SharedMemory
from iphttps.core.queues.send_limits import MINIMUM_QUEUE, QUEUE, ConnectionInfo
from iphttps.net.session import LOOK, Session
from iphttps.net.stream.send_buffer import SendBuffer

RATE = 250_000.0
"""Bytes per second of the line: 2 Mbit/s."""

TICK = 0.005
"""Seconds after which the kernel has sent something."""

SIZE = 1250
PACKET = ipv6.packet(bytes(16), bytes(16), ipv6.UDP, bytes(SIZE - ipv6.HEADER_LENGTH))
CAPABLE = bytes((PACKET[0], PACKET[1] | ECT_0 << 4)) + PACKET[2:]
PING = ipv6.packet(bytes(16), bytes(16), ipv6.ICMPV6, b"ping")


class SlowLine(StringTransport):
    """A transport over a kernel that keeps to its limit, and a line that sends at RATE."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.kernel = b""
        self.buffer = b""
        self.limit: int | None = None
        self.paused = False
        self.acked = 0

    def write(self, data: bytes) -> None:
        """Give the kernel what it takes, buffer the rest, and pause the producer as Twisted does."""
        self.buffer += data
        self._pass_on()
        if len(self.buffer) > vars(self)["bufferSize"] and not self.paused:
            self.paused = True
            cast(IPushProducer, self.producer).pauseProducing()

    def _pass_on(self) -> None:
        room = max((128 * 1024 if self.limit is None else self.limit) - len(self.kernel), 0)
        self.kernel, self.buffer = self.kernel + self.buffer[:room], self.buffer[room:]

    def tick(self) -> bytes:
        """Let the line send for TICK seconds; return what it has sent."""
        size = round(RATE * TICK)
        sent, self.kernel = self.kernel[:size], self.kernel[size:]
        self.acked += len(sent)
        self._pass_on()
        if not self.buffer and self.paused:
            self.paused = False
            cast(IPushProducer, self.producer).resumeProducing()
        return sent


class LineBuffer(SendBuffer):
    """The send buffer of that kernel."""

    def __init__(self, transport: object) -> None:
        super().__init__(transport)
        assert isinstance(transport, SlowLine)
        self.line = transport
        self.looked = 0

    def info(self) -> ConnectionInfo:
        """Tell what TCP would."""
        self.looked += 1
        return ConnectionInfo(self.line.acked, 0.0001 + len(self.line.kernel) / RATE, 0.0001, 1e9)

    def limit(self, in_kernel: int | None, unsent: int) -> None:
        """Set the limit."""
        self.line.limit = in_kernel


class SlowSessionTests(SynchronousTestCase):
    """A sender that never slows down, and a ping beside it."""

    def setUp(self) -> None:
        """Connect."""
        self.patch(Session, "buffer", LineBuffer)
        self.clock = Clock()
        self.clock.advance(100.0)
        self.line = SlowLine(self.clock)
        self.memory = SharedMemory()
        self.session = Session(self.clock, memory=self.memory)
        self.session.makeConnection(self.line)
        self.session.opened(b"", Framer())
        self.framer = Framer()

    def run_for(self, seconds: float, packet: bytes = PACKET, each: int = 2) -> list[bytes]:
        """Send `each` packets in each tick for a time; return the packets that have arrived."""
        arrived: list[bytes] = []
        for _ in range(round(seconds / TICK)):
            if each:
                self.session.send(Batch.of([packet] * each))
            self.clock.advance(TICK)
            arrived += self.framer.feed(self.line.tick())
        return arrived

    def test_short_queues(self) -> None:
        """After a second the queues beneath the session hold less than 20 milliseconds, and are never empty."""
        self.run_for(3.0)
        self.assertLess(len(self.line.kernel) + len(self.line.buffer), 0.02 * RATE + SIZE)
        self.assertGreater(len(self.line.kernel), RATE * TICK)

    def test_drops_at_the_head(self) -> None:
        """Packets that wait for too long are dropped by active queue management, and counted as such (RFC 8289)."""
        self.run_for(3.0)
        before = self.session.counters.drops[DropReason.AQM]
        self.run_for(2.0)
        self.assertGreater(self.session.counters.drops[DropReason.AQM], before + 10)
        self.assertEqual(0, self.session.counters.marked)

    def test_marks(self) -> None:
        """Packets of an ECN-capable transport are marked instead (RFC 3168 section 5), and counted."""
        self.run_for(3.0, CAPABLE)
        before = dict(self.session.counters.drops)
        self.run_for(2.0, CAPABLE)
        self.assertGreater(self.session.counters.marked, 10)
        self.assertEqual(before.get(DropReason.AQM, 0), self.session.counters.drops[DropReason.AQM])

    def test_ping(self) -> None:
        """Beside a sender just above the line's rate a ping arrives within 60 ms."""
        self.run_for(3.0)
        self.run_for(1.0, each=0)
        self.run_for(0.5, each=1)
        for _ in range(10):
            self.session.send(Batch.of([PING]))
            arrived = self.run_for(0.06, each=1)
            self.assertIn(PING, arrived)

    def test_every_packet(self) -> None:
        """Each packet is sent, dropped and counted, or waits; no counter goes up for one that waits."""
        self.run_for(4.0)
        counters = self.session.counters
        waiting = self.session.backlog.size // SIZE
        self.assertGreater(waiting, 0)
        self.assertEqual(1600, counters.packets_out + counters.drops.total() + waiting)

    def test_burst(self) -> None:
        """A burst on a slow connection that is not congested waits in the backlog, not beneath it."""
        self.run_for(3.0)
        self.run_for(1.0, each=0)
        self.assertFalse(self.session.congested)
        self.session.send(Batch.of([PACKET] * 20))
        self.assertLess(len(self.line.kernel) + len(self.line.buffer), 0.02 * RATE + SIZE)
        self.assertGreater(self.session.backlog.size, 10 * SIZE)

    def test_memory(self) -> None:
        """Bytes that wait in the backlog and the transport are counted, and none once all have gone."""
        self.run_for(3.0)
        self.assertEqual(self.session.backlog.size, self.memory.held)
        self.run_for(1.0, each=0)
        self.assertEqual(0, self.memory.held)

    def test_tight_memory(self) -> None:
        """If memory is short, the transport's buffer counts as full with less in it."""
        self.assertEqual(MINIMUM_QUEUE, self.session._queue)
        self.session.send(Batch.of([PACKET]))
        self.assertEqual(QUEUE, self.session._queue)
        self.memory.hold(1 << 26)
        self.session.send(Batch.of([PACKET]))
        self.assertEqual(self.memory.transport_share, self.session._queue)

    def test_reading(self) -> None:
        """The size of reads, which Twisted takes from the same attribute, stays as it is."""
        self.run_for(3.0)
        self.assertEqual(QUEUE, vars(self.line)["bufferSize"])

    def test_looks(self) -> None:
        """Without congestion the connection is looked at after LOOK bytes, but ten times a second at most."""
        buffer = self.session._buffer
        assert isinstance(buffer, LineBuffer)
        for _ in range(4 * LOOK // SIZE):
            self.session.send(Batch.of([PACKET]))
        self.assertEqual(1, buffer.looked)
        self.run_for(1.0, each=0)
        for _ in range(LOOK // len(PING) // 2):
            self.session.send(Batch.of([PING]))
            self.clock.advance(0.1)
        self.assertLessEqual(buffer.looked, 2)
        before = buffer.looked
        for _ in range(10):
            self.session.send(Batch.of([PACKET] * 14))
            self.run_for(0.1, each=0)
        self.assertTrue(5 <= buffer.looked - before <= 10, buffer.looked)
