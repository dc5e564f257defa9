"""Tests for iphttps.core.iphttps.authentication."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.iphttps.authentication import AuthenticationMode


class AuthenticationModeTests(SynchronousTestCase):
    """The Authentication Mode."""

    def test_modes(self) -> None:
        """The authentication mode is Certificates or None, and an operator writes it so (3.2.1)."""
        self.assertEqual(["certificates", "none"], [mode.value for mode in AuthenticationMode])
