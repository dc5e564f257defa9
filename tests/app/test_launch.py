"""Tests for iphttps.app.launch: units where systemd runs; tests/lab/test_up.py has what runs elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from iphttps.app import launch
from iphttps.app.instances import Instance
from iphttps.app.launch import Processes, Systemd, supervisor
from iphttps.app.places import Places
from iphttps.core.errors import ConfigError

from .programs import ProgramCase


class SystemdTests(ProgramCase):
    """A program in the place of systemctl, for no machine of the tests is run by systemd."""

    def setUp(self) -> None:
        """Put the program first in the path, and have systemd seem to run."""
        super().setUp()
        self.patch(launch, "SYSTEMD", self.directory)
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
        self.patch(launch, "SYSTEMD", self.directory / "nowhere")
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
        """Why systemd cannot start it is said, and where to read on."""
        self.systemctl("echo 'Job failed.' >&2", "exit 1")
        error = self.assertRaises(ConfigError, Systemd().start, self.instance)
        self.assertEqual(
            "systemd cannot start iphttps-server@main.service (Job failed.): "
            "`journalctl -u iphttps-server@main.service -n 20` says more",
            str(error),
        )
