"""The reports of the raw sessions."""

from twisted.trial.unittest import SynchronousTestCase

from bench.sessions import Counted


class CountedTests(SynchronousTestCase):
    """The program's counts."""

    def test_parsed(self) -> None:
        """The open sessions come first, then what each has sent and received by turns."""
        self.assertEqual(Counted(2, [10, 30, 50], [20, 40, 60]), Counted.parsed("counted 2 10 20 30 40 50 60\n"))
