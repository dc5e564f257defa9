"""The page with the figures."""

from twisted.trial.unittest import SynchronousTestCase

from bench.document import BY_HAND, page


class PageTests(SynchronousTestCase):
    """A page that is written again."""

    def test_kept(self) -> None:
        """New figures replace the old ones, and text written by hand after them stays."""
        self.assertEqual(f"new\n\n{BY_HAND}\n\nlog\n", page(f"old\n\n{BY_HAND}\n\nlog\n", "new\n"))

    def test_nothing_written(self) -> None:
        """If nobody has written anything, the page is what is measured."""
        for before in ("", "old\n"):
            self.assertEqual("new\n", page(before, "new\n"))
