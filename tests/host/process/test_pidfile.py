"""Existing files at the pid file's path, after a crash or by an operator's mistake."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.host.process.pidfile import PidFile, number_in

from ..support import NOBODY
from .test_opening import OtherUserCase


def gone() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen(("true",))
    process.wait()
    return process.pid


class PidFileCase(SynchronousTestCase):
    """A directory of this user."""

    def setUp(self) -> None:
        """Make it."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir(mode=0o755)
        self.path = self.directory / "server.pid"

    def socket(self) -> None:
        """Put a socket there."""
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(os.path.relpath(self.path))

    def sleeper(self, *words: str) -> int:
        """Start a process that has these words in its command line."""
        program = "import sys; print(flush=True); sys.stdin.read()"
        command = (sys.executable, "-c", program, *words)
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        assert process.stdout
        process.stdout.readline()  # it runs, and has its command line
        return process.pid


class SetAsideTests(PidFileCase):
    """A file other than the pid file of an ended process is renamed."""

    def test_renamed(self) -> None:
        """Anything but a number of a process, whatever it is, keeps nobody from starting, time and again."""
        (self.directory / "other").write_text("other")
        things: dict[str, Callable[[], object]] = {
            "holds no number": lambda: self.path.write_text("garbage"),
            "holds no number of": lambda: self.path.write_bytes(b"\xff\0" * 5000),
            "holds no number of a": self.path.touch,
            "holds no number of a process": lambda: self.path.write_text("12 34"),
            "holds no number of a process:": lambda: self.path.write_text("9" * 30),
            "no number": lambda: self.path.write_text("0"),
            "number": lambda: self.path.write_text("-1"),
            "is a directory": self.path.mkdir,
            "no number of": lambda: self.path.symlink_to("other"),
            "is no file": lambda: os.mkfifo(self.path),
            "is no file:": self.socket,
            "is no file: ": lambda: self.path.symlink_to(self.path.name),
            "has nothing to do with it": lambda: self.path.write_text(str(os.getppid())),
        }
        for reason, put in things.items():
            put()
            file = PidFile(self.path)
            said = file.write() or ""
            self.assertIn(reason.strip(), said)
            self.assertIn(f"renamed to {self.path}.stale", said)
            self.assertFalse(self.path.is_symlink())
            self.assertEqual(self.path.read_text(), str(os.getpid()))
            file.remove()
            self.assertFalse(self.path.exists())
        self.assertEqual((self.directory / "other").read_text(), "other")

    def test_quiet(self) -> None:
        """A process that has ended, or has had this one's number, leaves nothing to be said; nor does our own link."""
        for text in (str(gone()), f" {gone()}\n", str(os.getpid())):
            self.path.write_text(text)
            self.assertIsNone(PidFile(self.path).write())
            self.assertEqual(self.path.read_text(), str(os.getpid()))
        self.path.unlink()
        self.path.symlink_to("elsewhere.pid")
        self.assertIsNone(PidFile(self.path).write())
        self.assertEqual((self.directory / "elsewhere.pid").read_text(), str(os.getpid()))

    def test_related(self) -> None:
        """A daemon that runs by the file is not written over, however its file was named; one by another file is."""
        for words in (
            ("twistd", f"--pidfile={self.path}"),
            ("/opt/iphttps/bin/twistd", "-n", "--pidfile", "server.pid"),
            ("twistd", "--pid=run/server.pid"),
        ):
            self.path.write_text(str(self.sleeper(*words)))
            error = str(self.assertRaises(ConfigError, PidFile(self.path).write))
            self.assertIn(f"another daemon runs by {self.path}, process {self.path.read_text()}", error)
        for words in (("twistd", "--pidfile=other.pid"), ("twistd", "-n"), ("vi", str(self.path))):
            self.path.write_text(str(self.sleeper(*words)))
            self.assertIn("nothing to do with it", PidFile(self.path).write() or "")
        self.path = self.directory / "twistd.pid"
        self.path.write_text(str(self.sleeper("twistd", "web")))
        self.assertRaises(ConfigError, PidFile(self.path).write)

    def test_left_alone(self) -> None:
        """A directory with something in it, and a device, are a mistake in the option: nothing is renamed."""
        (self.path / "within").mkdir(parents=True)
        for path, words in ((self.path, "is a directory, and cannot be renamed"), (Path("/dev/null"), "is a device")):
            self.assertIn(words, str(self.assertRaises(ConfigError, PidFile(path).write)))
            self.assertTrue(path.exists())
        self.assertIn("cannot write", str(self.assertRaises(ConfigError, PidFile(self.path / "no" / "x").write)))

    def test_number(self) -> None:
        """A FIFO at the pid file's path never blocks."""
        self.assertIsNone(number_in(self.path))
        os.mkfifo(self.path)
        self.assertIsNone(number_in(self.path))
        self.path.unlink()
        self.path.write_text("77\n")
        self.assertEqual(number_in(self.path), 77)


class OtherUsersTests(OtherUserCase):
    """The directory is the daemon's user's, who may put anything there."""

    def test_traps(self) -> None:
        """A link is set aside and not followed, and so is a directory."""
        for put in (
            lambda: self.path.symlink_to(self.secret),
            lambda: self.path.symlink_to(self.ours),
            self.path.mkdir,
        ):
            put()
            file = PidFile(self.path, NOBODY, NOBODY)
            self.assertIn("renamed to", file.write() or "")
            self.assertEqual((str(os.getpid()), NOBODY), (self.path.read_text(), self.path.stat().st_uid))
            file.remove()
        self.assertEqual("secret", self.secret.read_text())

    def test_directory_link(self) -> None:
        """Through a link to a directory of root nothing is renamed."""
        (self.theirs / "way").symlink_to(self.ours)
        os.chown(self.theirs / "way", NOBODY, NOBODY, follow_symlinks=False)
        for name in ("secret", "theirs"):
            self.assertRaises(ConfigError, PidFile(self.theirs / "way" / name, NOBODY, NOBODY).write)
        self.assertEqual("secret", self.secret.read_text())
        self.assertTrue(self.theirs.exists())
