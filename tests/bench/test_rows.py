"""The verdict on a row."""

from twisted.trial.unittest import SynchronousTestCase

from bench.rows import CrowdGroup, Group, Row, Scope, at_least, at_most


class RowTests(SynchronousTestCase):
    """Rows with and without something to compare with."""

    def test_ratio_within_the_round(self) -> None:
        """A ratio is taken within its round, and the median of the ratios is judged, not the ratio of the medians."""
        row = Row("rate", "Mbit/s", [100, 10, 30], "other", [50, 20, 10], at_least(2))
        self.assertEqual([2.0, 0.5, 3.0], row.judged)
        self.assertTrue(row.met)

    def test_missed(self) -> None:
        """A goal is missed on the wrong side of its limit alone."""
        self.assertFalse(Row("rate", "Mbit/s", [1.39], goal=at_least(1.4)).met)
        self.assertTrue(Row("rate", "Mbit/s", [1.4], goal=at_least(1.4)).met)
        self.assertTrue(Row("delay", "ms", [1.5], goal=at_most(1.5)).met)
        self.assertFalse(Row("delay", "ms", [1.6], goal=at_most(1.5)).met)

    def test_without_goal(self) -> None:
        """A row without a goal neither meets nor misses one."""
        self.assertIsNone(Row("rate", "Mbit/s", [1.0]).met)

    def test_against_nothing(self) -> None:
        """Against something that carried nothing at all the ratio is without bound, and no error."""
        self.assertEqual([float("inf")], Row("packets", "1/s", [5], "other", [0]).judged)


class ScopeTests(SynchronousTestCase):
    """The measurements to take."""

    def test_chosen(self) -> None:
        """The sizes that are asked for take the place of a group's own."""
        self.assertEqual([1, 20], Scope(1).chosen((1, 20)))
        self.assertEqual([7], Scope(1, (7,)).chosen((1, 20)))

    def test_groups(self) -> None:
        """A group gets the number of rounds, and one of crowds all that is asked for."""
        scope = Scope(3, (7,), alone=True)
        self.assertEqual(3, Group("", "", lambda rounds: [Row("", "", [rounds])]).rows(scope)[0].figures[0])
        self.assertEqual(7, CrowdGroup("", "", lambda scope: [Row("", "", scope.sizes)]).rows(scope)[0].figures[0])
