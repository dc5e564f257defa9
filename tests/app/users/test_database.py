"""Tests for iphttps.app.users.database."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.config.server_options import Options
from iphttps.app.users.database import Database, open_logins
from iphttps.app.users.logins import FileLogins
from iphttps.app.users.radius import RadiusLogins
from iphttps.core.errors import ConfigError
from iphttps.core.sstp.ppp.pap import AuthenticateRequest
from tests.app.users.radius_peer import Query, UDPClock

BASE = (
    *("--uri", "http://*:80/IPHTTPS", "--authentication", "none", "--prefix", "2001:db8:2::/64"),
    *("--sstp-pool", "10.99.0.0/24", "--sstp-certificate-hash", "00" * 32),
)


class DatabaseTests(SynchronousTestCase):
    """The database that the configuration names."""

    def setUp(self) -> None:
        """Have a file, and the values of options."""
        self.clock = UDPClock()
        self.path = Path(self.mktemp()).absolute()

    def open(self, *flags: str) -> Database:
        """Open the database that these flags name."""
        options = Options()
        options.parse([*BASE, *flags])
        return open_logins(self.clock.reactor, options.config)

    def radius(self, content: bytes) -> Database:
        """Open RADIUS with this content of the file with the secret."""
        self.path.write_bytes(content)
        self.path.chmod(0o600)
        return self.open("--sstp-radius", "192.0.2.1", "--sstp-radius-secret", str(self.path))

    def test_file(self) -> None:
        """`--sstp-users` names a file."""
        self.path.write_text("")
        self.path.chmod(0o600)
        self.assertIsInstance(self.open("--sstp-users", str(self.path)), FileLogins)
        self.assertRaises(ConfigError, self.open)  # the options are checked only where SSTP is served

    def test_radius(self) -> None:
        """`--sstp-radius` names servers; the secret is the line in its file."""
        logins = self.radius(b"the secret\n")
        assert isinstance(logins, RadiusLogins)
        self.assertEqual([port.number for port in self.clock.ports], [3799])
        logins.check(AuthenticateRequest(1, b"alice", b""), None)
        ((data, address),) = self.clock.sent(1812)
        self.assertEqual(address, ("192.0.2.1", 1812))
        self.assertTrue(Query(data, b"the secret").is_proved)
        self.assertFalse(logins.users)
        logins.look()

    def test_wrong_secret(self) -> None:
        """A file that is missing, empty or has two lines is rejected."""
        for content in (b"", b"\n", b"one\ntwo\n"):
            self.assertRaises(ConfigError, self.radius, content)
        flags = ("--sstp-radius", "192.0.2.1", "--sstp-radius-secret", str(self.path.with_suffix(".missing")))
        error = self.assertRaises(ConfigError, self.open, *flags)
        self.assertIn("cannot be read", str(error))
