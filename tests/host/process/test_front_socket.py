"""The UNIX socket for fronts: its mode, what may be in its place, and that it goes."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.host.process.front_socket import FrontSocket


class FrontSocketTests(SynchronousTestCase):
    """A socket in a directory of its own."""

    def setUp(self) -> None:
        """Make the directory."""
        directory = tempfile.TemporaryDirectory(prefix="iphttps-front-")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.path = self.directory / "f.sock"

    def refused(self, path: Path, words: str, group: str = "") -> None:
        """Check that there is no socket, and the reason."""
        with self.assertRaisesRegex(ConfigError, words):
            FrontSocket(path, group)

    def test_life(self) -> None:
        """It is the user's own whatever the umask, can be connected to, and goes with its end."""
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        made = FrontSocket(self.path)
        self.assertEqual(0o600, stat.S_IMODE(self.path.stat().st_mode))
        with socket.socket(socket.AF_UNIX) as front:
            front.connect(str(self.path))
        self.refused(self.path, "another program listens")
        self.assertTrue(self.path.exists())
        made.close()
        self.assertFalse(self.path.exists())

    def test_another(self) -> None:
        """Another file at its path is not removed at the end."""
        made = FrontSocket(self.path)
        self.path.rename(self.directory / "old")
        self.path.write_text("x")
        made.close()
        self.assertEqual("x", self.path.read_text())

    def test_dead(self) -> None:
        """The socket of a server that was killed is replaced."""
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(self.path))
        dead.close()
        FrontSocket(self.path).close()
        self.assertFalse(self.path.exists())

    def test_refused(self) -> None:
        """A link, a file, and places where there cannot be a socket are rejected, and nothing is touched."""
        target = self.directory / "target"
        target.write_text("x")
        self.path.symlink_to(target)
        self.refused(self.path, "is not a socket")
        self.path.unlink()
        self.path.symlink_to(self.directory / "missing")
        self.refused(self.path, "is not a socket")
        self.assertFalse((self.directory / "missing").exists())
        self.refused(target, "is not a socket")
        self.assertEqual("x", target.read_text())
        self.refused(self.directory / "none" / "f.sock", "there is no directory")
        self.refused(target / "f.sock", "Not a directory")
        self.refused(self.directory / ("x" * 120), "too long")
        self.refused(self.directory / "g.sock", "no group", "no-such-group")
        self.directory.chmod(0o777)
        self.refused(self.directory / "g.sock", "any user can replace")
