"""Tests for iphttps.core.failure."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.failure import Stage, Trouble


class StageTests(SynchronousTestCase):
    """The stages of an attempt."""

    def test_order(self) -> None:
        """They stand in the order in which an attempt passes them, by words that status shows."""
        words = ["resolve", "connect", "proxy", "tls", "certificate", "http", "router", "address"]
        self.assertEqual(words, [stage.value for stage in Stage])

    def test_trouble(self) -> None:
        """Trouble has no code, and no time to wait, unless these are known."""
        trouble = Trouble(Stage.HTTP, "why")
        self.assertEqual((None, None), (trouble.code, trouble.retry_after))
