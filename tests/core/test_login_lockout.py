"""Logins that peers have rejected."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.login_lockout import PAUSE, LoginLockout


class LockoutTests(SynchronousTestCase):
    """The withheld logins, their servers, and the duration."""

    def setUp(self) -> None:
        """Begin without a rejection."""
        self.lockout: LoginLockout[str, str] = LoginLockout()

    def test_rejected(self) -> None:
        """A rejected login is withheld from that peer for 15 minutes, another login or peer is not affected."""
        self.assertEqual(0.0, self.lockout.remaining("a", "secret", 0.0))
        self.lockout.rejected("a", "secret", 100.0)
        self.assertEqual(PAUSE - 60, self.lockout.remaining("a", "secret", 160.0))
        self.assertEqual(0.0, self.lockout.remaining("a", "secret", 100.0 + PAUSE))
        self.assertEqual(0.0, self.lockout.remaining("a", "other", 160.0))
        self.assertEqual(0.0, self.lockout.remaining("b", "secret", 160.0))
        self.assertTrue(self.lockout.has_rejected("a", "secret"))
        self.assertFalse(self.lockout.has_rejected("a", "other"))
        self.assertFalse(self.lockout.has_rejected("b", "secret"))

    def test_several(self) -> None:
        """After two peers have rejected a login it is withheld from all: they may use one directory."""
        self.lockout.rejected("a", "secret", 0.0)
        self.lockout.rejected("b", "secret", 10.0)
        self.assertEqual(PAUSE - 20, self.lockout.remaining("c", "secret", 20.0))
        self.assertEqual(PAUSE - 10, self.lockout.remaining("b", "secret", 20.0))
        self.assertEqual(0.0, self.lockout.remaining("c", "secret", PAUSE))

    def test_accepted(self) -> None:
        """A login that a peer has accepted is no longer withheld from it."""
        self.lockout.rejected("a", "secret", 0.0)
        self.lockout.accepted("a")
        self.lockout.accepted("b")
        self.assertEqual(0.0, self.lockout.remaining("a", "secret", 1.0))

    def test_forgotten(self) -> None:
        """An expired entry takes no memory."""
        for number in range(100):
            self.lockout.rejected(f"p{number}", "secret", number * PAUSE)
        self.assertEqual(1, len(self.lockout))
