"""The settings sent to systemd-resolved; a shell script that records its arguments replaces resolvectl."""

from __future__ import annotations

import os
from ipaddress import IPv6Address
from pathlib import Path

from iphttps.app.daemon.hooks import dns_settings
from iphttps.app.daemon.hooks import resolved as module
from iphttps.app.daemon.hooks.dns_settings import DNSSettings
from iphttps.app.daemon.hooks.resolved import Resolved, resolvectl
from iphttps.core.ip.rdnss import NO_NAMES, Names

from ...programs import ProgramCase

ONE, OTHER = IPv6Address("2001:db8:1::53"), IPv6Address("2001:db8:1::54")
BOTH = Names((ONE, OTHER), ("example.org", "corp.example"))


class ResolvedTests(ProgramCase):
    """One interface's names."""

    def resolved(self, *lines: str) -> Resolved:
        """Make one whose resolvectl notes each call, a word in a pair of brackets each, and then does this."""
        note = f"(for word; do printf '[%s]' \"$word\"; done; echo) >> {self.note()}"
        return Resolved(self.reactor, "iphttps0", str(self.program(note, *lines, name="resolvectl")))

    def told(self) -> list[str]:
        """Return the calls so far."""
        return self.note().read_text().splitlines() if self.note().exists() else []

    async def test_told(self) -> None:
        """Servers and domains are told for the interface, and taken back."""
        resolved = self.resolved()
        resolved.offer(BOTH)
        await resolved.idle()
        resolved.offer(NO_NAMES)
        await resolved.idle()
        self.assertEqual(
            self.told(),
            [
                "[dns][iphttps0][2001:db8:1::53][2001:db8:1::54]",
                "[domain][iphttps0][example.org][corp.example]",
                "[revert][iphttps0]",
            ],
        )

    async def test_only_some(self) -> None:
        """Settings no longer announced are removed by an empty argument (resolvectl(1))."""
        resolved = self.resolved()
        for names in (BOTH, Names((ONE,)), Names((), ("example.org",))):
            resolved.offer(names)
            await resolved.idle()
        self.assertEqual(
            self.told()[2:],
            [
                "[dns][iphttps0][2001:db8:1::53]",
                "[domain][iphttps0][]",
                "[dns][iphttps0][]",
                "[domain][iphttps0][example.org]",
            ],
        )

    async def test_same(self) -> None:
        """Unchanged settings are not sent again, and settings never sent are not removed."""
        resolved = self.resolved()
        for names in (NO_NAMES, BOTH, BOTH):
            resolved.offer(names)
            await resolved.idle()
        self.assertEqual(len(self.told()), 2)

    async def test_latest(self) -> None:
        """While it is being told, only the latest of what comes meanwhile is kept; all waiters are told."""
        resolved = self.resolved()
        for names in (BOTH, Names((OTHER,)), NO_NAMES):
            resolved.offer(names)
        waiting = [resolved.idle(), resolved.idle()]
        for deferred in waiting:
            await deferred
        self.assertEqual([call.split("]")[0] for call in self.told()], ["[dns", "[domain", "[revert"])

    async def test_refused(self) -> None:
        """A rejection is logged once, with its reason, and there is no further attempt."""
        resolved = self.resolved("echo 'Failed to set DNS configuration: Access denied' >&2", "exit 1")
        for names in (BOTH, Names((ONE,)), NO_NAMES):
            resolved.offer(names)
            await resolved.idle()
        said = [line for line in self.logged if "systemd-resolved" in line]
        self.assertEqual(
            said,
            [
                (
                    "systemd-resolved rejected the advertised DNS settings: Failed to set DNS configuration: Access "
                    "denied (failed with status 1); a user other than root needs a polkit rule, "
                    "see Names in docs/client.md"
                )
            ],
        )
        self.assertEqual([call.split("]")[0] for call in self.told()], ["[dns", "[dns", "[revert"])

    async def test_hangs(self) -> None:
        """It has a time limit."""
        self.patch(dns_settings, "LIMIT", 0.2)
        resolved = self.resolved("exec /bin/sleep 60")
        resolved.offer(BOTH)
        await resolved.idle()
        self.assertIn("did not end within 0.2 seconds", "".join(self.logged))

    async def test_gone(self) -> None:
        """A resolvectl that is gone meanwhile is told like any other failure."""
        resolved = Resolved(self.reactor, "iphttps0", str(self.note("missing")))
        resolved.offer(BOTH)
        await resolved.idle()
        self.assertIn("No such file or directory", "".join(self.logged))

    def test_not_here(self) -> None:
        """If it does not run, the log has what could have been told, each time that it changes."""
        resolved = DNSSettings(self.reactor, "iphttps0")
        for names in (NO_NAMES, BOTH, BOTH, Names((), ("example.org",)), NO_NAMES):
            resolved.offer(names)
            self.successResultOf(resolved.idle())
        said = [line.split(";")[0] for line in self.logged if "the link has" in line]
        self.assertEqual(
            said,
            [
                (
                    "the link has DNS servers 2001:db8:1::53, 2001:db8:1::54 "
                    "and search domains example.org, corp.example"
                ),
                "the link has DNS servers (none) and search domains example.org",
            ],
        )

    def test_found(self) -> None:
        """Its program is used if it is on the path, and systemd-resolved runs."""
        program = self.program(name="resolvectl")
        self.patch(os, "environ", {"PATH": str(self.directory)})
        for runtime, expected in ((self.directory, str(program)), (Path("/nowhere"), None)):
            self.patch(module, "RUNTIME", runtime)
            self.assertEqual(resolvectl(), expected)
        self.patch(module, "RUNTIME", self.directory)
        program.unlink()
        self.assertIsNone(resolvectl())
