"""`iphttps setup`: what it makes, that it can be repeated, and what it rejects."""

from __future__ import annotations

import os
import re
import tomllib
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.config.server_options import Options
from iphttps.app.daemon.servers_list import servers_list
from iphttps.app.enrol.server_setup import unique_local_prefix
from iphttps.pki.authority.issuing import KeyKind, Kind, issues
from iphttps.pki.authority.names import permitted
from iphttps.pki.authority.store import Authority
from iphttps.pki.certificates import Credentials, alternative_names, load_certificates
from tests.app.enrolments import HOST, EnrolmentCase
from tests.crashes import after_each_crash


class SetupTests(EnrolmentCase):
    """A server's files."""

    def configured(self, instance: str = "main") -> Options:
        """Return the options that a daemon with the configuration has."""
        options = Options()
        options.parse(["--config", str(self.gateway.server_config(instance))])
        return options

    def test_made(self) -> None:
        """Certificate, key, authority and configuration are there, and belong together."""
        said = self.good(*self.setup_words())
        config = tomllib.loads(self.gateway.server_config("main").read_text())
        self.assertEqual(
            {
                "uri": "https://*:443/IPHTTPS",
                "certificate": "/etc/iphttps/server/main.pem",
                "private-key": "/etc/iphttps/server/main.key",
                "authority": "/var/lib/iphttps/ca",
                "publish": "http://*:80",
                "interface": "iphttps0",
                "control": "/run/iphttps/server-main.sock",
            },
            {name: value for name, value in config.items() if name not in ("prefix", "route")},
        )
        prefix, (route,) = IPv6Network(config["prefix"]), map(IPv6Network, config["route"])
        self.assertEqual((64, 48, True), (prefix.prefixlen, route.prefixlen, prefix.subnet_of(route)))
        self.assertTrue(route.subnet_of(IPv6Network("fd00::/8")))
        own = Credentials.load(self.gateway.server_certificate("main"), self.gateway.server_key("main"))
        self.assertEqual([HOST], list(alternative_names(own.chain[0])))
        self.assertEqual(0o600, self.gateway.server_key("main").stat().st_mode & 0o777)
        self.assertEqual(0o755, self.gateway.server_config("main").parent.stat().st_mode & 0o777)
        self.assertIn("next: run `iphttps enrol NAME`", said)
        self.assertIn(f"start it with `iphttps up --root {self.gateway.root} server/main`, or on the target host", said)

    def test_comments(self) -> None:
        """The configuration explains each key as the example does, and what was not asked for stands commented out."""
        self.good(*self.setup_words())
        text = self.gateway.server_config("main").read_text()
        self.assertIn("--config /etc/iphttps/server/main.toml", text.splitlines()[0])
        for key in set(Options()) - {"config", "root", "version", "help"}:
            self.assertRegex(text, rf"(?m)^#?{key} = ", key)

    def test_repeated(self) -> None:
        """A second time nothing is changed, and that is said."""
        self.good(*self.setup_words())
        before = self.everything(self.gateway)
        said = self.good(*self.setup_words())
        self.assertIn("already set up; no changes\n", said)
        self.assertEqual(before, self.everything(self.gateway))
        self.good(*self.setup_words("--prefix", str(self.configured().config.prefix), "--port", "443"))
        self.assertEqual(before, self.everything(self.gateway))

    def test_chosen(self) -> None:
        """The flags of setup appear in the written configuration."""
        words = ("--name", "192.0.2.1", "--prefix", "2001:db8:2::/64", "--route", "2001:db8:1::/64", "--port", "8443")
        self.good(*self.setup_words(*words))
        options = self.configured()
        self.assertEqual(("2001:db8:2::/64", ["2001:db8:1::/64"], 8443), (
            str(options.config.prefix), [str(route) for route in options.config.route], options.config.uri.port
        ))  # fmt: skip
        certificate = Credentials.load(self.gateway.server_certificate("main"), self.gateway.server_key("main")).chain[
            0
        ]
        self.assertEqual([HOST, "192.0.2.1"], list(alternative_names(certificate)))

    def test_sstp(self) -> None:
        """SSTP gets a pool, a prefix that clients have a route to, and an empty users file for the server alone."""
        said = self.good(*self.setup_words("--sstp"))
        config = self.configured().config
        assert config.sstp_pool and config.sstp_prefix and config.prefix
        self.assertTrue(config.sstp_pool.subnet_of(IPv4Network("10.0.0.0/8")))
        self.assertEqual((24, 64), (config.sstp_pool.prefixlen, config.sstp_prefix.prefixlen))
        self.assertTrue(config.sstp_prefix.subnet_of(config.route[0]))
        self.assertFalse(config.sstp_prefix.overlaps(config.prefix))
        self.assertEqual((b"", 0o600), (self.gateway.users.read_bytes(), self.gateway.users.stat().st_mode & 0o777))
        self.assertEqual(Path("/etc/iphttps/users.toml"), config.sstp_users)
        self.assertIn(f"clients of SSTP get addresses in {config.sstp_pool} and {config.sstp_prefix}\n", said)
        self.assertIn("iifname sstp0 tcp flags syn tcp option maxseg size set rt mtu", said)
        self.assertIn("next: run `iphttps enrol NAME --sstp`", said)
        before = self.everything(self.gateway)
        self.assertIn("already set up; no changes\n", self.good(*self.setup_words("--sstp")))
        self.assertEqual(before, self.everything(self.gateway))

    def test_sstp_only(self) -> None:
        """SSTP can be served alone: there is no prefix, and `check` finds nothing wrong."""
        said = self.good(*self.setup_words("--sstp-only"))
        config = self.configured().config
        assert config.sstp_pool and config.sstp_prefix
        self.assertFalse(config.serves_iphttps)
        self.assertTrue(config.sstp_prefix.subnet_of(config.route[0]))
        self.assertIn(f"via this gateway: {config.sstp_pool}, {config.sstp_prefix}\n", said)
        self.assertIn("next: run `iphttps enrol NAME --sstp`", said)
        for missing in ("next: run `iphttps enrol NAME` ", "iphttps0"):
            self.assertNotIn(missing, said)
        self.assertIn("already set up; no changes\n", self.good(*self.setup_words("--sstp-only")))
        self.good("enrol", "alice", "--sstp", "--root", self.gateway.root)
        found = self.good("check", "--root", self.gateway.root)
        self.assertNotRegex(found, "(?m)(error|warning)")

    def test_sstp_only_refused(self) -> None:
        """It takes no prefix, and changes no server of IP-HTTPS."""
        words = self.setup_words("--sstp-only", "--prefix", "2001:db8:2::/64")
        self.assertIn("--prefix is for IP-HTTPS", self.bad(*words, status=2))
        self.good(*self.setup_words("--sstp"))
        self.assertIn("already exists, with IP-HTTPS: remove prefix", self.bad(*self.setup_words("--sstp-only")))

    def test_sstp_second_server(self) -> None:
        """Another instance has another pool and another interface, and keeps the users."""
        self.good(*self.setup_words("--sstp"))
        self.gateway.users.write_text("# ours\n")
        self.good(*self.setup_words("--sstp", "--instance", "two", "--port", "8443", "--prefix", "2001:db8:2::/64"))
        one, two = self.configured().config, self.configured("two").config
        self.assertEqual(("sstp0", "sstp1"), (one.sstp_interface, two.sstp_interface))
        self.assertNotEqual((one.sstp_pool, one.sstp_prefix), (two.sstp_pool, two.sstp_prefix))
        self.assertEqual("# ours\n", self.gateway.users.read_text())

    def test_sstp_later(self) -> None:
        """A server that is there is not changed: it is said what to add."""
        said = self.good(*self.setup_words())
        self.assertNotIn("SSTP", said)
        self.assertIn("already exists, without SSTP: set sstp-pool", self.bad(*self.setup_words("--sstp")))

    def test_authorities(self) -> None:
        """Clients trust an authority for the hosts alone, of which the server has no key; it trusts another one."""
        self.good(*self.setup_words("--name", "192.0.2.1"))
        own = load_certificates(self.gateway.server_certificate("main"))[0]
        trusted = self.server_authority.issuer.certificate
        own.verify_directly_issued_by(trusted)
        found = trusted.extensions.get_extension_for_class(x509.NameConstraints)
        self.assertEqual((HOST, "192.0.2.1"), permitted(trusted))
        self.assertTrue(found.critical)
        self.assertNotIn(self.gateway.state, self.gateway.server_authority.parents)
        kept, of_servers = self.authority, self.server_authority
        for authority, kinds in ((kept, {Kind.CLIENT}), (of_servers, {Kind.SERVER})):
            self.assertEqual(kinds, {kind for kind in Kind if issues(authority.issuer, kind)})
        (document,) = servers_list(kept.directory)
        self.assertEqual("/iphttps-servers.crl", document.path)
        points = own.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        names_of_point = [each for point in points for each in point.full_name or []]
        self.assertEqual([f"http://{HOST}{document.path}"], [each.value for each in names_of_point])

    def test_one_authority(self) -> None:
        """An authority for both, as there was in 0.1.0, goes on as it is, and with it what it has issued."""
        before = Authority.create(self.gateway.authority, "Old CA", key=KeyKind.ECDSA).certificate_pem
        self.good(*self.setup_words())
        self.assertFalse(self.gateway.server_authority.exists())
        own = load_certificates(self.gateway.server_certificate("main"))[0]
        own.verify_directly_issued_by(x509.load_pem_x509_certificate(before))
        self.good(*self.setup_words())
        self.assertEqual(before, self.authority.certificate_pem)

    def test_new_name(self) -> None:
        """Another instance of another name has the same authority, which is for both names then."""
        self.good(*self.setup_words())
        words = ("setup", "--name", "www.example.com", "--key", "ecdsa", "--root", str(self.gateway.root))
        self.assertIn("now also covers www.example.com", self.good(*words, "--instance", "two"))
        self.assertEqual((HOST, "www.example.com"), permitted(self.server_authority.issuer.certificate))

    def test_second_server(self) -> None:
        """Another instance has the same authority, and an interface of its own."""
        self.good(*self.setup_words())
        self.good(*self.setup_words("--instance", "two", "--port", "8443"))
        self.assertEqual("iphttps1", self.configured("two")["interface"])
        self.assertIsNone(self.configured("two").config.publish)  # the first one does so
        self.assertNotEqual(self.configured("two").config.prefix, self.configured().config.prefix)
        self.assertEqual(2, len(self.server_authority.certificates()))

    def test_contradictions(self) -> None:
        """An existing different file is not overwritten: a sentence names the difference."""
        self.good(*self.setup_words("--prefix", "2001:db8:2::/64", "--route", "2001:db8:1::/64"))
        before = self.everything(self.gateway)
        for words, said in (
            (("--prefix", "2001:db8:3::/64"), "main.toml already exists, with prefix 2001:db8:2::/64: edit it"),
            (("--route", "2001:db8:9::/64"), "with route 2001:db8:1::/64: edit it and run `iphttps reload main`"),
            (("--port", "8443"), "with port 443"),
            (("--name", "other.example.org"), "main.pem is not for other.example.org: move it and "),
        ):
            self.assertIn(said, self.bad(*self.setup_words(*words)))
        self.assertEqual(before, self.everything(self.gateway))

    def test_wrong_words(self) -> None:
        """Contradictory arguments are rejected before anything is created, with exit status 2."""
        for words, said in (
            (("--prefix", "2001:db8::/48"), "must be a /64"),
            (("--prefix", "x"), "is not an IPv6 prefix"),
            (("--route", "2001:db8::1/64"), "has host bits set"),
            (("--port", "0"), "is not in the range"),
            (("--name", "*.example.org"), "is a wildcard"),
            (("--name", "a\nb"), "is not a host name"),
        ):
            self.assertIn(said, self.bad(*self.setup_words(*words), status=2))
        self.assertIn("is not a valid instance name", self.bad(*self.setup_words("--instance", "../x")))
        self.assertEqual({}, self.everything(self.gateway))

    def test_not_root(self) -> None:
        """A user other than root gets one sentence that says so."""
        self.patch(os, "geteuid", lambda: 1000)
        for words in (("setup", "--name", HOST), ("enrol", "alice"), ("join", "/dev/null")):
            self.assertIn(": run it as root, for example with sudo", self.bad(*words))

    def test_broken_configuration(self) -> None:
        """A configuration that is there and wrong is named, with its line, and stays."""
        self.good(*self.setup_words())
        config = self.gateway.server_config("main")
        config.write_text('prefix = "x"\n' + config.read_text().replace("prefix =", "#prefix ="))
        self.assertIn("main.toml:1: prefix 'x' is not an IPv6 prefix", self.bad(*self.setup_words()))

    def test_killed(self) -> None:
        """Killed before any of the things that it does to files, it can be repeated: nothing is lost, nothing twice."""

        def check() -> None:
            self.good(*self.setup_words())
            (issued,) = self.server_authority.certificates()
            own = Credentials.load(self.gateway.server_certificate("main"), self.gateway.server_key("main"))
            self.assertEqual(issued.serial, own.chain[0].serial_number)
            self.assertEqual([], [*self.gateway.configuration.rglob("*.unfinished")])
            self.assertIn("no changes", self.good(*self.setup_words()))

        kept = Path(self.mktemp()).absolute()
        states = after_each_crash(self.gateway.root, kept, lambda: self.good(*self.setup_words()), check)
        self.assertGreater(states, 20)


class PrefixTests(SynchronousTestCase):
    """Prefixes of one's own."""

    def test_random(self) -> None:
        """Each has 40 random bits behind fd (RFC 4193 section 3.1)."""
        made = [unique_local_prefix() for _ in range(300)]
        self.assertEqual(300, len(set(made)))
        union = intersection = int(made[0].network_address)
        for prefix in made:
            self.assertEqual((48, 0xFD), (prefix.prefixlen, prefix.network_address.packed[0]))
            union |= int(prefix.network_address)
            intersection &= int(prefix.network_address)
        self.assertEqual(((1 << 40) - 1) << 80, union ^ intersection)
        self.assertTrue(re.fullmatch("fd[0-9a-f:]+/48", str(made[0])))
