"""The link whose cost is measured."""

from twisted.trial.unittest import SynchronousTestCase

from bench.groups import curve


class PeopledTests(SynchronousTestCase):
    """Links of several sizes."""

    def test_forwards(self) -> None:
        """The measured packets pass in both directions, for the smallest link as well."""
        self.patch(curve, "TURNS", 20)
        for size in (1, 3, 100):
            costs = curve.Peopled(size).microseconds()
            self.assertEqual([curve.OUT, curve.IN], list(costs))
            self.assertGreater(min(costs.values()), 0)
