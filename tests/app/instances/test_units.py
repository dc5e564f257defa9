"""Starting an instance by systemd, which a small program plays here: no test may start a service of this machine."""

from __future__ import annotations

import os
from pathlib import Path

from iphttps.app.instances import units
from iphttps.app.instances.paths import Places
from iphttps.core.errors import ConfigError
from tests.app.programs import ProgramCase

UNIT = "iphttps-server@main.service"


class UnitTests(ProgramCase):
    """The calls of systemctl, and the output."""

    def systemctl(self, *lines: str) -> None:
        """Have a systemctl that notes what it is asked, where systemd seems to run."""
        self.program(f'echo "$*" >>{self.note()}', *lines, name="systemctl")
        self.patch(os, "environ", os.environ | {"PATH": f"{self.directory}:{os.environ['PATH']}"})
        self.patch(units, "BOOTED", self.directory)

    @property
    def asked(self) -> list[str]:
        """The arguments that it received."""
        return self.note().read_text().splitlines()

    def test_started(self) -> None:
        """A unit that does not run is enabled and started."""
        self.systemctl('case "$*" in *is-*) exit 1;; esac')
        start = units.enable(Places(), "server", "main")
        self.assertEqual((True, f"started {UNIT}, and enabled it at boot"), (start.done, start.sentence))
        self.assertEqual([f"cat {UNIT}", f"is-enabled {UNIT}", f"enable --now {UNIT}"], self.asked)

    def test_running(self) -> None:
        """One that runs is left alone."""
        self.systemctl("exit 0")
        start = units.enable(Places(), "server", "main")
        self.assertEqual((False, f"{UNIT} is running"), (start.done, start.sentence))
        self.assertNotIn("enable", self.note().read_text().replace("is-enabled", ""))

    def test_no_unit(self) -> None:
        """If the unit is not installed, a sentence says what starts the instance."""
        self.systemctl("exit 1")
        start = units.enable(Places(), "server", "main")
        self.assertFalse(start.done)
        self.assertIn("is not installed: start it with `iphttps up server/main`", start.sentence)

    def test_fails(self) -> None:
        """One that does not start is an error, which says where the reason stands."""
        self.systemctl('case "$*" in *cat*) exit 0;; esac', "exit 1")
        with self.assertRaisesRegex(ConfigError, f"{UNIT} failed to start: see `journalctl -u {UNIT}`"):
            units.enable(Places(), "server", "main")

    def test_no_answer(self) -> None:
        """A systemctl that does not answer, or that there is not, is not waited for, and says why."""
        self.systemctl("exec sleep 60")
        self.patch(units, "DEADLINE", 0.2)
        done = units.systemctl("start", UNIT)
        self.assertEqual((1, "no answer from systemctl after 0.2 s"), (done.returncode, done.stderr))
        self.patch(os, "environ", {"PATH": "/nowhere"})
        done = units.systemctl("start", UNIT)
        self.assertEqual((1, "systemctl: No such file or directory"), (done.returncode, done.stderr))

    def test_elsewhere(self) -> None:
        """Without systemd, or for another machine, nobody is asked."""
        self.systemctl("exit 0")
        other = units.enable(Places(self.directory), "client", "x")
        self.assertIn("iphttps up --root", other.sentence)
        self.assertTrue(other.sentence.endswith(" client/x`, or on the target host with `iphttps up client/x`"))
        self.patch(units, "BOOTED", Path("/nowhere"))
        here = units.enable(Places(), "client", "x")
        self.assertEqual("systemd is not running: start it with `iphttps up client/x`", here.sentence)
        self.assertFalse(self.note().exists())
