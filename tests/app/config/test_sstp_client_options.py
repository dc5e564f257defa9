"""The SSTP client's flags."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

from iphttps.app.config.sstp_client_config import SSTPClientConfig
from iphttps.app.config.sstp_client_options import Options
from iphttps.core.sstp.crypto_binding import HashProtocol
from iphttps.core.sstp.request import PATH

from ..support import AppCase

ROOT = Path(__file__).parents[3]
NEEDED = ("--uri", "https://vpn.example.org", "--user", "alice")


class SSTPClientFlagTests(AppCase):
    """The SSTP client's flags, a stable interface."""

    def config(self, *flags: str) -> SSTPClientConfig:
        """Return the configuration of these flags, after those that are needed."""
        options = Options()
        options.parse([*NEEDED, *flags])
        return options.config

    def uri(self, text: str) -> str:
        """Return a server's URI as it is read, and its path."""
        options = Options()
        options.parse(["--uri", text, "--user", "alice"])
        (uri,) = options.config.uri
        return f"{uri} {uri.path}"

    def test_defaults(self) -> None:
        """Options that are not given have their defaults: no PAP, no route, and an MTU of 1400 as on Windows."""
        config = self.config()
        self.assertEqual(("alice", None, None), (config.user, config.password_file, config.ca))
        self.assertEqual(("sstp0", "tun", 1400), (config.interface, config.device, config.mtu))
        self.assertEqual((False, False, ()), (config.allow_pap, config.default_route, config.route))
        self.assertEqual((HashProtocol.SHA256, HashProtocol.SHA1), config.binding)
        self.assertEqual((30.0, 900.0, "always"), (config.reconnect_initial, config.reconnect_maximum, config.when))

    def test_document(self) -> None:
        """The configuration in docs/sstp.md is valid, and the options that its table names are there."""
        text = (ROOT / "docs" / "sstp.md").read_text()
        found = re.search(r"^```toml client\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        assert found
        file = Path(self.mktemp()).absolute()
        file.write_text(found[1])
        options = Options()
        options.parse(["--config", str(file)])
        self.assertEqual(("alice", (ip_network("10.0.0.0/8"),)), (options.config.user, options.config.route))
        section = text[text.index("## The Linux client") : text.index("### Passwords")]
        for name in re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE):
            self.assertIn(name, Options.table)

    def test_every_flag(self) -> None:
        """Every flag is taken, those too that it shares with the client of IP-HTTPS."""
        config = self.config(
            "--uri", "sstp://other.example:8443", "--password-file", "password", "--allow-pap", "--binding", "sha256",
            "--interface", "vpn0", "--mtu", "1300", "--route", "10.0.0.0/8", "--route", "2001:db8:1::/48",
            "--default-route", "yes", "--ca", "ca.pem", "--crl", "crl.pem", "--proxy", "auto", "--proxy-basic",
            "--select", "fastest", "--when", "blocked", "--probe", "intranet.example.org:443", "--reconnect-initial",
            "1", "--reconnect-maximum", "2", "--control", "x.sock", "--log-level", "debug",
        )  # fmt: skip
        self.assertEqual(["https://vpn.example.org/", "https://other.example:8443/"], [str(uri) for uri in config.uri])
        self.assertEqual((ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")), config.route)
        self.assertEqual(((HashProtocol.SHA256,), True, True), (config.binding, config.default_route, config.allow_pap))
        assert config.password_file
        self.assertTrue(config.password_file.is_absolute())
        self.assertEqual(("fastest", ("intranet.example.org", 443)), (config.select, config.probe))

    def test_uri(self) -> None:
        """The path is that of SSTP unless another is given ([MS-SSTP] 3.2.4.1), and the query stays; sstp:// is https://."""
        front = f"{PATH}?tenantid=7"
        for text, read in (
            ("https://vpn.example.org", "https://vpn.example.org/ "),
            ("https://vpn.example.org/", "https://vpn.example.org/ "),
            ("SSTP://vpn.example.org:444", "https://vpn.example.org:444/ "),
            ("sstp://[2001:db8::1]/", "https://[2001:db8::1]/ "),
            (f"https://vpn.example.org{PATH}", "https://vpn.example.org/ "),
            (f"https://vpn.example.org{PATH.rstrip('/').lower()}", "https://vpn.example.org/ "),
            ("http://vpn.example.org", "http://vpn.example.org/ "),
            ("https://vpn.example.org/other/", "https://vpn.example.org/other/ /other/"),
            ("https://vpn.example.org/other/?a=1", "https://vpn.example.org/other/?a=1 /other/?a=1"),
            ("sstp://vpn.example.org?tenantid=7", f"https://vpn.example.org{front} {front}"),
            ("https://vpn.example.org/?tenantid=7", f"https://vpn.example.org{front} {front}"),
            (f"https://vpn.example.org{PATH.rstrip('/')}?tenantid=7", f"https://vpn.example.org{front} {front}"),
            ("https://vpn.example.org/?", "https://vpn.example.org/ "),
        ):
            self.assertEqual(read, self.uri(text), text)

    def test_wrong(self) -> None:
        """The error for an invalid value quotes it and gives a valid form."""
        like = "it must look like https://vpn.example.org"
        for arguments, sentence in (
            (("--user", "alice"), "--uri is missing: name the server, such as https://vpn.example.org"),
            (NEEDED[:2], "--user is missing: name the user, such as alice or EXAMPLE\\alice"),
            (("--uri", "vpn", "--user", "alice"), f"'vpn' is not a URI for SSTP: {like}"),
            (("--uri", "ftp://vpn", "--user", "alice"), f"'ftp://vpn' is not a URI for SSTP: {like}"),
            (
                ("--uri", "https://*", "--user", "alice"),
                "--uri must name the server: * is only for the --uri of a server",
            ),
            (
                ("--uri", "https://vpn/#x", "--user", "a"),
                f"'https://vpn/#x' has more than scheme, host, port, path and query: {like}",
            ),
            (
                ("--uri", "https://vpn/?a b", "--user", "alice"),
                f"'https://vpn/?a b' has characters that are not allowed in a URI: {like}",
            ),
            (
                ("--uri", "sstp://alice@vpn.example.org", "--user", "alice"),
                f"the URI for vpn.example.org has a user before the host: {like}",
            ),
            ((*NEEDED[:2], "--user", "a\nb"), "--user takes at most 256 bytes of printable characters"),
            ((*NEEDED[:2], "--user", "a" * 257), "--user takes at most 256 bytes of printable characters"),
            ((*NEEDED, "--binding", "sha1"), "--binding is sha1,sha256 or sha256, not 'sha1'"),
            ((*NEEDED, "--device", "tap"), "--device is tun, not 'tap'"),
            ((*NEEDED, "--mtu", "1279"), "--mtu takes a number of at least 1280, not '1279'"),
            ((*NEEDED, "--mtu", "4092"), "--mtu takes a number of at most 4091, not '4092'"),
            (
                (*NEEDED, "--route", "10.0.0.1/8"),
                (
                    "--route '10.0.0.1/8' is not an address or a prefix without host bits, such as 192.0.2.1, "
                    "192.0.2.0/24 or 2001:db8::/64"
                ),
            ),
            (
                (*NEEDED, "--route", "::/0"),
                "--route ::/0 is a default route: use --default-route yes, which keeps the path to the server outside",
            ),
            (
                (*NEEDED, "--certificate", "client.pem"),
                "option --certificate not recognized; see `twistd sstp-client --help`",
            ),
            ((*NEEDED, "--when", "proxy"), "--when proxy needs --proxy: with none the client never connects"),
        ):
            self.assertEqual(self.refusal(Options(), *arguments), sentence)

    def test_no_password_flag(self) -> None:
        """There is no flag for the password itself, as every local user can read the command line."""
        for flags in (("--password", "secret"), ("--password=secret",)):
            sentence = self.refusal(Options(), *NEEDED, *flags)
            self.assertIn("there is no --password", sentence)
            self.assertNotIn("secret", sentence)
