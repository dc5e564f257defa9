"""`iphttps check`: it finds what the daemons would reject, in their words, and more; each with its place."""

from __future__ import annotations

import json
from datetime import timedelta
from shutil import copy
from time import time
from typing import cast

from iphttps.app.check.findings import Severity
from iphttps.app.config.client_options import Options as ClientOptions
from iphttps.app.config.server_options import Options as ServerOptions
from iphttps.app.config.tomlfile import Problem
from iphttps.app.daemon.client import ClientDaemon
from iphttps.app.daemon.server import ServerDaemon
from iphttps.app.daemon.service import Daemon
from iphttps.core.errors import ConfigError
from iphttps.lab.authority import Authority, KeyKind, Usage
from iphttps.net.interfaces import IReactor

from ...command import CommandCase
from ...machine import CLIENT, SERVER, MachineCase
from ...support import DaemonCase


class AgreementTests(MachineCase, DaemonCase):
    """The check reports the errors that keep a daemon from starting."""

    def refusal(self, role: str) -> str | None:  # type: ignore[override]  # not that of a command line
        """Return the sentence with which the daemon refuses to start, None if it does not."""
        self.reactor.rightNow = time()  # revocation lists are judged by it
        reactor = cast(IReactor, self.reactor)
        arguments = ["--config", str(self.places.config(role, "main"))]
        options = ServerOptions() if role == "server" else ClientOptions()
        options.root = self.places.root
        try:
            options.parse(arguments)
            daemon: Daemon
            if isinstance(options, ServerOptions):
                daemon = ServerDaemon(options, reactor, self.network, self.open_device)
            else:
                daemon = ClientDaemon(options, reactor, self.network, self.open_device, self.open_monitor)
            daemon.prepare()
        except ConfigError as error:
            placed = options.placed(error)
            return placed.sentence if isinstance(placed, Problem) else str(placed)
        finally:
            for device in self.devices:
                device.close()
        return None

    def agree(self, role: str, words: str) -> None:
        """Check that the daemon rejects with these words, and the check with the same sentence."""
        refusal = self.refusal(role)
        self.assertIn(words, refusal or "it starts")
        errors = [one for one in self.machine.inspect(role).findings if one.severity is Severity.ERROR]
        self.assertIn(refusal, [one.problem.sentence for one in errors])

    def test_good(self) -> None:
        """A configuration that the daemons accept has no errors."""
        for role in ("server", "client"):
            self.assertIsNone(self.refusal(role))
            self.assertEqual([], self.found(role))

    def test_values(self) -> None:
        """Every value that is rejected."""
        for role, values, words in (
            ("server", {"prefix": "2001:db8::/48"}, "must be a /64"),
            ("server", {"prefix": "fe80::/64"}, "must be global"),
            ("server", {"prefix": None}, "must be a string"),
            ("server", {"quux": 1}, "unknown key"),
            ("server", {"uri": "x"}, "is not a URI"),
            ("server", {"route": ["x"]}, "is not an IPv6 prefix"),
            ("server", {"authentication": "x"}, "certificates or none"),
            ("server", {"max-clients": 0}, "at least 1"),
            ("server", {"nat64": "2001:db8::/65"}, "one of the lengths"),
            ("server", {"dns-server": ["x"]}, "is not an IPv6 address"),
            ("server", {"search-domain": ["a" * 64]}, "is not a domain name"),
            ("server", {"preferred-lifetime": 2000000000}, "must not exceed"),
            ("server", {"trusted-proxy": ["x"]}, "is not an address or a prefix"),
            ("server", {"proxy-protocol": True}, "needs --trusted-proxy"),
            ("server", {"uri": "http://*/", "client-crl": ""}, "needs --trusted-proxy and --proxy-protocol"),
            ("server", {"client-ca": ""}, "client-ca is missing"),
            ("server", {"certificate": ""}, "certificate is missing"),
            ("server", {"authentication": "none", "client-ca": ""}, "client-crl needs"),
            ("server", {"log-level": "x"}, "error or critical"),
            ("server", {"device": "x"}, "tun or tap"),
            ("server", {"advertise": "x"}, "builtin, host or off"),
            ("server", {"null-encryption": "x"}, "off, accept or prefer"),
            ("client", {"uri": []}, "uri is missing"),
            ("client", {"uri": "https://*/"}, "must name the server"),
            ("client", {"select": "x"}, "ordered or fastest"),
            ("client", {"when": "blocked"}, "go together"),
            ("client", {"when": "blocked", "probe": "x"}, "is not a host and a port"),
            ("client", {"when": "command"}, "needs --control"),
            ("client", {"when": "proxy"}, "needs --proxy"),
            ("client", {"keepalive": -1}, "at least 0"),
            ("client", {"reconnect-initial": 1000}, "is more than"),
            ("client", {"proxy": "ftp://x"}, "ftp"),
            ("client", {"pac": "x"}, "needs --proxy auto"),
            ("client", {"proxy-basic": True}, "needs --proxy"),
            ("client", {"certificate": ""}, "go together"),
            ("client", {"request-length": "x"}, "max, 2^63-1 or chunked"),
            ("client", {"pin": "x"}, "is not a key fingerprint"),
            ("client", {"uri": "http://vpn.example.org/"}, "--pin and --crl"),
            ("client", {"ca": ""}, "crl needs --ca"),
            ("client", {"up-script": "/nowhere"}, "/nowhere"),
            ("client", {"default-route": "x"}, "yes or no"),
        ):
            self.machine.configure(values, values)
            path = self.places.config(role, "main")
            path.write_text(path.read_text().replace("= null", "= []"))
            self.agree(role, words)

    def test_files(self) -> None:
        """Every file that cannot serve."""
        configuration = self.places.configuration
        other = Authority(configuration / "other", "Other CA")
        expired = self.machine.authority.server("vpn.example.org", expired=True)
        empty = configuration / "empty"
        empty.touch()
        (configuration / "addresses.toml").write_text('alice = ["2001:db8::1"]\n')
        (configuration / "login").write_text("")
        other.revoke()
        for role, values, words in (
            ("server", {"certificate": "/nowhere"}, "certificate: cannot read"),
            ("server", {"private-key": "/nowhere"}, "private-key: cannot read"),
            ("server", {"client-ca": "/nowhere"}, "client-ca: cannot read"),
            ("server", {"client-crl": "/nowhere"}, "client-crl: cannot read"),
            ("server", {"identity-addresses": "/nowhere"}, "identity-addresses: cannot read"),
            ("server", {"certificate": "/etc/iphttps/empty"}, "holds no certificate"),
            ("server", {"private-key": "/etc/iphttps/empty"}, "holds no private key"),
            ("server", {"client-ca": "/etc/iphttps/empty"}, "holds no certificate"),
            ("server", {"client-crl": "/etc/iphttps/empty"}, "holds no certificate revocation list"),
            ("server", {"client-crl": "/etc/iphttps/other/crl.pem"}, "holds no revocation list of"),
            ("server", {"private-key": "/etc/iphttps/client/main.key"}, "is not the key of"),
            ("server", {"identity-addresses": "/etc/iphttps/addresses.toml"}, "not a client address"),
            ("server", {"null-encryption": "accept"}, "needs an RSA certificate"),
            ("client", {"ca": "/nowhere"}, "ca: cannot read"),
            ("client", {"private-key": "/nowhere"}, "private-key: cannot read"),
            ("client", {"crl": "/nowhere"}, "crl: cannot read"),
            ("client", {"ca": "/etc/iphttps/empty"}, "holds no certificate"),
            ("client", {"private-key": "/etc/iphttps/server/main.key"}, "is not the key of"),
            ("client", {"proxy": "auto", "proxy-credentials": "/nowhere"}, "proxy-credentials: cannot read"),
            ("client", {"proxy": "auto", "proxy-credentials": "/etc/iphttps/login"}, "holds a password"),
            ("client", {"proxy": "auto", "proxy-ca": "/etc/iphttps/empty"}, "holds no certificate"),
        ):
            self.machine.configure(values, values)
            self.agree(role, words)
        self.machine.configure()
        for role in ("server", "client"):
            self.machine.give(role, expired)
            self.agree(role, "expired on")


class CloserTests(MachineCase):
    """The check reports faults that only show when clients connect."""

    def test_all(self) -> None:
        """All that is wrong is said at once, with the lines."""
        self.machine.configure({"certificate": "/nowhere", "client-crl": "/nowhere", "identity-addresses": "/nowhere"})
        self.assertEqual(["3", "6", "7"], [one.partition(":")[0] for one in self.found("server")])

    def test_server_certificate(self) -> None:
        """A certificate that is not for a server, or names nobody, is rejected by every client."""
        authority = self.machine.authority
        self.machine.give("server", authority.server("vpn.example.org", usages=[Usage.CLIENT]))
        self.assertIn("3: error: the certificate of CN=vpn.example.org is not for a server", self.only("server"))
        self.machine.give("server", authority.client("x", usages=[Usage.SERVER], names=()))
        self.assertIn("no subject alternative name", self.only("server"))

    def test_client_certificate(self) -> None:
        """A certificate that is not for a client, or is an authority's, is rejected by the server."""
        authority = self.machine.authority
        self.machine.give("client", authority.client("alice", usages=()))
        self.assertIn("3: error: the certificate of CN=alice lacks the extended key usage", self.only("client"))

    def test_authority(self) -> None:
        """A certificate that is no authority's cannot be an issuer."""
        self.machine.configure({"client-ca": SERVER["certificate"], "client-crl": ""})
        self.assertRegex(self.only("server"), r"^5: error: .*, which is not an authority")
        self.machine.configure(None, {"ca": CLIENT["certificate"], "crl": ""})
        self.assertRegex(self.only("client"), r"^2: error: .*, which is not an authority")

    def test_chain(self) -> None:
        """The next certificate in the file must be the issuer, and no intermediate certificate may be missing."""
        path = self.places.server_certificate("main")
        good = path.read_text()
        path.write_text(good + self.places.client_certificate("main").read_text())
        self.assertEqual([], self.found("server"))  # the daemon starts, and whoever trusts the issuer connects
        self.assertTrue(
            any("CN=alice, which did not issue it" in one for one in self.found("server", Severity.WARNING))
        )
        path.write_text(good + self.machine.authority.certificate.read_text())
        self.assertEqual([], self.found("server"))

    def test_revocation(self) -> None:
        """An expired list keeps everybody out, one that expires soon is a warning."""
        for role, line in (("server", 6), ("client", 5)):
            for end, severity in ((-timedelta(hours=1), Severity.ERROR), (timedelta(days=2), Severity.WARNING)):
                copy(self.machine.authority.revoke(end=end), self.places.configuration / "crl.pem")
                found = [one for one in self.found(role, severity) if "CN=Laboratory CA in" in one]
                self.assertEqual([f"{line}"], [one.partition(":")[0] for one in found])

    def test_days_left(self) -> None:
        """A certificate that expires within two weeks is a warning, any other a note."""
        self.assertRegex(self.only("server", Severity.WARNING), r"^3: .*expires on .* in [89] days: renew it")
        self.assertTrue(
            any("certificate CN=Laboratory CA expires in" in one for one in self.found("server", Severity.NOTE))
        )

    def test_names(self) -> None:
        """It is said for which names the certificate is, and whom clients must trust."""
        self.assertIn(
            "3: note: the certificate is for vpn.example.org: clients must use that name in their URI; they must trust "
            "the authority CN=Laboratory CA",
            self.found("server", Severity.NOTE),
        )

    def test_readable_key(self) -> None:
        """A private key that everybody can read is a warning."""
        self.places.server_key("main").chmod(0o644)
        self.assertTrue(any("can be read by every user" in one for one in self.found("server", Severity.WARNING)))

    def test_risks(self) -> None:
        """A setting that works but does not protect gives a warning."""
        self.machine.give("server", self.machine.authority.server("vpn.example.org", kind=KeyKind.RSA))
        self.machine.configure(
            {"null-encryption": "accept"},
            {"uri": "http://vpn.example.org/", "crl": "", "certificate": "", "private-key": ""},
        )
        for role, words in (("server", "are not encrypted"), ("client", "is plain HTTP")):
            self.assertEqual([], self.found(role))
            self.assertTrue(any(words in one for one in self.found(role, Severity.WARNING)), role)


class CommandTests(MachineCase, CommandCase):
    """The command."""

    def check(self, *arguments: str) -> tuple[int, str, str]:
        """Run the command on that machine."""
        return self.run_bare("check", *arguments, "--root", str(self.places.root))

    def test_status(self) -> None:
        """Errors make it 1, with --strict warnings do so too."""
        self.assertEqual(0, self.check()[0])
        self.assertEqual(1, self.check("--strict")[0])
        self.machine.configure({"max-clients": 0})
        self.assertEqual([1, 1, 0], [self.check(*words)[0] for words in ((), ("server/main",), ("client/main",))])

    def test_text(self) -> None:
        """A line for each finding, in the way of compilers, and the end."""
        self.machine.configure({"max-clients": 0, "quux": 1})
        file = self.places.server_config("main")
        self.assertEqual(
            [
                f"{file}:7: error: max-clients takes a number of at least 1, not '0'",
                f"{file}:8: error: unknown key 'quux'",
                "server/main: 2 errors",
            ],
            self.check("server/main")[1].splitlines(),
        )
        self.assertIn("client/main: 1 warning\n", self.check("client/main")[1])

    def test_host_left_out(self) -> None:
        """It is said that the host is not checked, as the result would pass for a complete one."""
        file = self.places.server_config("main")
        self.assertIn(f"{file}: note: host not checked, because of --root\n", self.check("server/main")[1])

    def test_json(self) -> None:
        """The same as JSON."""
        self.machine.configure({"quux": 1})
        (checked,) = json.loads(self.check("server/main", "--json")[1])["checked"]
        file = str(self.places.server_config("main"))
        self.assertEqual(
            {
                "instance": "server/main",
                "role": "server",
                "file": file,
                "findings": [
                    {"severity": "error", "key": "quux", "file": file, "line": 7, "sentence": "unknown key 'quux'"}
                ],
            },
            checked,
        )

    def test_nothing(self) -> None:
        """A missing configuration is reported."""
        self.assertIn("no configuration in", self.complaint(self.run_bare("check", "--root", "/nowhere")))
        self.assertIn("no configuration 'x'", self.complaint(self.check("x")))
