"""Tests for iphttps.core.failure."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.failure import FailureReason, Stage


class StageTests(SynchronousTestCase):
    """The stages of an attempt."""

    def test_order(self) -> None:
        """They stand in the order in which an attempt passes them, by words that status shows."""
        words = ["resolve", "connect", "proxy", "tls", "certificate", "http"]
        words += ["sstp", "ppp", "login", "binding", "addresses", "router", "address"]
        self.assertEqual(words, [stage.value for stage in Stage])

    def test_trouble(self) -> None:
        """FailureReason has no code, and no time to wait, unless these are known."""
        trouble = FailureReason(Stage.HTTP, "why")
        self.assertEqual((None, None), (trouble.code, trouble.retry_after))
