"""The options about where the users of SSTP come from."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from unittest import mock

from iphttps.app.config import sstp_options
from iphttps.app.config.server_config import ServerConfig
from iphttps.app.config.server_options import Options
from iphttps.app.config.sstp_options import RadiusServer
from iphttps.core.errors import ConfigError

from ..support import AppCase

BASE = ("--uri", "http://*:80/IPHTTPS", "--authentication", "none", "--prefix", "2001:db8:2::/64")
SSTP = ("--sstp-pool", "10.99.0.0/24", "--sstp-certificate-hash", "00" * 32)
RADIUS = ("--sstp-radius", "192.0.2.1", "--sstp-radius-secret", "/etc/iphttps/radius")


class RadiusOptionTests(AppCase):
    """`--sstp-radius` and what belongs to it."""

    def config(self, *flags: str) -> ServerConfig:
        """Return the values of these flags, of a server with SSTP."""
        options = Options()
        options.parse([*BASE, *SSTP, *flags])
        return options.config

    def wrong(self, *flags: str) -> str:
        """Return the sentence with which they are rejected."""
        return str(self.assertRaises(ConfigError, self.config, *flags))

    def test_servers(self) -> None:
        """A server has an address of either family, and a port by default."""
        found = self.config(
            *("--sstp-radius", "192.0.2.1", "--sstp-radius", "192.0.2.2:1645", "--sstp-radius", "2001:db8::1"),
            *("--sstp-radius", "[2001:db8::2]:1645", "--sstp-radius", "[2001:db8::3]"),
            *("--sstp-radius-secret", "/etc/iphttps/radius"),
        )
        self.assertEqual(
            found.sstp_radius,
            (
                RadiusServer(ip_address("192.0.2.1"), 1812),
                RadiusServer(ip_address("192.0.2.2"), 1645),
                RadiusServer(ip_address("2001:db8::1"), 1812),
                RadiusServer(ip_address("2001:db8::2"), 1645),
                RadiusServer(ip_address("2001:db8::3"), 1812),
            ),
        )
        self.assertEqual((found.sstp_radius_secret, found.sstp_radius_disconnect), (Path("/etc/iphttps/radius"), 3799))

    def test_wrong_server(self) -> None:
        """An invalid address, and port 65535, which leaves no port for accounting, are rejected with an example."""
        for text in ("radius.example", "192.0.2", "192.0.2.1:", "192.0.2.1:x", "[192.0.2.1", "[]:1812", ":1812", ""):
            self.assertIn("such as 192.0.2.10", self.wrong("--sstp-radius", text, *RADIUS[2:]), text)
        for port in ("0", "65535", "99999"):
            self.assertIn("from 1 to 65534", self.wrong("--sstp-radius", f"192.0.2.1:{port}", *RADIUS[2:]))

    def test_many(self) -> None:
        """There are at most five, so that a login ends in time while none answers."""
        servers = [part for number in range(6) for part in ("--sstp-radius", f"192.0.2.{number}")]
        self.assertIn("more than 5 times", self.wrong(*servers, *RADIUS[2:]))

    def test_one_place(self) -> None:
        """Users come from one place, and from one at least."""
        self.assertIn("exclude each other", self.wrong(*RADIUS, "--sstp-users", "/etc/iphttps/users.toml"))
        self.assertIn("--sstp-users or --sstp-radius is missing", self.wrong())
        self.config("--sstp-users", "/etc/iphttps/users.toml")

    def test_secret(self) -> None:
        """Server and secret belong together."""
        self.assertIn("--sstp-radius-secret is missing", self.wrong(*RADIUS[:2]))
        users = ("--sstp-users", "/etc/iphttps/users.toml")
        self.assertIn("needs --sstp-radius", self.wrong(*RADIUS[2:], *users))

    def test_library(self) -> None:
        """Without the optional library the sentence says how to install it."""
        with mock.patch.object(sstp_options, "find_spec", return_value=None):
            self.assertIn("pip install 'iphttps[radius]'", self.wrong(*RADIUS))
            self.config("--sstp-users", "/etc/iphttps/users.toml")
