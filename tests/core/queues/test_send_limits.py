"""Tests for iphttps.core.queues.send_limits, with a model of a connection over a slow line in virtual time."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.queues.send_limits import (
    BURST,
    DELAY,
    INITIAL_ROOM,
    INITIAL_UNSENT,
    INTERVAL,
    MAXIMUM_IN_KERNEL,
    MAXIMUM_ROOM,
    MAXIMUM_UNSENT,
    MINIMUM_IN_KERNEL,
    MINIMUM_QUEUE,
    MINIMUM_ROOM,
    QUEUE,
    SLACK,
    WRITING,
    ConnectionInfo,
    SendLimits,
)

MBIT = 1e6 / 8
"""Bytes per second."""


class Line:
    """A connection with always something to send, over a line of a rate and a round-trip time, which is never lossy.

    Without a limit there are `unlimited` bytes in the kernel; what is more than the line carries in its round-trip time
    waits in a queue.
    """

    def __init__(self, rate: float, rtt: float, unlimited: int = 400_000) -> None:
        self.limits = SendLimits()
        self.rate, self.rtt, self.min_rtt = rate, rtt, rtt
        self.unlimited = unlimited
        self.now = 100.0
        self.acked = 5000.0
        self.delivery_rate = rate

    @property
    def in_kernel(self) -> int:
        """Bytes in the kernel."""
        return self.unlimited if self.limits.in_kernel is None else self.limits.in_kernel

    @property
    def delay(self) -> float:
        """The present round-trip time, by Little's law."""
        return max(self.in_kernel / self.rate, self.rtt)

    def measure(self, congested: bool = True) -> None:
        """Have the limits adapt now."""
        info = ConnectionInfo(int(self.acked), self.delay, self.min_rtt, self.delivery_rate)
        self.limits.measure(self.now, info, congested=congested)

    def run(self, seconds: float) -> None:
        """Let the connection send for a time, and measure when that is due."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.01
            self.acked += 0.01 * self.in_kernel / self.delay
            if self.now >= self.limits.next:
                self.measure()


class SlowTests(SynchronousTestCase):
    """A connection that fills a queue."""

    def test_limited(self) -> None:
        """It holds what it delivers in its round-trip time and SLACK, and is as fast as before."""
        for rtt in (0.001, 0.02, 0.05):
            line = Line(8 * MBIT, rtt)
            line.run(3.0)
            before, now = line.acked, line.now
            line.run(5.0)
            self.assertGreater((line.acked - before) / (line.now - now) / line.rate, 0.98)
            size = line.limits.in_kernel
            assert size is not None
            self.assertTrue(size / (line.rate * rtt) > 1.0 and size / line.rate < rtt + 2 * SLACK + rtt / 2)
            self.assertLess(line.delay, rtt + 3 * SLACK)

    def test_very_slow(self) -> None:
        """It holds as many bytes as are needed for acknowledgements without delay, however slow it is (RFC 5681)."""
        line = Line(0.1 * MBIT, 0.001)
        line.run(5.0)
        self.assertEqual(MINIMUM_IN_KERNEL, line.limits.in_kernel)

    def test_small_pieces(self) -> None:
        """It is written to in pieces of WRITING seconds; all that the kernel does not take is congestion."""
        line = Line(8 * MBIT, 0.001)
        line.run(3.0)
        self.assertEqual(0, line.limits.queue)
        self.assertLess(abs(line.limits.piece / (line.rate * WRITING) - 1), 0.1)
        self.assertLess(abs(line.limits.room / (line.rate * BURST) - 1), 0.1)

    def test_wrong_rate_at_first(self) -> None:
        """The kernel's first estimate may be far too high, as that of a burst is; it is corrected in two intervals."""
        line = Line(2 * MBIT, 0.001)
        line.delivery_rate = 1000 * MBIT
        line.measure()
        self.assertIsNone(line.limits.in_kernel)
        line.run(2 * INTERVAL + 4 * line.delay)
        self.assertIsNotNone(line.limits.in_kernel)

    def test_without_congestion(self) -> None:
        """A queue is found, too, if the session is not congested: what it sends waits there nevertheless."""
        line = Line(2 * MBIT, 0.001, unlimited=12_000)
        for _ in range(3):
            line.measure(congested=False)
            line.now += 0.15
            line.acked += 0.15 * line.rate
        self.assertEqual(MINIMUM_IN_KERNEL, line.limits.in_kernel)

    def test_faster(self) -> None:
        """A line that has become faster is used soon, whatever its round-trip time (three seconds for four times)."""
        for rtt in (0.001, 0.02):
            line = Line(2 * MBIT, rtt)
            line.run(3.0)
            line.rate *= 4
            line.run(3.0)
            before = line.acked
            line.run(1.0)
            self.assertGreater(line.acked - before, 0.9 * line.rate, rtt)

    def test_much_faster(self) -> None:
        """A line that has no queue any more loses the limit, though TCP's estimate remains low."""
        line = Line(2 * MBIT, 0.001)
        line.run(3.0)
        line.rate = 1000 * MBIT
        line.run(2.0)
        self.assertIsNone(line.limits.in_kernel)

    def test_slower(self) -> None:
        """A line that has become slower has a longer queue for a second, no more."""
        line = Line(20 * MBIT, 0.001)
        line.run(3.0)
        line.rate = 2 * MBIT
        line.run(3.0)
        self.assertLess(line.delay, 0.03)

    def test_longer_path(self) -> None:
        """With a longer path the shortest round-trip time is no measure any more; the rate comes back nevertheless."""
        line = Line(8 * MBIT, 0.01)
        line.run(3.0)
        line.rtt = 0.06  # but min_rtt stays
        line.run(15.0)
        before = line.acked
        line.run(10.0)
        self.assertGreater(line.acked - before, 0.7 * 10 * line.rate)

    def test_idle(self) -> None:
        """The time without data does not count as a low rate."""
        line = Line(8 * MBIT, 0.001)
        line.run(3.0)
        rate = line.limits.rate
        line.now += 100.0
        line.measure(congested=False)
        self.assertEqual(rate, line.limits.rate)


class FastTests(SynchronousTestCase):
    """Connections that need no limit in the kernel."""

    def test_initial(self) -> None:
        """Before anything is known, the limits suit a slow connection, and a fast one for a moment."""
        limits = SendLimits()
        found = limits.in_kernel, limits.unsent, limits.queue, limits.piece, limits.room
        self.assertEqual((None, INITIAL_UNSENT, MINIMUM_QUEUE, MAXIMUM_ROOM, INITIAL_ROOM), found)

    def test_fast(self) -> None:
        """A fast connection gets the largest queues at its first congestion."""
        line = Line(8000 * MBIT, 0.0001)
        line.measure()
        limits = line.limits
        found = limits.in_kernel, limits.unsent, limits.queue, limits.piece, limits.room
        self.assertEqual((None, MAXIMUM_UNSENT, QUEUE, MAXIMUM_ROOM, MAXIMUM_ROOM), found)
        line.run(3.0)
        self.assertIsNone(line.limits.in_kernel)

    def test_no_queue(self) -> None:
        """A slow peer on a fast line does not fill a queue of the network, and has no limit in the kernel."""
        line = Line(2 * MBIT, 0.02, unlimited=4000)
        line.run(3.0)
        self.assertIsNone(line.limits.in_kernel)

    def test_large(self) -> None:
        """A connection that needs much in the kernel, fast or with a long way, has no limit there."""
        line = Line(100 * MBIT, 0.1, unlimited=4_000_000)
        line.run(3.0)
        self.assertGreater(line.rate * line.rtt, MAXIMUM_IN_KERNEL)
        self.assertIsNone(line.limits.in_kernel)

    def test_little_traffic(self) -> None:
        """A connection with little to send keeps the rate that TCP knows of, whatever it has sent since."""
        line = Line(50 * MBIT, 0.01, unlimited=1000)
        for _ in range(20):
            line.measure(congested=False)
            line.now += INTERVAL
            line.acked += 100
        self.assertEqual((line.delivery_rate, None), (line.limits.rate, line.limits.in_kernel))


class UnknownTests(SynchronousTestCase):
    """Connections of which TCP says nothing, such as those of a UNIX socket."""

    def test_rate(self) -> None:
        """The rate is that at which the transport's buffer drains, on average."""
        limits = SendLimits()
        limits.drained(300_000, 0.02)
        self.assertEqual(300_000 / 0.02, limits.rate)
        for _ in range(50):
            limits.drained(30_000, 0.01)
        self.assertLess(abs(limits.room / (30_000 / 0.01 * BURST) - 1), 0.01)
        self.assertEqual(MINIMUM_QUEUE, limits.queue)
        self.assertIsNone(limits.in_kernel)

    def test_bounds(self) -> None:
        """A slow connection has little room, and a fast one does not have any amount."""
        limits = SendLimits()
        limits.drained(250_000, 10.0)
        self.assertEqual((MINIMUM_ROOM, MINIMUM_QUEUE), (limits.room, limits.queue))
        for _ in range(50):
            limits.drained(250_000, 0.0)
        self.assertEqual((MAXIMUM_ROOM, QUEUE), (limits.room, limits.queue))

    def test_between(self) -> None:
        """In between, the transport's buffer holds DELAY seconds."""
        limits = SendLimits()
        limits.drained(10_000_000, 1.0)
        self.assertEqual(int(10_000_000 * DELAY), limits.queue)
