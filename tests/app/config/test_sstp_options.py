"""The options of SSTP: what they need of each other, and wrong values."""

from __future__ import annotations

from iphttps.app.config import server_options
from iphttps.app.config.server_config import ServerConfig

from ..support import AppCase

PLAIN = ("--uri", "http://127.0.0.1:8080/", "--prefix", "2001:db8:2::/64", "--authentication", "none")
HASH = ("--sstp-certificate-hash", "00" * 32)
USERS = ("--sstp-users", "users.toml")
SERVED = (*PLAIN, *HASH, *USERS, "--sstp-pool", "10.99.0.0/24")


class SSTPOptionTests(AppCase):
    """The options of SSTP on a server's command line."""

    def config(self, *arguments: str) -> ServerConfig:
        """Return the configuration that a command line gives."""
        options = server_options.Options()
        options.parseOptions(list(arguments))
        return options.config

    def assert_refused(self, sentence: str, *arguments: str) -> None:
        """Check that a command line is rejected with this sentence."""
        self.assertEqual(sentence, self.refusal(server_options.Options(), *arguments))

    def test_served(self) -> None:
        """A pool turns SSTP on, and so does a prefix."""
        self.assertFalse(self.config(*PLAIN).serves_sstp)
        self.assertTrue(self.config(*SERVED).serves_sstp)
        self.assertTrue(self.config(*PLAIN, *HASH, *USERS, "--sstp-prefix", "2001:db8:3::/64").serves_sstp)

    def test_users(self) -> None:
        """SSTP needs users."""
        self.assert_refused(
            "--sstp-users or --sstp-radius is missing: SSTP needs users, in a file that `iphttps users add NAME` "
            "makes, or from a RADIUS server",
            *PLAIN, *HASH, "--sstp-pool", "10.99.0.0/24",
        )  # fmt: skip

    def test_unused(self) -> None:
        """Every other option of SSTP is rejected without a pool or a prefix, unless it has no effect."""
        for name, value in (
            ("sstp-users", "users.toml"),
            ("sstp-interface", "vpn1"),
            ("sstp-dns-server", "10.0.0.53"),
            ("sstp-authentication", "pap"),
            ("sstp-binding", "sha256"),
            ("sstp-certificate-hash", "00" * 20),
        ):
            sentence = f"--{name} needs --sstp-pool or --sstp-prefix: without them SSTP is not served"
            self.assert_refused(sentence, *PLAIN, f"--{name}", value)
        self.config(*PLAIN, "--sstp-binding", "any", "--sstp-users", "")

    def test_prefixes(self) -> None:
        """The two links have different prefixes."""
        self.assert_refused(
            "--sstp-prefix 2001:db8:2::/64 is that of --prefix: each link needs its own /64",
            *SERVED, "--sstp-prefix", "2001:db8:2::/64",
        )  # fmt: skip

    def test_interface(self) -> None:
        """The two protocols have different interfaces."""
        self.assert_refused(
            "--sstp-interface iphttps0 is that of --interface: SSTP needs its own",
            *SERVED, "--sstp-interface", "iphttps0",
        )  # fmt: skip

    def test_hash(self) -> None:
        """Behind a TLS terminator the server must know what certificate clients see ([MS-SSTP] 3.2.5.2)."""
        self.assert_refused(
            "--sstp-certificate-hash is missing: with an http:// URI clients bind their calls to the certificate of "
            "the TLS terminator",
            *PLAIN, *USERS, "--sstp-pool", "10.99.0.0/24",
        )  # fmt: skip

    def test_alone(self) -> None:
        """Without a prefix of IP-HTTPS only SSTP is served, and its clients need no certificates."""
        files = ("--uri", "https://*/", "--certificate", "server.pem", "--private-key", "server.key")
        config = self.config(*files, *USERS, "--sstp-pool", "10.99.0.0/24")
        self.assertEqual((False, True), (config.serves_iphttps, config.serves_sstp))
        self.config("--uri", "http://127.0.0.1:8080/", *HASH, *USERS, "--sstp-pool", "10.99.0.0/24")
        self.config(*SERVED[:2], *SERVED[4:], "--sstp-interface", "iphttps0")
        self.assert_refused(
            "--identity-addresses needs --prefix: the addresses are those of IP-HTTPS clients",
            *files, *USERS, "--sstp-pool", "10.99.0.0/24", "--identity-addresses", "addresses.toml",
        )  # fmt: skip

    def test_wrong_values(self) -> None:
        """The error for an invalid value quotes it and gives a valid form."""
        for name, value, sentence in (
            ("pool", "many", "'many' is not an IPv4 network: it must look like 10.99.0.0/24"),
            ("pool", "10.99.0.1/24", "10.99.0.1/24 has host bits set: is 10.99.0.0/24 meant?"),
            ("pool", "10.99.0.0/31", "10.99.0.0/31 has no room for clients: use /30 or a shorter prefix"),
            ("pool", "224.0.0.0/24", "224.0.0.0/24 must be unicast, and neither loopback nor link-local"),
            ("prefix", "2001:db8::/48", "2001:db8::/48 must be a /64: clients form 64-bit interface identifiers"),
            ("dns-server", "ns1", "'ns1' is not an IPv4 address, such as 10.0.0.53"),
            ("authentication", "eap", "is mschapv2, pap or mschapv2,pap, not 'eap'"),
            ("binding", "md5", "is any or sha256, not 'md5'"),
            ("certificate-hash", "00", "takes a SHA-1 or SHA-256 hash in hexadecimal, of 40 or 64 digits"),
        ):
            self.assert_refused(f"--sstp-{name} {sentence}", *SERVED, f"--sstp-{name}", value)
        self.assert_refused(
            "--sstp-dns-server is given more than 2 times: PPP has room for two",
            *SERVED, *("--sstp-dns-server", "10.0.0.53") * 3,
        )  # fmt: skip
