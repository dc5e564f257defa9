"""Tests for iphttps.host.process.unix: whose socket it is, what is replaced, what is rejected, what is left."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from pathlib import Path
from unittest import skipIf

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.host.process.unix import BACKLOG, PrivateSocket, peer_user


class PrivateSocketTests(SynchronousTestCase):
    """A listening socket for one user."""

    def setUp(self) -> None:
        """Choose a path; AF_UNIX bears no long one."""
        directory = tempfile.TemporaryDirectory(prefix="iphttps-unix-")
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "a.sock"

    def private(self, path: Path | None = None, user: int | None = None) -> PrivateSocket:
        """Make a socket."""
        made = PrivateSocket(path or self.path, user)
        self.addCleanup(made.close)
        return made

    def connect(self) -> socket.socket:
        """Connect to it."""
        wire = socket.socket(socket.AF_UNIX)
        self.addCleanup(wire.close)
        wire.setblocking(False)
        wire.connect(str(self.path))
        return wire

    def refusal(self, path: Path | None = None) -> str:
        """Return why there can be no socket at a path."""
        return str(self.assertRaises(ConfigError, self.private, path))

    def test_mode(self) -> None:
        """Only its owner may connect, whatever the umask; the umask stays as it was."""
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.private()
        self.assertEqual(stat.S_IFSOCK | 0o600, self.path.stat().st_mode)
        self.assertEqual(0, os.umask(0))

    def test_peer(self) -> None:
        """The kernel says who is at the other end."""
        private = self.private()
        self.connect()
        connected, _ = private.listening.accept()
        self.addCleanup(connected.close)
        self.assertEqual(os.geteuid(), peer_user(connected))

    def test_directory(self) -> None:
        """A missing directory is made; the one above is not."""
        self.path = self.path.parent / "new" / "a.sock"
        self.private()
        self.connect()
        deep = self.path.parent / "other" / "one" / "a.sock"
        self.assertIn(f"{deep}: there is no directory {deep.parent.parent}: make it", self.refusal(deep))

    @skipIf(os.geteuid() != 0, "It takes root to give something away.")
    def test_owner(self) -> None:
        """Socket and new directory belong to the user that the daemon is going to be."""
        self.path = self.path.parent / "new" / "a.sock"
        self.private(user=65534)
        self.assertEqual((65534, 65534), (self.path.stat().st_uid, self.path.parent.stat().st_uid))
        self.assertEqual(os.getegid(), self.path.stat().st_gid)

    def test_stale(self) -> None:
        """The socket of a daemon that died is replaced."""
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(self.path))
        self.private()
        self.connect()

    def test_live(self) -> None:
        """If a daemon answers there can be no second one, and the first goes on (LC-14)."""
        self.private()
        sentence = f"another daemon answers on {self.path}: stop it, or give --control another path"
        self.assertEqual(sentence, self.refusal())
        self.connect()

    def test_live_and_busy(self) -> None:
        """A daemon with a full queue of connections lives too."""
        self.private()
        with self.assertRaises(BlockingIOError):
            for _ in range(2 * BACKLOG):
                self.connect()
        self.assertIn("another daemon answers", self.refusal())

    def test_no_socket(self) -> None:
        """Something else in its place is left alone."""
        self.path.write_text("precious")
        self.assertIn("is not a socket", self.refusal())
        self.assertEqual("precious", self.path.read_text())
        self.path.unlink()
        self.path.mkdir()
        self.assertIn("is not a socket", self.refusal())

    def test_long_path(self) -> None:
        """A path longer than the kernel takes is rejected with a sentence."""
        sentence = self.refusal(self.path.with_name("x" * 120))
        self.assertIn("its path is too long: give --control one of at most 107 bytes", sentence)

    def test_close(self) -> None:
        """Closed, it is gone, but not the socket that somebody else has put in its place."""
        first = self.private()
        self.path.unlink()
        second = self.private()
        first.close()
        self.connect()
        second.close()
        self.assertFalse(self.path.exists())
        second.close()
