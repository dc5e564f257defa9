"""Tests for iphttps.pki.atomic_files; what a crash leaves is tested with the authority's files."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.pki import atomic_files
from iphttps.pki.atomic_files import Busy, create, locked, make_directory, sweep, write


class AtomicFileCase(SynchronousTestCase):
    """A directory to write in."""

    def setUp(self) -> None:
        """Make it."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.path = self.directory / "x.pem"

    def fail_with(self, module: object, name: str, number: int) -> None:
        """Have a function of the system fail."""

        def failing(*arguments: object, **options: object) -> None:
            raise OSError(number, os.strerror(number))

        self.patch(module, name, failing)

    def assert_left(self, *names: str) -> None:
        """Check what is in the directory: above all nothing unfinished."""
        self.assertEqual(sorted(names), sorted(os.listdir(self.directory)))


class WriteTests(AtomicFileCase):
    """Files written whole or not at all."""

    def test_write(self) -> None:
        """A file takes the place of the one before, with the mode asked for whatever the umask is."""
        self.addCleanup(os.umask, os.umask(0o077))
        write(self.path, b"one")
        self.assertEqual(0o644, stat.S_IMODE(self.path.stat().st_mode))
        write(self.path, b"two", atomic_files.PRIVATE)
        self.assertEqual((b"two", 0o600), (self.path.read_bytes(), stat.S_IMODE(self.path.stat().st_mode)))
        self.assert_left("x.pem")

    def test_failure(self) -> None:
        """A failed write leaves the old file, and nothing else."""
        write(self.path, b"one")
        for module, name in ((os, "rename"), (os, "fsync")):
            with self.subTest(name):
                self.fail_with(module, name, errno.ENOSPC)
                error = self.assertRaises(ConfigError, write, self.path, b"two")
                self.assertEqual(f"cannot write {self.path}: No space left on device", str(error))
                self.assertEqual(b"one", self.path.read_bytes())
                self.assert_left("x.pem")

    def test_no_directory(self) -> None:
        """A directory that is not there is named."""
        error = self.assertRaises(ConfigError, write, self.directory / "none" / "x", b"")
        self.assertIn("none/x: No such file or directory", str(error))

    def test_create(self) -> None:
        """A file is created once."""
        create(self.path, b"one")
        error = self.assertRaises(ConfigError, create, self.path, b"two")
        self.assertIn("already exists and is not overwritten", str(error))
        self.assertEqual(b"one", self.path.read_bytes())
        self.assert_left("x.pem")

    def test_no_links(self) -> None:
        """On a file system without links it is created once as well; other failures are told."""
        self.fail_with(os, "link", errno.EPERM)
        create(self.path, b"one")
        self.assertRaises(ConfigError, create, self.path, b"two")
        self.assertEqual(b"one", self.path.read_bytes())
        self.fail_with(os, "link", errno.EIO)
        error = self.assertRaises(ConfigError, create, self.directory / "y.pem", b"two")
        self.assertIn("Input/output error", str(error))
        self.assert_left("x.pem")


class OwnerTests(AtomicFileCase):
    """Files that root writes for a user of the packages'."""

    def setUp(self) -> None:
        """Take notes of who gets what, without asking the system for it."""
        super().setUp()
        self.given: list[tuple[int, int]] = []
        self.patch(os, "geteuid", lambda: 0)
        self.patch(os, "fchown", lambda descriptor, user, group: self.given.append((user, group)))
        self.patch(os, "chown", lambda path, user, group, follow_symlinks: self.given.append((user, group)))
        self.patch(pwd, "getpwuid", self.known)
        self.name = "iphttps"
        found = self.directory.stat()
        self.owner = found.st_uid, found.st_gid

    def known(self, user: int) -> pwd.struct_passwd:
        """Return a user's entry."""
        if not self.name:
            raise KeyError(user)
        return pwd.struct_passwd((self.name, "x", user, user, "", "/", "/bin/false"))

    def test_given(self) -> None:
        """Files and directories in such a user's directory are that user's, in anybody else's they stay root's."""
        write(self.path, b"")
        make_directory(self.directory / "inner")
        self.assertEqual([self.owner] * 2, self.given)
        for self.name in ("alice", ""):
            write(self.path, b"")
            make_directory(self.directory / f"of {self.name}")
        self.assertEqual([self.owner] * 2, self.given)


class DirectoryTests(AtomicFileCase):
    """Directories, and their locks."""

    def test_made(self) -> None:
        """A directory is its owner's alone; one that is there stays as it is, and a file there is in the way."""
        inner = self.directory / "a" / "b"
        make_directory(inner)
        self.assertEqual(0o700, stat.S_IMODE(inner.stat().st_mode))
        inner.chmod(0o750)
        make_directory(inner)
        self.assertEqual(0o750, stat.S_IMODE(inner.stat().st_mode))
        self.path.touch()
        error = self.assertRaises(ConfigError, make_directory, self.path)
        self.assertEqual(f"cannot create the directory {self.path}: File exists", str(error))

    def test_locked(self) -> None:
        """One at a time; what a crash has left is removed by the next."""
        (self.directory / ".0.unfinished").touch()
        with locked(self.directory):
            self.assert_left()
            self.patch(atomic_files, "_PAUSE", 0)
            error = self.assertRaises(Busy, locked(self.directory, 0.01).__enter__)
            self.assertIn("another command is using", str(error))
        with locked(self.directory, 0):
            pass

    def test_no_lock(self) -> None:
        """A directory that is none, and one that cannot be locked, are named."""
        self.path.touch()
        error = self.assertRaises(ConfigError, locked(self.path).__enter__)
        self.assertEqual(f"cannot open the directory {self.path}: Not a directory", str(error))
        self.fail_with(fcntl, "flock", errno.ENOLCK)
        error = self.assertRaises(ConfigError, locked(self.directory).__enter__)
        self.assertEqual(f"cannot lock {self.directory}: No locks available", str(error))

    def test_sweep(self) -> None:
        """A file that cannot be removed stays, without an error."""
        (self.directory / ".0.unfinished").mkdir()
        sweep(self.directory)
        self.assert_left(".0.unfinished")
