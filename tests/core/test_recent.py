"""Tests for iphttps.core.recent."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.recent import RecentlyUsed


class RecentlyUsedTests(SynchronousTestCase):
    """A bounded set."""

    def test_oldest_goes(self) -> None:
        """The least recently used key is evicted; using a key again keeps it."""
        held = RecentlyUsed[str](3)
        self.assertEqual([None] * 4, [held.use(key) for key in "abca"])
        self.assertEqual(list("bca"), list(held))
        self.assertEqual("b", held.use("d"))
        self.assertEqual(list("cad"), list(held))

    def test_discard(self) -> None:
        """A removed key makes room, and may be removed twice."""
        held = RecentlyUsed[str](1)
        held.use("a")
        held.discard("a")
        held.discard("a")
        self.assertNotIn("a", held)
        self.assertIsNone(held.use("b"))
        self.assertIn("b", held)
