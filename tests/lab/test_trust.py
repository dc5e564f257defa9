"""The trust in clients: late and older lists, expired certificates and authorities, unreadable names."""

import os
import signal
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding

from iphttps.lab.authority import Authority
from iphttps.pki.certificates import load_certificates
from tests.lab.case import LabCase
from tests.lab.openssl import flags, handshake
from tests.net.odd_certificates import UNPRINTABLE, common_name, issue, resigned, save
from tests.net.tls.test_lifetime import renewed

POLLED = 10.0
"""Seconds within which the server must have seen that its file has changed, with some patience."""


class TrustTests(LabCase):
    """Real daemons."""

    clients = 2

    def setUp(self) -> None:
        """Make two clients' certificates and a list without them."""
        super().setUp()
        self.alice, self.bob = (self.lab.authority.client(name) for name in ("alice", "bob"))
        self.crl = self.lab.authority.revoke()

    def test_bad_moment(self) -> None:
        """A list dated a little ahead of the clock is in force as soon as its time has come, though its file stays."""
        server = self.server("--client-crl", str(self.crl))
        self.client(1, identity=self.alice)
        self.lab.authority.revoke(self.alice, begin=timedelta(seconds=6))
        server.wait_for("is valid only from", POLLED)
        server.wait_for("disconnected: its certificate is revoked", 2 * POLLED)
        self.assertEqual(1, server.text.count("is valid only from"))

    def test_older_list(self) -> None:
        """An older list leaves the revoked where they are."""
        self.lab.authority.revoke(self.alice, number=2)
        server = self.server("--client-crl", str(self.crl))
        self.lab.authority.revoke(number=1)
        server.wait_for("is older than the one in force: its CRL number is 1, lower than 2", POLLED)
        alice = self.lab.client(1, *self.reconnect, identity=self.alice)
        alice.wait_for("rejected this client's certificate: it has been revoked")

    def test_end_of_session(self) -> None:
        """A session ends with its certificate, and with its authority."""
        authorities = self.lab.directory / "authorities.pem"
        authorities.write_bytes(self.lab.authority.certificate.read_bytes())
        server = self.server("--client-ca", str(authorities))
        (old,) = load_certificates(self.alice.certificate)
        end = (
            datetime.now(UTC) + timedelta(seconds=20) - old.not_valid_before_utc
        )  # a busy machine takes long to start it
        fresh = renewed(self.lab.authority, old, end)
        self.alice.certificate.write_bytes(fresh.public_bytes(Encoding.PEM))
        self.client(1, identity=self.alice)
        self.client(2, identity=self.bob)
        server.wait_for("disconnected: its certificate expired on", 20 + 2 * POLLED)
        other = Authority(self.lab.directory / "other", "Other CA")
        authorities.write_bytes(other.certificate.read_bytes())
        os.kill(server.pid, signal.SIGHUP)
        server.wait_for("disconnected: its authority CN=Laboratory CA is no longer trusted")
        self.assertIn("CN=bob", server.wait_for("is no longer trusted"))

    def test_unreadable_names(self) -> None:
        """A stranger with a name that cannot be read is rejected in a line; a client of ours comes in."""
        server = self.server()
        mine, other = self.lab.authority, Authority(self.lab.directory / "other", "Other CA")
        for number, value in enumerate(UNPRINTABLE.values()):
            shown = resigned(other, issue(other, common_name("abcdef")), b"\x0c\x06abcdef", value)
            identity = save(shown, self.lab.directory / f"stranger{number}")
            handshake(self.lab.clients[0], *flags(mine.certificate, identity))
        server.wait_for("is issued by CN=Other CA, which is not trusted")
        shown = resigned(mine, issue(mine, common_name("abcdef")), b"\x0c\x06abcdef", UNPRINTABLE["ESC"])
        self.client(1, identity=save(shown, self.lab.directory / "escaping"))
        server.wait_for(r"CN=a\1Bcdef")
