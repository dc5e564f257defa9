"""Figures for how evenly something is divided."""

from twisted.trial.unittest import SynchronousTestCase

from bench.fairness import jain


class JainTests(SynchronousTestCase):
    """Jain's index."""

    def test_extremes(self) -> None:
        """Equal shares have the index 1, and one of four that has everything 1/4."""
        self.assertAlmostEqual(1.0, jain([7, 7, 7]))
        self.assertAlmostEqual(0.25, jain([8, 0, 0, 0]))

    def test_between(self) -> None:
        """One with twice as much as the other is 0.9, whatever the unit."""
        self.assertAlmostEqual(0.9, jain([1, 2]))
        self.assertAlmostEqual(0.9, jain([1e9, 2e9]))

    def test_nothing(self) -> None:
        """Shares of nothing are even."""
        self.assertEqual(1.0, jain([0, 0]))
