"""Tests for iphttps.app.instances.launch: units where systemd runs; tests/lab/test_up.py has what runs elsewhere."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from twisted.trial.unittest import SkipTest

from iphttps.app.instances import launch, units
from iphttps.app.instances.instances import Instance
from iphttps.app.instances.launch import Processes, Systemd, supervisor
from iphttps.app.instances.paths import Places
from iphttps.core.errors import ConfigError
from iphttps.lab.poll import wait_until

from ..programs import ProgramCase


class SystemdTests(ProgramCase):
    """A program in the place of systemctl, for no machine of the tests is run by systemd."""

    def setUp(self) -> None:
        """Put the program first in the path, and have systemd seem to run."""
        super().setUp()
        self.patch(units, "BOOTED", self.directory)
        self.patch(os, "environ", {**os.environ, "PATH": f"{self.directory}:{os.environ['PATH']}"})
        self.instance = Instance("server", "main", Path("/etc/iphttps/server/main.toml"), Places())

    def systemctl(self, *lines: str) -> None:
        """Say what it does besides noting what it is told."""
        self.program(f'echo "$*" >> {self.note()}', *lines, name="systemctl")

    def told(self) -> list[str]:
        """Return what it was told."""
        return self.note().read_text().splitlines()

    def test_which(self) -> None:
        """Its unit runs an instance, if there is one; not that of another machine, nor where systemd does not run."""
        self.systemctl()
        self.assertIsInstance(supervisor(self.instance), Systemd)
        self.assertEqual(["cat iphttps-server@main.service"], self.told())
        elsewhere = Instance("server", "main", Path("x"), Places(Path("/srv")))
        self.assertIsInstance(supervisor(elsewhere), Processes)
        self.systemctl("exit 1")
        self.assertIsInstance(supervisor(self.instance), Processes)
        self.patch(units, "BOOTED", self.directory / "nowhere")
        self.assertIsInstance(supervisor(self.instance), Processes)

    def test_start_and_stop(self) -> None:
        """The unit is started and stopped, and it is known whether it was active."""
        self.systemctl()
        self.assertIsNone(Systemd().start(self.instance)())
        self.assertTrue(Systemd().stop(self.instance))
        self.assertEqual(
            [
                "start iphttps-server@main.service",
                "is-active --quiet iphttps-server@main.service",
                "stop iphttps-server@main.service",
            ],
            self.told(),
        )
        self.systemctl('[ "$1" = stop ]')
        self.assertFalse(Systemd().stop(self.instance))

    def test_refused(self) -> None:
        """A failed start by systemd gives the reason and the command for the log."""
        self.systemctl("echo 'Job failed.' >&2", "exit 1")
        error = self.assertRaises(ConfigError, Systemd().start, self.instance)
        self.assertEqual(
            "systemd failed to start iphttps-server@main.service (Job failed.): "
            "see `journalctl -u iphttps-server@main.service -n 20`",
            str(error),
        )


class ProcessesTests(ProgramCase):
    """A process of its own, started by root for the daemons' user."""

    def test_link_for_log(self) -> None:
        """A link that this user has put in the place of the log is not followed."""
        if os.geteuid() != 0:
            raise SkipTest("It takes root.")
        nobody = pwd.getpwuid(65534)
        self.patch(launch, "_user", lambda: nobody)
        self.patch(launch, "twistd", lambda: "/bin/echo")
        instance = Instance("server", "main", Path("x"), Places(self.directory))
        log, secret = instance.places.log_file("server", "main"), self.directory / "secret"
        log.parent.mkdir(parents=True)
        os.chown(log.parent, nobody.pw_uid, nobody.pw_gid)
        secret.write_text("")
        log.symlink_to(secret)
        self.assertRaises(ConfigError, Processes().start, instance)
        self.assertEqual("", secret.read_text())
        log.unlink()
        ended = Processes().start(instance)
        wait_until(lambda: ended() is not None, "its end")
        self.assertEqual(nobody.pw_uid, log.stat().st_uid)
