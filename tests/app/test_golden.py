"""The help texts match the golden files; tests/app/golden.py says how to update them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from .golden import DIRECTORY, texts


class GoldenTests(SynchronousTestCase):
    """Help."""

    maxDiff = None

    def test_help(self) -> None:
        """Each text is as its file has it, and there are no other files."""
        found = dict(texts())
        self.assertEqual(sorted(found), sorted(path.name for path in DIRECTORY.iterdir()))
        for name, text in found.items():
            self.assertEqual((DIRECTORY / name).read_text(), text, f"{name}: python -m tests.app.golden renews it")

    def test_whole_sentences(self) -> None:
        """Nothing is cut off."""
        for name, text in texts():
            if name.startswith("iphttps"):
                lines = text.replace("]...", "").splitlines()
                self.assertEqual([], [line for line in lines if "..." in line and not line.startswith("Usage:")], name)
