"""Tests for iphttps.host.process.opening and iphttps.host.process.pidfile.

What root opens in a directory of another user.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.host.process.opening import open_for, trusted
from iphttps.host.process.pidfile import PidFile
from iphttps.host.process.unix import PrivateSocket

from ..support import NOBODY


class OtherUserCase(SynchronousTestCase):
    """A directory of root, in it one of another user, and a secret of root."""

    def setUp(self) -> None:
        """Make them."""
        if os.geteuid() != 0:
            raise SkipTest("It takes root.")
        self.ours = Path(tempfile.mkdtemp(prefix="iphttps-opening-"))
        self.addCleanup(shutil.rmtree, self.ours)
        self.theirs = self.ours / "theirs"
        self.theirs.mkdir()
        os.chown(self.theirs, NOBODY, NOBODY)
        self.secret = self.ours / "secret"
        self.secret.write_text("secret")
        self.secret.chmod(0o600)
        self.path = self.theirs / "file"

    def append(self, path: Path) -> None:
        """Append to a file for the other user."""
        with open(open_for(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, NOBODY, NOBODY), "ab") as file:
            file.write(b"more")


class OpeningTests(OtherUserCase):
    """A file is opened as its user where others can change the way to it."""

    def test_made(self) -> None:
        """A new file is that user's, though only root can go to its directory; root is root again."""
        groups = os.getgroups()
        self.append(self.path)
        self.assertEqual((NOBODY, NOBODY), (self.path.stat().st_uid, self.path.stat().st_gid))
        self.assertEqual((0, 0, groups), (os.geteuid(), os.getegid(), os.getgroups()))

    def test_links(self) -> None:
        """Neither a symbolic link nor a hard link has root write to its own file; a pipe does not stop it."""
        self.path.symlink_to(self.secret)
        self.assertRaises(OSError, self.append, self.path)
        self.path.unlink()
        self.path.hardlink_to(self.secret)
        self.assertRaises(PermissionError, self.append, self.path)
        self.path.unlink()
        os.mkfifo(self.path)
        self.assertRaises(OSError, self.append, self.path)
        self.assertEqual("secret", self.secret.read_text())

    def test_directory_link(self) -> None:
        """Nor does a link to a directory of root."""
        (self.theirs / "way").symlink_to(self.ours)
        os.chown(self.theirs / "way", NOBODY, NOBODY, follow_symlinks=False)
        self.assertFalse(trusted(self.theirs / "way"))
        self.assertRaises(PermissionError, self.append, self.theirs / "way" / "secret")
        self.assertEqual("secret", self.secret.read_text())

    def test_ours(self) -> None:
        """A path that only root can change is opened by root, links included."""
        self.assertTrue(trusted(self.ours))
        (self.ours / "link").symlink_to(self.secret)
        self.append(self.ours / "link")
        self.assertEqual("secretmore", self.secret.read_text())
        self.ours.chmod(0o1777)
        self.assertFalse(trusted(self.ours))


class PidFileTests(OtherUserCase):
    """Files that twistd would write as root."""

    def test_written(self) -> None:
        """It has the number of this process, is its user's, and goes."""
        file = PidFile(self.path, NOBODY, NOBODY)
        file.write()
        self.assertEqual((str(os.getpid()), NOBODY), (self.path.read_text(), self.path.stat().st_uid))
        file.remove()
        file.remove()
        self.assertFalse(self.path.exists())


class SocketTests(OtherUserCase):
    """The control socket."""

    def test_directory_link(self) -> None:
        """Through a link of the user to a directory of root no socket is made, or removed."""
        (self.theirs / "way").symlink_to(self.ours)
        os.chown(self.theirs / "way", NOBODY, NOBODY, follow_symlinks=False)
        self.assertRaises(ConfigError, PrivateSocket, self.theirs / "way" / "socket", NOBODY, NOBODY)
        self.assertFalse((self.ours / "socket").exists())
