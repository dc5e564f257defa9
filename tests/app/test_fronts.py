"""The server behind fronts: the options, and what they come to."""

from __future__ import annotations

from ipaddress import ip_address

from iphttps.app.config import server_options
from iphttps.app.daemon.server_port import local_fronts
from iphttps.core.errors import ConfigError
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.host.kernel import addresses

from ..proxyprotocol import tls, version2
from .daemon.test_server import BEHIND, BROUGHT, ServerDaemonCase, service_of
from .support import AppCase

LINK = ("--prefix", "2001:db8:2::/64")
PLAIN = ("--uri", "http://127.0.0.1:8080/", *LINK)
SECURE = ("--uri", "https://*/", *LINK, "--certificate", "c.pem", "--private-key", "k.pem", "--client-ca", "ca.pem")
FRONT = ("--trusted-proxy", "127.0.0.1")


class FrontFlagTests(AppCase):
    """The permitted combinations of flags."""

    def test_trusted(self) -> None:
        """A front is an address or a prefix, of either family, and there may be several."""
        options = server_options.Options()
        options.parseOptions([*PLAIN, "--authentication", "none", *FRONT, "--trusted-proxy", "2001:db8:f::/48"])
        self.assertEqual(["127.0.0.1/32", "2001:db8:f::/48"], [str(each) for each in options.config.trusted_proxy])

    def test_not_an_address(self) -> None:
        """The error for any other value quotes it and gives a valid form."""
        for value in ("front.example.org", "192.0.2.1/24", "192.0.2.0/33", ""):
            refusal = self.refusal(
                server_options.Options(), *PLAIN, "--authentication", "none", "--trusted-proxy", value
            )
            self.assertTrue(refusal.startswith(f"--trusted-proxy {value!r} is not an address or a prefix"), refusal)

    def test_nobody_trusted(self) -> None:
        """The PROXY protocol of nobody makes no sense."""
        sentence = "--proxy-protocol needs --trusted-proxy: PROXY headers from other addresses are not trusted"
        for flags in (SECURE, PLAIN):
            self.assertEqual(sentence, self.refusal(server_options.Options(), *flags, "--proxy-protocol"))

    def test_certificates_over_plain_http(self) -> None:
        """Mode Certificates without TLS takes a front that says who clients are; without one nothing starts (3.2.1)."""
        for flags in (PLAIN, (*PLAIN, *FRONT)):
            refusal = self.refusal(server_options.Options(), *flags)
            self.assertTrue(refusal.startswith("--authentication certificates with an http:// URI needs"), refusal)
        server_options.Options().parseOptions([*PLAIN, *FRONT, "--proxy-protocol"])
        server_options.Options().parseOptions([*PLAIN, "--authentication", "none"])
        server_options.Options().parseOptions([*SECURE, *FRONT])

    def test_socket(self) -> None:
        """A UNIX socket in the URI takes the place of addresses of fronts; what does not go with it is rejected."""
        unix = ("--uri", "http://unix:/run/x.sock:/IPHTTPS", *LINK)
        options = server_options.Options()
        options.parseOptions([*unix, "--proxy-protocol", "--socket-group", "x"])
        self.assertEqual(("/run/x.sock", "/IPHTTPS"), (options.config.uri.socket, options.config.uri.path))
        self.assertEqual("http://unix:/run/x.sock:/IPHTTPS", str(options.config.uri))
        for flags, words in (
            ((*unix, "--proxy-protocol", *FRONT), "--trusted-proxy is for TCP"),
            ((*unix,), "--authentication certificates with an http:// URI needs"),
            ((*PLAIN, "--authentication", "none", "--socket-group", "x"), "--socket-group needs a UNIX socket"),
            (("--uri", "http://unix:/:/IPHTTPS", *LINK), "'http://unix:/:/IPHTTPS' has no socket path"),
        ):
            refusal = self.refusal(server_options.Options(), *flags)
            self.assertTrue(refusal.startswith(words), refusal)

    def test_loopback(self) -> None:
        """TrustedProxies on the loopback are warned of, of either family; others are not."""
        for network, warned in (("127.0.0.1", True), ("::1", True), ("0.0.0.0/0", True), ("192.0.2.1", False)):
            options = server_options.Options()
            options.parseOptions([*PLAIN, "--authentication", "none", "--trusted-proxy", network])
            self.assertEqual(warned, "every local user" in (options.config.on_loopback or ""), network)

    def test_own_address(self) -> None:
        """So are those at other addresses of this host: who connects to one from here comes from it."""
        own = [ip_address(text) for text in ("127.0.0.1", "192.0.2.1", "2001:db8::1", "fe80::1")]
        self.patch(addresses, "everywhere", lambda: own)
        for network, warned in (
            ("192.0.2.0/24", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("192.0.2.2", ""),
            ("0.0.0.0/0", "loopback addresses"),
        ):
            options = server_options.Options()
            options.parseOptions([*PLAIN, "--authentication", "none", "--trusted-proxy", network])
            found = local_fronts(options.config)
            self.assertEqual(bool(warned), found is not None, network)
            self.assertIn(warned, found or "")

    def test_bounds(self) -> None:
        """The bounds on the handshake phase are numbers."""
        for flag, value in (
            ("--max-handshakes", "0"),
            ("--max-handshakes-per-source", "x"),
            ("--max-sessions-per-source", "-1"),
            ("--handshake-timeout", "0"),
        ):
            refusal = self.refusal(server_options.Options(), *SECURE, flag, value)
            self.assertTrue(refusal.startswith(f"{flag} takes a number of at least "), refusal)


class FrontDaemonTests(ServerDaemonCase):
    """The daemon behind a front."""

    def test_mode(self) -> None:
        """Over plain HTTP, identity is demanded in mode Certificates, from the start and after a change (3.2.7.1)."""
        daemon = self.start(*BEHIND)
        nobody = version2("192.0.2.7", "198.51.100.1", 1234, tls(None))
        for mode, status in (
            (None, b"403"),
            (AuthenticationMode.NONE, b"200"),
            (AuthenticationMode.CERTIFICATES, b"403"),
        ):
            if mode:
                self.running(daemon).change_mode(mode)
            self.assertEqual(b"HTTP/1.1 " + status, self.session(before=nobody).value()[:12])
            self.assertEqual(b"HTTP/1.1 200", self.session(before=BROUGHT).value()[:12])

    def test_sessions_per_source(self) -> None:
        """The option bounds the sessions of one source; without it there is a bound, too, and 0 takes it away."""
        self.start("--max-sessions-per-source", "1")
        answers = [self.session().value()[:12] for _ in range(3)]
        self.assertEqual([b"HTTP/1.1 200", b"", b""], answers)
        for flags, most in (((), 64), (("--max-sessions-per-source", "0"), 0)):
            daemon = self.start(*flags)
            self.assertEqual(most, service_of(self.running(daemon)).sources.most)

    def test_no_such_mode(self) -> None:
        """Without a front the mode cannot be changed to Certificates over plain HTTP."""
        daemon = self.start()
        self.assertRaises(ConfigError, self.running(daemon).change_mode, AuthenticationMode.CERTIFICATES)
        self.assertEqual(b"HTTP/1.1 200", self.session().value()[:12])
