"""The client's flags."""

from __future__ import annotations

from iphttps.app.config import client_options
from iphttps.core.iphttps.client_handshake import RequestLength

from ..support import AppCase
from .test_options import parsed


class ClientFlagTests(AppCase):
    """The client's flags, which are a contract."""

    def test_defaults(self) -> None:
        """Absent options have their defaults; the delays are those of 3.1.2.1."""
        expected: dict[str, object] = {
            "uri": ["https://vpn.example.org/"],
            "ca": None,
            "certificate": None,
            "private-key": None,
            "crl": None,
            "pin": [],
            "allow-renegotiation": 0,
            "request-length": "max",
            "interface": "iphttps0",
            "reconnect-initial": "30",
            "reconnect-maximum": "900",
            "config": None,
            "root": None,
        }
        given = parsed(client_options.Options(), "--uri", "https://vpn.example.org/")
        self.assertEqual({name: given[name] for name in expected}, expected)

    def test_every_flag(self) -> None:
        """Every flag is taken."""
        flags = {
            "select": "fastest",
            "when": "blocked",
            "probe": "[2001:db8::1]:443",
            "keepalive": "50",
            "ca": "ca.pem",
            "certificate": "client.pem",
            "private-key": "client.key",
            "crl": "crl.pem",
            "request-length": "chunked",
            "interface": "vpn0",
            "reconnect-initial": "0.5",
            "reconnect-maximum": "10",
        }
        uris = "https://vpn.example.org/A", "https://vpn.example.net/B"
        given = client_options.Options()
        given.parse([f"--uri={uri}" for uri in uris] + [f"--{name}={value}" for name, value in flags.items()])
        self.assertEqual({name: given[name] for name in flags}, flags)
        self.assertEqual((tuple(map(str, given.config.uri)), given.config.probe), (uris, ("2001:db8::1", 443)))

    def test_server_checks(self) -> None:
        """A pin is taken as often as it is given, and late requests are answered where that is said."""
        pins = [f"sha256//{letter * 43}=" for letter in "AE"]
        options = client_options.Options()
        given = parsed(
            options, "--uri", "https://vpn.example.org/", "--pin", pins[0], "--pin", pins[1],
            "--certificate", "client.pem", "--private-key", "client.key", "--allow-renegotiation",
        )  # fmt: skip
        self.assertEqual((given["pin"], given["allow-renegotiation"]), (pins, 1))
        self.assertEqual((options.config.pin, options.config.request_length), (tuple(pins), RequestLength.MAX))

    def test_wrong(self) -> None:
        """An invalid value is named, with a valid one."""
        fingerprint = "sha256//" + "A" * 43 + "="
        plain = "--pin and --crl need https://: an http:// server has no certificate"
        uri = ("--uri", "https://vpn.example.org/")
        probe = "--when blocked and --probe go together: name a host that is reachable only where no tunnel is needed"
        together = "--certificate and --private-key go together: give both or neither"
        for arguments, sentence in (
            ((), "--uri is missing: name the server, such as https://vpn.example.org/IPHTTPS"),
            (("--uri", "https://*/"), "--uri must name the server: * is only for the --uri of a server"),
            (
                (*uri, "--uri", "nowhere"),
                ("'nowhere' is not a URI for IP-HTTPS: it must look like https://vpn.example.org/IPHTTPS"),
            ),
            ((*uri, "--select", "best"), "--select is ordered or fastest, not 'best'"),
            ((*uri, "--when", "never"), "--when is always, proxy, blocked or command, not 'never'"),
            ((*uri, "--when", "blocked"), probe),
            ((*uri, "--probe", "intranet.example.org:443"), probe),
            (
                (*uri, "--when", "blocked", "--probe", "intranet.example.org"),
                "--probe 'intranet.example.org' is not a host and a port, such as intranet.example.org:443",
            ),
            (
                (*uri, "--when", "blocked", "--probe", "[::1"),
                "--probe '[::1' is not a host and a port, such as intranet.example.org:443",
            ),
            (
                (*uri, "--when", "command"),
                "--when command needs --control: `iphttps enable` uses that socket",
            ),
            (
                (*uri, "--when", "proxy"),
                "--when proxy needs --proxy: with none the client never connects",
            ),
            ((*uri, "--keepalive", "-1"), "--keepalive takes a number of at least 0, not '-1'"),
            ((*uri, "--certificate", "client.pem"), together),
            ((*uri, "--private-key", "client.key"), together),
            (
                (*uri, "--pin", "sha1//x"),
                "--pin 'sha1//x' is not a key fingerprint: it must be sha256// and 44 base64 characters",
            ),
            (("--uri", "http://vpn.example.org/", "--pin", fingerprint), plain),
            (("--uri", "http://vpn.example.org/", "--ca", "ca.pem", "--crl", "crl.pem"), plain),
            ((*uri, "--crl", "crl.pem"), "--crl needs --ca: the authorities that issue its revocation lists"),
            (
                (*uri, "--allow-renegotiation"),
                "--allow-renegotiation needs --certificate: it presents the certificate",
            ),
            (
                (*uri, "--request-length", "2^64-1"),
                "--request-length is max, 2^63-1 or chunked, not '2^64-1'",
            ),
            ((*uri, "--reconnect-initial", "0"), "--reconnect-initial takes a number of at least 0.1, not '0'"),
            ((*uri, "--reconnect-maximum", "-1"), "--reconnect-maximum takes a number of at least 0.1, not '-1'"),
            (
                (*uri, "--reconnect-maximum", "10"),
                "--reconnect-initial 30 is more than --reconnect-maximum 10: change one of them",
            ),
        ):
            self.assertEqual(self.refusal(client_options.Options(), *arguments), sentence)
