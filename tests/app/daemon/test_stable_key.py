"""The key of the interface identifiers: made once, private, and checked."""

from __future__ import annotations

import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.daemon.stable_key import FILE, KEY_LENGTH, interface_secret


class StableKeyTests(SynchronousTestCase):
    """A state directory."""

    def setUp(self) -> None:
        """Make it."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.environment = {"STATE_DIRECTORY": str(self.directory)}

    def secret(self, interface: str = "iphttps0") -> bytes | None:
        """Return the secret of an interface."""
        return interface_secret(interface, environment=self.environment)

    def test_same(self) -> None:
        """The secret of an interface is the same after each start, and differs from another's (RFC 7217 section 5)."""
        first = self.secret()
        assert first
        self.assertEqual((16, first), (len(first), self.secret()))
        self.assertNotEqual(first, self.secret("iphttps1"))
        self.assertEqual(0o600, stat.S_IMODE((self.directory / FILE).stat().st_mode))
        (self.directory / FILE).unlink()
        self.assertNotEqual(first, self.secret())

    def test_no_directory(self) -> None:
        """Without a state directory there is none."""
        self.environment.clear()
        self.assertIsNone(self.secret())

    def test_broken(self) -> None:
        """A key of another length is not used, and a directory that is missing is named."""
        (self.directory / FILE).write_bytes(bytes(KEY_LENGTH - 1))
        error = self.assertRaises(OSError, self.secret)
        self.assertEqual(
            (str(self.directory / FILE), "it does not have 32 bytes: remove it"), (error.filename, error.strerror)
        )
        self.environment["STATE_DIRECTORY"] = "/nowhere"
        self.assertEqual(f"/nowhere/{FILE}", self.assertRaises(OSError, self.secret).filename)
