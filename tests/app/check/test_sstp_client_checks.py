"""The findings of `iphttps check` in the configuration of an SSTP client, and on its host."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from iphttps.app.check import sstp_client_checks
from iphttps.app.check.findings import Findings, Severity
from iphttps.app.config.secrets.password_login import PASSWORD
from iphttps.app.config.sstp_client_options import Options
from tests.app.machine import MachineCase, toml
from tests.host.support import NamespaceCase, add_veth, link_up

GOOD = {
    "uri": "https://vpn.example.org",
    "user": "alice",
    "password-file": "/etc/iphttps/sstp-client/main.password",
    "ca": "/etc/iphttps/ca.pem",
}


class FileTests(MachineCase):
    """The files that it names."""

    def setUp(self) -> None:
        """Configure a client well."""
        super().setUp()
        self.patch(os, "environ", {name: value for name, value in os.environ.items() if name != PASSWORD})
        self.password = self.places.password("sstp-client", "main")
        self.password.parent.mkdir(parents=True)
        self.password.touch(0o600)
        self.password.write_text("secret\n")

    def errors(self, severity: Severity = Severity.ERROR, **different: Any) -> list[str]:
        """Return what is found with different values."""
        values = GOOD | {name.replace("_", "-"): value for name, value in different.items()}
        self.places.config("sstp-client", "main").write_text(toml(values))
        return self.found("sstp-client", severity)

    def test_good(self) -> None:
        """A configuration that the daemon accepts has neither errors nor warnings."""
        self.assertEqual([], self.errors())
        self.assertEqual([], self.errors(Severity.WARNING))

    def test_wrong(self) -> None:
        """Every mistake has its line, and no sentence has the password."""
        for values, words in (
            ({"user": ""}, "user is missing"),
            ({"uri": []}, "uri is missing"),
            ({"password_file": "/nowhere"}, "password-file: cannot read"),
            ({"ca": "/nowhere"}, "ca: cannot read"),
            ({"route": "10.0.0.1/8"}, "without host bits"),
            ({"mtu": 100}, "at least 1280"),
            ({"device": "tap"}, "device is tun"),
            ({"certificate": "x"}, "unknown key 'certificate'"),
            ({"proxy": "auto", "proxy_credentials": "/nowhere"}, "proxy-credentials: cannot read"),
        ):
            self.assertIn(words, " ".join(self.errors(**values)))
        self.password.chmod(0o644)
        (sentence,) = self.errors()
        self.assertIn("holds a password, and its mode is 0644", sentence)
        self.assertNotIn("secret", sentence)

    def test_risks(self) -> None:
        """PAP and plain HTTP are warnings, and a password that must be in the environment is a note."""
        self.assertIn("gets the password itself", " ".join(self.errors(Severity.WARNING, allow_pap=True)))
        self.assertIn("plain HTTP", " ".join(self.errors(Severity.WARNING, uri="http://vpn.example.org", ca="")))
        notes = self.errors(Severity.NOTE, password_file="")
        self.assertIn(f"the password must be in {PASSWORD}", " ".join(notes))


class HostTests(NamespaceCase):
    """The host, in a network that is its own."""

    def found(self, *flags: str) -> list[str]:
        """Return what is found."""
        options = Options()
        options.parse(["--uri", "https://vpn.example.org", "--user", "alice", *flags])
        findings = Findings(options)
        sstp_client_checks.check_host(options.config, findings)
        return [str(finding) for finding in findings.all]

    def test_routes(self) -> None:
        """A route that would hide a network of this host is an error before there is a connection."""
        link_up("lo")
        add_veth("eth0", "eth1")
        link_up("eth0")
        subprocess.run(["ip", "address", "add", "10.1.2.3/24", "dev", "eth0"], check=True)
        self.assertEqual([], self.found("--route", "10.2.0.0/16"))
        (sentence,) = self.found("--route", "10.1.2.0/25")
        self.assertIn("error: --route 10.1.2.0/25 would hide this host's own network 10.1.2.0/24 on eth0", sentence)

    def test_owner(self) -> None:
        """A password that the daemons' user cannot read is pointed out, with the remedy."""
        path = Path(self.mktemp()).absolute()
        path.touch(0o600)
        self.patch(pwd, "getpwnam", lambda name: SimpleNamespace(pw_uid=os.geteuid() + 1))
        self.patch(os, "geteuid", lambda: 0)
        self.assertIn(f"run `chown iphttps {path}`", " ".join(self.found("--password-file", str(path))))
