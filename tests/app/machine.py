"""A machine beneath a directory, with a server and a client that are configured well."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copy
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.check.findings import Severity
from iphttps.app.check.inspection import Inspection, inspect
from iphttps.app.instances.instances import named
from iphttps.app.instances.paths import Places
from iphttps.lab.authority import Authority, Identity

SERVER = {
    "uri": "https://127.0.0.1:0/",
    "prefix": "2001:db8:2::/64",
    "certificate": "/etc/iphttps/server/main.pem",
    "private-key": "/etc/iphttps/server/main.key",
    "client-ca": "/etc/iphttps/ca.pem",
    "client-crl": "/etc/iphttps/crl.pem",
}
CLIENT = {
    "uri": "https://vpn.example.org/",
    "ca": "/etc/iphttps/ca.pem",
    "certificate": "/etc/iphttps/client/main.pem",
    "private-key": "/etc/iphttps/client/main.key",
    "crl": "/etc/iphttps/crl.pem",
}


def toml(values: dict[str, Any]) -> str:
    """Write a file of options, a line for each."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


class Machine:
    """A machine beneath a directory, with a server and a client that are configured well."""

    def __init__(self, directory: Path) -> None:
        self.places = Places(directory / "root")
        self.authority = Authority(directory / "authority")
        self.revocations = self.authority.revoke()
        self.give("server", self.authority.server("vpn.example.org"))
        self.give("client", self.authority.client("alice"))
        copy(self.authority.certificate, self.places.configuration / "ca.pem")
        copy(self.revocations, self.places.configuration / "crl.pem")
        self.configure()

    def give(self, role: str, identity: Identity) -> None:
        """Give the server or the client a certificate."""
        self.places.config(role, "main").parent.mkdir(parents=True, exist_ok=True)
        for source, ending in ((identity.certificate, ".pem"), (identity.private_key, ".key")):
            copy(source, self.places.config(role, "main").with_suffix(ending))

    def configure(self, server: dict[str, Any] | None = None, client: dict[str, Any] | None = None) -> None:
        """Configure both, with these values besides the good ones."""
        for role, values in (("server", SERVER | (server or {})), ("client", CLIENT | (client or {}))):
            self.places.config(role, "main").write_text(toml(values))

    def inspect(self, role: str) -> Inspection:
        """Look at the server or the client."""
        return inspect(named(self.places, "main", role))


class MachineCase(SynchronousTestCase):
    """A test with such a machine."""

    def setUp(self) -> None:
        """Make it."""
        super().setUp()
        self.machine = Machine(Path(self.mktemp()).absolute())
        self.places = self.machine.places

    def found(self, role: str, severity: Severity = Severity.ERROR) -> list[str]:
        """Return what is found on that machine, without the name of the file."""
        findings = self.machine.inspect(role).findings
        start = f"{self.places.config(role, 'main')}:"
        return [str(one).removeprefix(start) for one in findings if one.severity is severity]

    def only(self, role: str, severity: Severity = Severity.ERROR) -> str:
        """Return the only thing that is found."""
        found = self.found(role, severity)
        self.assertEqual(1, len(found), found)
        return found[0].replace(f"{self.places.root}/", "/")
