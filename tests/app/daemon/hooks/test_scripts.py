"""The scripts of the administrator's own: what they are told, and what of them is rejected."""

from __future__ import annotations

import os
import sys
from ipaddress import IPv6Address, IPv6Interface
from pathlib import Path

from iphttps.app.daemon.hooks.scripts import LinkEvent, LinkFacts, Scripts, check
from iphttps.core.errors import ConfigError
from iphttps.core.ip.rdnss import Names

from ...programs import ProgramCase

FACTS = LinkFacts(
    "iphttps0",
    "https://vpn.example.org/IPHTTPS",
    "2001:db8:ffff::1",
    (IPv6Interface("2001:db8:2::5/64"), IPv6Interface("2001:db8:3::5/64")),
    Names((IPv6Address("2001:db8:1::53"),), ("example.org", "corp.example")),
)


class ScriptTests(ProgramCase):
    """The programs that are run, and their arguments."""

    def scripts(self, **paths: Path) -> Scripts:
        """Take these scripts."""
        return Scripts(self.reactor, {LinkEvent(event): path for event, path in paths.items()})

    async def test_environment(self) -> None:
        """A script finds everything in its environment, by the documented names, and nothing else of ours."""
        self.patch(os, "environ", {"PATH": "/usr/bin:/bin", "IPHTTPS_PROXY_PASSWORD": "secret"})
        notes = self.note()
        child = self.scripts(up=self.program(f"exec env > {notes}")).run(LinkEvent.UP, FACTS)
        assert child
        await child.ended
        told = dict(line.split("=", 1) for line in notes.read_text().splitlines())
        self.assertEqual(
            {name: value for name, value in told.items() if name not in ("PWD", "SHLVL", "_")},
            {
                "PATH": "/usr/bin:/bin",
                "IPHTTPS_EVENT": "up",
                "IPHTTPS_INTERFACE": "iphttps0",
                "IPHTTPS_URI": "https://vpn.example.org/IPHTTPS",
                "IPHTTPS_PEER": "2001:db8:ffff::1",
                "IPHTTPS_ADDRESSES": "2001:db8:2::5/64 2001:db8:3::5/64",
                "IPHTTPS_DNS": "2001:db8:1::53",
                "IPHTTPS_DOMAINS": "example.org corp.example",
            },
        )

    def test_nothing_known(self) -> None:
        """Unknown variables are empty, so that a script need not check whether they are set."""
        told = LinkFacts("iphttps0", "uri", "").environment(LinkEvent.DOWN)
        self.assertEqual(told["IPHTTPS_EVENT"], "down")
        self.assertEqual({told[f"IPHTTPS_{name}"] for name in ("PEER", "ADDRESSES", "DNS", "DOMAINS")}, {""})

    async def test_log(self) -> None:
        """The output of a script is logged with its path, and its failure in a sentence."""
        path = self.program("echo hello", "exit 3")
        child = self.scripts(down=path).run(LinkEvent.DOWN, FACTS)
        assert child
        await child.ended
        self.assertIn(f"{path}: hello", self.logged)
        self.assertIn(f"{path} failed with status 3", self.logged)

    def test_none(self) -> None:
        """Without a script for the event there is nothing to wait for; nor with one that is gone since."""
        self.assertIsNone(self.scripts(down=self.program("exit 0")).run(LinkEvent.UP, FACTS))
        missing = self.note("missing")
        self.assertIsNone(self.scripts(up=missing).run(LinkEvent.UP, FACTS))
        self.assertIn(f"cannot run {missing}: No such file or directory", self.logged)

    def test_check(self) -> None:
        """A script must be a file that can be run, or the daemon does not start."""
        good, plain = self.program("exit 0"), self.note("plain")
        plain.write_text("")
        self.assertEqual(check("up-script", good), good)
        for path, complaint in (
            (self.note("missing"), ": no such file"),
            (self.directory, ": no such file"),
            (plain, " cannot be run: make it executable with `chmod +x`"),
        ):
            error = self.assertRaises(ConfigError, check, "up-script", path)
            self.assertEqual(str(error), f"--up-script {path}{complaint}")

    def test_first_line(self) -> None:
        """A script must say what it is run by, and that must be there; else the daemon does not start."""
        script = self.note("script")
        for text, complaint in (
            ("", " cannot be run: its first line must be #! and a program, such as #!/bin/sh"),
            ("echo hello\n", " cannot be run: its first line must be #! and a program, such as #!/bin/sh"),
            ("#! /no/such/sh -e\n", ": its #! line names '/no/such/sh', which does not exist"),
            ("#!\n", ": its #! line names '', which does not exist"),
            ("#!/bin/sh\r\n", ": its #! line ends with CR LF: convert the file to Unix line endings"),
        ):
            script.write_bytes(text.encode())
            script.chmod(0o755)
            error = self.assertRaises(ConfigError, check, "up-script", script)
            self.assertEqual(str(error), f"--up-script {script}{complaint}")
        script.write_text("#! /bin/sh -e\n")
        for good in (script, Path(sys.executable).resolve()):
            self.assertEqual(check("up-script", good), good)
