"""The evaluation of a bystander's pings."""

import math

from twisted.trial.unittest import SynchronousTestCase

from bench.delays import Delays


class DelaysTests(SynchronousTestCase):
    """Median and 95th percentile."""

    def test_all_answered(self) -> None:
        """Half of the pings take no longer than the median, and 95 in a hundred no longer than the other."""
        self.assertEqual(Delays(50, 95, 0), Delays.of([float(number) for number in range(100, 0, -1)], 100))

    def test_lost(self) -> None:
        """A lost ping counts as one that takes forever, so that losses make no figure better."""
        self.assertEqual(Delays(3, math.inf, 2), Delays.of([1, 2, 3], 5))

    def test_nothing_answered(self) -> None:
        """Without any answer both figures are without bound."""
        self.assertEqual(Delays(math.inf, math.inf, 3), Delays.of([], 3))
