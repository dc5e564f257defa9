"""The log file, as logrotate and the daemon itself rotate it."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

from twisted.logger import capturedLogs
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from iphttps.app.daemon import log_file
from iphttps.app.daemon.log_file import KEPT, LogFile, log_stream, text_observer
from iphttps.core.errors import ConfigError

SHIPPED = Path(__file__).parents[3] / "etc" / "logrotate.d" / "iphttps"


class LogFileCase(SynchronousTestCase):
    """A log file with one line."""

    def setUp(self) -> None:
        """Begin it."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir(mode=0o755)
        self.path = self.directory / "server.log"
        self.file = LogFile(str(self.path))
        self.addCleanup(lambda: self.file.close())
        self.file.write("one\n")

    def read(self, number: int | None = None) -> str:
        """Return what the file holds, or one from before."""
        return Path(f"{self.path}.{number}" if number else self.path).read_text()


class RotationTests(LogFileCase):
    """Changes of the log file by other programs and by the daemon."""

    def test_moved(self) -> None:
        """A renamed file keeps its lines; the next go to the one at the path, of the same mode if it is new."""
        for create in (False, True):
            for signalled in (False, True):
                self.path.chmod(0o640)
                old = self.path.rename(self.directory / f"old{create}{signalled}")
                if create:
                    self.path.touch(mode=0o640)
                if signalled:
                    self.file.renew()
                    self.assertEqual("", self.read())
                self.file.write("two\n")
                self.assertEqual(("one\n", "two\n"), (old.read_text(), self.read()))
                self.assertEqual(0o640, stat.S_IMODE(self.path.stat().st_mode))
                self.assertFalse(Path(f"{self.path}.1").exists())
                os.truncate(self.path, 0)
                self.file.write("one\n")

    def test_cut_off(self) -> None:
        """A file that is cut off in place goes on at its begin, without zeros."""
        os.truncate(self.path, 0)
        self.file.write("two\n")
        self.assertEqual("two\n", self.read())

    def test_removed(self) -> None:
        """A file that was removed does not go on unseen."""
        self.path.unlink()
        self.file.write("two\n")
        self.assertEqual("two\n", self.read())

    def test_in_place(self) -> None:
        """Told to renew a file in place, it begins a new one; an empty one stays, so that signals make no files."""
        for _ in range(40):
            self.file.renew()
        self.assertEqual(("", "one\n"), (self.read(), self.read(1)))
        self.assertEqual(2, len(list(self.directory.iterdir())))

    def test_bound(self) -> None:
        """Of its own rotations so many files stay, the newest; others' are let be."""
        other = self.directory / "server.log.12"
        other.touch()
        for number in range(20):
            self.file.write(f"{number}\n")
            self.file.renew()
        kept = [self.read(number).strip() for number in range(1, KEPT + 1)]
        self.assertEqual([str(number) for number in range(19, 19 - KEPT, -1)], kept)
        self.assertEqual(KEPT + 2, len(list(self.directory.iterdir())))

    def test_gap(self) -> None:
        """A free number in the rotation overwrites no file."""
        for number in range(KEPT + 1):
            self.file.write(f"{number}\n")
            self.file.renew()
        Path(f"{self.path}.3").unlink()
        last = self.read(KEPT)
        self.file.write("x\n")
        self.file.renew()
        self.assertEqual(last, self.read(KEPT))

    def test_length(self) -> None:
        """A long file rotates itself; if it cannot, it goes on, and tries again only much later."""
        self.patch(log_file, "LENGTH", 100)
        self.file.reopen()
        self.file._limit = 100
        self.file.write("x" * 100 + "\n")
        self.file.write("two\n")
        self.assertEqual("two\n", self.read())
        tried = []

        def refused(source: str, target: str) -> None:
            tried.append(source)
            raise PermissionError(1, "no")

        self.patch(os, "replace", refused)
        for _ in range(45):
            self.file.write("0123456789\n")
        self.assertEqual("two\n" + "0123456789\n" * 45, self.read())
        self.assertLess(len(tried), 6)

    def test_refused(self) -> None:
        """If the new file cannot be opened, the one from before goes on, and the reason is in it."""
        old = self.path.rename(self.directory / "old")
        self.path.mkdir()
        with capturedLogs() as captured:
            self.file.renew()
        self.file.write("two\n")
        self.assertEqual("one\ntwo\n", old.read_text())
        (event,) = captured
        self.assertEqual(("log-not-reopened", "Is a directory"), (event["event"], event["reason"]))

    def test_device(self) -> None:
        """A path that is not a regular file is not rotated."""
        file = LogFile("/dev/null")
        self.addCleanup(file.close)
        self.patch(os, "replace", lambda *names: self.fail(str(names)))
        file.write("x")
        file.renew()


class LinkTests(LogFileCase):
    """Links in the place of the file."""

    def test_foreign(self) -> None:
        """In a directory where others can put a link none is followed, at the begin and later."""
        secret = self.directory / "secret"
        secret.write_text("")
        self.directory.chmod(0o777)
        self.path.unlink()
        self.path.symlink_to(secret)
        self.file.renew()
        self.file.write("two\n")
        self.assertEqual("", secret.read_text())
        with self.assertRaisesRegex(ConfigError, "--logfile: cannot write .*server.log: it is a symbolic link"):
            log_stream({"logfile": str(self.path), "nodaemon": True})

    def test_own(self) -> None:
        """In a directory of one's own it is."""
        self.path.unlink()
        self.path.symlink_to(self.directory / "target")
        self.file.write("two\n")
        self.assertEqual("two\n", (self.directory / "target").read_text())


class ObserverTests(SynchronousTestCase):
    """The log files that the daemon rotates."""

    def test_text(self) -> None:
        """Lines for people go to such a file; what is no file, and others' observers, are left to twistd."""
        path = self.mktemp()
        self.assertIsNotNone(text_observer({"logfile": path, "nodaemon": True}))
        self.assertTrue(Path(path).exists())
        for twistd in ({}, {"nodaemon": True}, {"logfile": path, "logger": str}, {"logfile": path, "syslog": True}):
            self.assertIsNone(text_observer(twistd))


class LogrotateTests(LogFileCase):
    """The program itself."""

    def setUp(self) -> None:
        """Find it."""
        self.program = shutil.which("logrotate") or shutil.which("logrotate", path="/usr/sbin")
        if self.program is None:
            raise SkipTest("logrotate is not installed")
        super().setUp()

    def logrotate(self, text: str, *flags: str) -> str:
        """Run it once with a configuration."""
        assert self.program
        config = self.directory / "config"
        config.write_text(text)
        config.chmod(0o644)
        command = (self.program, *flags, "--state", str(self.directory / "state"), str(config))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stderr

    def test_ways(self) -> None:
        """In each of its ways all lines are there, in their order."""
        lines, parts = ["one"], []
        for number, way in enumerate(("create", "nocreate", "copytruncate", "create 0640", "nocompress")):
            self.logrotate(f"{self.path} {{\n size 1\n rotate 20\n nocompress\n {way}\n}}\n", "--force")
            self.file.write(f"{number}\n")
            lines.append(str(number))
        for number in range(5, 0, -1):
            parts += self.read(number).split()
        self.assertEqual(lines, parts + self.read().split())

    def test_shipped(self) -> None:
        """The file that the package brings is understood, and its script signals the daemons."""
        text = SHIPPED.read_text()
        named = re.sub(r"(?m)^ *su .*$", "", text.replace("/var/log/iphttps", str(self.directory)))
        process = subprocess.Popen(("sh", "-c", "trap 'kill $!; exit 7' USR1; sleep 60 & echo; wait"),
                                   stdout=subprocess.PIPE)  # fmt: skip
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        assert process.stdout
        process.stdout.readline()
        (self.directory / "server.pid").write_text(str(process.pid))
        (self.directory / "dead.pid").write_text("4194305")
        self.logrotate(named.replace("/run/iphttps", str(self.directory)), "--force")
        self.assertEqual(7, process.wait(10))
        process.stdout.close()
        self.file.write("two\n")
        self.assertEqual(("one\n", "two\n"), (self.read(1), self.read()))
