"""Tests for iphttps.core.memory."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.backlog import MOST
from iphttps.core.memory import LEAST, MOST_TOGETHER, SharedMemory


class SharedMemoryTests(SynchronousTestCase):
    """How much may wait for one connection while others hold some."""

    def test_alone(self) -> None:
        """While nothing waits, a connection may have as much as the fastest one needs."""
        memory = SharedMemory()
        self.assertGreaterEqual(memory.share, MOST)
        self.assertFalse(memory.tight)

    def test_bound(self) -> None:
        """However many take what they may, together they stay below the limit, and there is some left for the next."""
        memory = SharedMemory()
        for _ in range(10_000):
            memory.hold(memory.share)
        self.assertLess(memory.held, MOST_TOGETHER)
        few = SharedMemory()
        for _ in range(20):
            few.hold(few.share)
        self.assertGreater(few.share, MOST // 4)

    def test_tight(self) -> None:
        """From a quarter on transports hold less, but always some; and all is given back."""
        memory = SharedMemory()
        memory.hold(MOST_TOGETHER // 4 + 1)
        self.assertTrue(memory.tight)
        self.assertLess(memory.transport_share, 256 * 1024)
        memory.hold(MOST_TOGETHER)
        self.assertEqual((0, LEAST), (memory.share, memory.transport_share))
        memory.hold(-memory.held)
        self.assertEqual((0, False), (memory.held, memory.tight))
