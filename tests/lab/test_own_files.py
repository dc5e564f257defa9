"""Daemons that start as root and become another user, where that user has laid traps."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from iphttps.lab.laboratory import LISTENING
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from tests.lab.case import LabCase

NOBODY = 65534
TUN_OF_ROOT = 'mount -t tmpfs none /dev/net && mknod -m 0600 /dev/net/tun c 10 200 && exec "$@"'


class OwnFileTests(LabCase):
    """A server under `twistd --uid` on a host where only root can open /dev/net/tun."""

    def setUp(self) -> None:
        """Make a directory of that user."""
        super().setUp()
        self.theirs = self.lab.directory / "theirs"
        self.theirs.mkdir()
        os.chown(self.theirs, NOBODY, NOBODY)
        self.log, self.pid = self.theirs / "server.log", self.theirs / "server.pid"

    def started(self, *flags: str) -> Program:
        """Start such a server."""
        like = self.lab.server("--control", str(self.theirs / "control.sock"), *flags)
        like.kill()
        before = like.command.index("--pidfile=")
        files = f"--uid={NOBODY}", f"--gid={NOBODY}", f"--pidfile={self.pid}", f"--logfile={self.log}"
        command = *like.command[:before], *files, *like.command[before + 1 :]
        return self.lab.program(self.lab.gateway, "nobody's", "sh", "-c", TUN_OF_ROOT, "sh", *command)

    def says(self, word: str) -> bool:
        """Tell whether its log has a word."""
        return self.log.exists() and word in self.log.read_text()

    def test_started(self) -> None:
        """It opens the device as root, its files as that user, in both formats of the log; the pid file goes."""
        for flags, listening in (((), LISTENING), (("--log-format", "json"), "LISTEN")):
            server = self.started(*flags)
            wait_until(partial(self.says, listening), "the server")
            for path in (self.log, self.pid):
                self.assertEqual((NOBODY, NOBODY), (path.stat().st_uid, path.stat().st_gid), path)
            self.assertTrue(Path(f"/proc/{self.pid.read_text()}/cmdline").exists())
            server.stop()
            self.assertFalse(self.pid.exists())
            self.log.unlink()

    def test_traps(self) -> None:
        """A link in the place of the log, or of the pid file, has root write nowhere, and is said in a sentence."""
        secret = self.lab.directory / "secret"
        for flags in ((), ("--log-format", "json")):
            self.log.symlink_to(secret)
            server = self.started(*flags)
            self.assertEqual(1, server.wait_ended(20.0))
            self.assertIn(f"--logfile: cannot write {self.log}: it is a symbolic link", server.text)
            self.log.unlink()
            self.pid.symlink_to(secret)
            server = self.started(*flags)
            wait_until(partial(self.says, LISTENING if not flags else "LISTEN"), "the server")
            self.assertTrue(self.says(f"renamed to {self.pid}.stale"))
            server.stop()
            self.log.unlink()
            self.assertFalse(secret.exists())


class PidFileTests(LabCase):
    """An old pid file, after a crash, keeps neither daemon from starting."""

    def test_left(self) -> None:
        """Garbage, nothing, a number that is cut off, a link, a directory, and the number of an unrelated process."""
        pid, aside = self.lab.directory / "daemon.pid", self.lab.directory / "daemon.pid.stale"
        leavings: tuple[Callable[[], object], ...] = (
            lambda: pid.write_text("garbage\n"),
            pid.touch,
            lambda: pid.write_text(f"{os.getpid()}\0"),
            lambda: pid.symlink_to("/etc/hostname"),
            pid.mkdir,
            lambda: pid.write_text(str(os.getpid())),
        )
        for number, leave in enumerate(leavings):
            # Both kinds of daemons, in turns: they share all that is at work here.
            start, begun = (self.lab.server, LISTENING) if number % 2 else (partial(self.lab.client, 1), "DISABLED ->")
            like = start()
            like.kill()
            leave()
            command = (f"--pidfile={pid}" if word == "--pidfile=" else word for word in like.command)
            host = self.lab.gateway if number % 2 else self.lab.clients[0]
            program = self.lab.program(host, "with a pid file", *command)
            program.wait_for(f"renamed to {aside}")
            program.wait_for(begun)
            self.assertTrue(Path(f"/proc/{pid.read_text()}/cmdline").exists())
            program.stop()
            self.assertFalse(pid.exists())
            aside.rmdir() if aside.is_dir() else aside.unlink()
