"""The records of resolvconf; a shell script that records its arguments and its input replaces it."""

from __future__ import annotations

import os
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from iphttps.app.daemon.hooks import resolvconf as module
from iphttps.app.daemon.hooks import resolved
from iphttps.app.daemon.hooks.dns_settings import DNSSettings
from iphttps.app.daemon.hooks.resolvconf import Resolvconf, dns_settings, resolvconf
from iphttps.app.daemon.hooks.resolved import Resolved
from iphttps.core.ip.rdnss import NO_NAMES, Names

from ...programs import ProgramCase

NAMES = Names((IPv4Address("10.0.0.53"), IPv6Address("2001:db8:1::53")), ("example.org", "corp.example"))


class ResolvconfTests(ProgramCase):
    """One interface's record."""

    def settings(self, *lines: str) -> Resolvconf:
        """Return settings whose resolvconf records each call and its input, and then runs these lines."""
        note = f'{{ echo "$@"; cat; }} >> {self.note()}'
        return Resolvconf(self.reactor, "iphttps0", str(self.program(note, *lines, name="resolvconf")))

    def calls(self) -> list[str]:
        """Return the calls and inputs so far."""
        return self.note().read_text().splitlines() if self.note().exists() else []

    async def test_record(self) -> None:
        """The record of a killed daemon is deleted first; then the link's is added, and deleted at its end."""
        settings = self.settings()
        settings.start()
        for names in (NAMES, NAMES, NO_NAMES):
            settings.offer(names)
            await settings.idle()
        self.assertEqual(
            self.calls(),
            [
                "-d iphttps0.iphttps",
                "-a iphttps0.iphttps",
                "nameserver 10.0.0.53",
                "nameserver 2001:db8:1::53",
                "search example.org corp.example",
                "-d iphttps0.iphttps",
            ],
        )

    async def test_servers_only(self) -> None:
        """Without search domains the record has no such line; a routing domain of systemd-resolved is not one."""
        settings = self.settings()
        settings.offer(Names(NAMES.servers, ("~.",)))
        await settings.idle()
        self.assertEqual(self.calls()[1:], ["nameserver 10.0.0.53", "nameserver 2001:db8:1::53"])

    async def test_rejected(self) -> None:
        """A failure is logged once, with its cause and what to do."""
        settings = self.settings("echo 'resolvconf: Permission denied' >&2", "exit 1")
        settings.start()
        await settings.idle()
        self.assertEqual([], [line for line in self.logged if "rejected" in line], "there may be nothing to remove")
        for names in (NAMES, NO_NAMES):
            settings.offer(names)
            await settings.idle()
        said = [line for line in self.logged if "rejected" in line]
        self.assertEqual(1, len(said))
        self.assertIn("Permission denied (failed with status 1); only root can change its records", said[0])


class ChoiceTests(ProgramCase):
    """The program that sets the names."""

    def setUp(self) -> None:
        """Have a path with nothing on it."""
        super().setUp()
        self.patch(os, "environ", {"PATH": str(self.directory)})
        self.patch(resolved, "RUNTIME", Path("/nowhere"))
        self.patch(module, "SBIN", ())

    def test_order(self) -> None:
        """systemd-resolved is used if it runs, otherwise resolvconf, otherwise only the log."""
        self.assertIs(DNSSettings, type(dns_settings(self.reactor, "iphttps0")))
        program = self.program(name="resolvconf")
        self.assertEqual(str(program), resolvconf())
        self.assertIs(Resolvconf, type(dns_settings(self.reactor, "iphttps0")))
        self.program(name="resolvectl")
        self.patch(resolved, "RUNTIME", self.directory)
        self.assertIs(Resolved, type(dns_settings(self.reactor, "iphttps0")))

    def test_other_name(self) -> None:
        """Systemd's own resolvconf, another name of resolvectl, is of no use if systemd-resolved does not run."""
        Path(self.directory, "resolvconf").symlink_to(self.program(name="resolvectl"))
        self.assertIsNone(resolvconf())
