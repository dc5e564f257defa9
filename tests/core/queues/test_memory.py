"""Tests for iphttps.core.queues.memory."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.queues.memory import MINIMUM_TRANSPORT_SHARE, TOTAL_LIMIT, SharedMemory
from iphttps.core.queues.send_limits import MAXIMUM_ROOM


class SharedMemoryTests(SynchronousTestCase):
    """The share of one connection while others use memory."""

    def test_alone(self) -> None:
        """While nothing waits, a connection may have as much as the fastest one needs."""
        memory = SharedMemory()
        self.assertGreaterEqual(memory.share, MAXIMUM_ROOM)
        self.assertFalse(memory.tight)

    def test_bound(self) -> None:
        """However many take what they may, together they stay below the limit, and there is some left for the next."""
        memory = SharedMemory()
        for _ in range(10_000):
            memory.hold(memory.share)
        self.assertLess(memory.held, TOTAL_LIMIT)
        few = SharedMemory()
        for _ in range(20):
            few.hold(few.share)
        self.assertGreater(few.share, MAXIMUM_ROOM // 4)

    def test_tight(self) -> None:
        """From a quarter on transports hold less, but always some; and all is given back."""
        memory = SharedMemory()
        memory.hold(TOTAL_LIMIT // 4 + 1)
        self.assertTrue(memory.tight)
        self.assertLess(memory.transport_share, 256 * 1024)
        memory.hold(TOTAL_LIMIT)
        self.assertEqual((0, MINIMUM_TRANSPORT_SHARE), (memory.share, memory.transport_share))
        memory.hold(-memory.held)
        self.assertEqual((0, False), (memory.held, memory.tight))
