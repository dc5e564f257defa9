"""Revoked certificates: in the handshake, between it and the session, and while a session lives."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent

from iphttps.core.client import ClientEvent, ClientState
from iphttps.lab.authority import DAY, Authority, Identity
from iphttps.net.tls.contexts import ClientTLS, ServerTLS, TLSSettings
from iphttps.pki.certificates import load_certificates
from iphttps.pki.revocation import RevocationLists

from .certificates import credentials
from .support import NAME, ClientEnd, ServerEnd
from .tls.test_contexts import TLSCase


class RevokedCase(TLSCase):
    """Clients of a root authority, and of one below it."""

    def setUp(self) -> None:
        """Make the authorities, and a file for their lists."""
        super().setUp()
        self.root = self.certificates.authority
        self.below = Authority(self.certificates.directory / "below", "Sub CA", self.root)
        self.path = self.certificates.directory / "lists.pem"

    def settings(self, *lists: Path) -> TLSSettings:
        """Return the server's settings with these lists; only the root is trusted."""
        self.path.write_bytes(b"".join(path.read_bytes() for path in lists))
        loaded = RevocationLists.load(self.path, self.certificates.trusted, datetime.now(UTC))
        return TLSSettings(credentials(self.certificates.server), self.certificates.trusted, loaded)

    def client_tls(self, identity: Identity) -> ClientTLS:
        """Return the TLS of a client with its whole chain."""
        return ClientTLS(NAME, self.certificates.trusted, credentials(identity))


class HandshakeTests(RevokedCase):
    """The whole chain is looked up in the handshake (RFC 5280 section 6.3)."""

    def assert_refused(self, settings: TLSSettings, identity: Identity, sentence: str) -> None:
        """Check that a client does not come in, and that the log says why."""
        state, said = self.meet(ServerTLS(settings), self.client_tls(identity))
        self.assertEqual(ClientState.LINK_DOWN, state)
        self.assertIn(sentence, said)

    def assert_good(self, settings: TLSSettings, identity: Identity) -> None:
        """Check that a client comes in."""
        self.assertEqual((ClientState.LINK_UP, []), self.meet(ServerTLS(settings), self.client_tls(identity)))

    def test_revoked(self) -> None:
        """A revoked certificate does not do, and one that is not revoked does."""
        bob = self.root.client("bob")
        settings = self.settings(self.root.revoke(self.certificates.client))
        self.assert_refused(settings, self.certificates.client, "the certificate of CN=alice is revoked")
        self.assert_good(settings, bob)

    def test_told(self) -> None:
        """Who is revoked is told so."""
        settings = self.settings(self.root.revoke(self.certificates.client))
        _, said = self.meet(ServerTLS(settings), self.client_tls(self.certificates.client))
        self.assertIn("the server rejected this client's certificate: it has been revoked", said)

    def test_below(self) -> None:
        """A client of an authority below the root is looked up in that one's list."""
        carol, dave = self.below.client("carol"), self.below.client("dave")
        settings = self.settings(self.root.revoke(), self.below.revoke(carol))
        self.assert_good(settings, dave)
        self.assert_refused(settings, carol, "the certificate of CN=carol is revoked")

    def test_authority_revoked(self) -> None:
        """With an authority all its clients are revoked."""
        settings = self.settings(self.root.revoke(self.below.identity), self.below.revoke())
        self.assert_refused(settings, self.below.client("carol"), "the certificate of CN=Sub CA is revoked")

    def test_list_missing(self) -> None:
        """A client whose issuer has no list cannot be checked and does not come in."""
        self.assert_refused(
            self.settings(self.root.revoke()),
            self.below.client("carol"),
            "the certificate of CN=carol cannot be checked, because there is no usable revocation list of CN=Sub CA",
        )

    def test_list_expired(self) -> None:
        """With an expired list nobody comes in: it fails closed."""
        self.assert_refused(
            self.settings(self.root.revoke(end=-timedelta(hours=1))),
            self.certificates.client,
            "the certificate of CN=alice cannot be checked, because the revocation list of CN=Laboratory CA "
            "has expired: renew it",
        )

    def test_mode_none(self) -> None:
        """In mode None nobody is looked up (3.2.1)."""
        settings = replace(self.settings(self.root.revoke(self.certificates.client)), client_ca=None)
        self.assert_good(settings, self.certificates.client)


class JoinCase(RevokedCase):
    """A server to which clients of two authorities can come."""

    def setUp(self) -> None:
        """Start a server with a client of each authority."""
        super().setUp()
        self.tls = ServerTLS(self.settings(self.root.revoke(), self.below.revoke()))
        self.clock = MemoryReactorClock()
        self.server = ServerEnd(self.clock, self.tls)
        self.addCleanup(self.server.device.close)
        self.tls.changed = self.server.listener.end_unwelcome
        self.alice, self.carol = self.certificates.client, self.below.client("carol")

    def join(self, identity: Identity) -> ClientEnd:
        """Let a client connect."""
        client = ClientEnd(self.clock, self.client_tls(identity))
        self.addCleanup(client.device.close)
        client.client.handle(ClientEvent.ENABLE)
        client.client.handle(ClientEvent.PRECONDITION)
        client.connect(self.server)
        return client

    @property
    def there(self) -> list[str]:
        """Who has a session."""
        return [entry.identity.subject for entry in self.server.table if entry.identity]


class ChangeTests(JoinCase):
    """Other lists while clients are connected."""

    def change(self, *lists: Path) -> list[str]:
        """Put other lists in force; return what is said."""
        with capturedLogs() as events:
            self.tls.change(self.settings(*lists))
        return [formatEvent(event) for event in events]

    def test_live_session(self) -> None:
        """Revocation ends the sessions of that certificate, with the reason, and no others."""
        self.join(self.alice)
        self.join(self.carol)
        said = self.change(self.root.revoke(self.alice), self.below.revoke())
        self.assertEqual(["CN=carol"], self.there)
        (line,) = said
        self.assertEqual(
            "client 1 (CN=alice, 192.0.2.7:1234) disconnected: its certificate is revoked;"
            " 0 packets (0 bytes) in, 0 (0 bytes) out, 0 dropped, 0 seconds",
            line,
        )

    def test_authority_of_a_live_session(self) -> None:
        """Revocation of an authority ends the sessions of its clients."""
        self.join(self.alice)
        self.join(self.carol)
        self.change(self.root.revoke(self.below.identity), self.below.revoke())
        self.assertEqual(["CN=alice"], self.there)

    def test_same_serial_number(self) -> None:
        """A serial number means a certificate of that issuer only (RFC 5280 section 4.1.2.2)."""
        self.join(self.carol)
        serial = load_certificates(self.carol.certificate)[0].serial_number
        settings = self.settings(self.root.revoke(), self.below.revoke())
        assert settings.revocation
        root = self.certificates.trusted[0].subject
        self.tls.change(
            replace(settings, revocation=replace(settings.revocation, revoked={root: frozenset((serial,))}))
        )
        self.assertEqual(["CN=carol"], self.there)

    def test_between_handshake_and_session(self) -> None:
        """Who was revoked after the handshake and before the request does not come in either."""
        client = ClientEnd(self.clock, self.client_tls(self.alice))
        self.addCleanup(client.device.close)
        client.client.handle(ClientEvent.ENABLE)
        client.client.handle(ClientEvent.PRECONDITION)
        self.tls.changed = lambda: None  # as if the handshake ended just after it
        serves = self.server.service.serves

        def revoke_first(path: str) -> bool:
            self.change(self.root.revoke(self.alice), self.below.revoke())
            return serves(path)

        self.patch(self.server.service, "serves", revoke_first)
        with capturedLogs() as events:
            client.connect(self.server)
        self.assertEqual(([], ClientState.LINK_DOWN), (self.there, client.state))
        said = [formatEvent(event) for event in events]
        self.assertIn("rejected 192.0.2.7:1234: its certificate is revoked", said)

    def test_new_connections(self) -> None:
        """The lists in force count for the connections to come, both ways."""
        self.change(self.root.revoke(self.alice), self.below.revoke())
        self.assertEqual(ClientState.LINK_DOWN, self.join(self.alice).state)
        self.change(self.root.revoke(), self.below.revoke())
        self.assertEqual(ClientState.LINK_UP, self.join(self.alice).state)

    def test_expired_list_and_live_sessions(self) -> None:
        """A list that expires keeps new clients out; who is there stays."""
        self.join(self.alice)
        self.change(self.root.revoke(end=-1 * DAY / 24), self.below.revoke())
        self.assertEqual(["CN=alice"], self.there)
        self.assertEqual(ClientState.LINK_DOWN, self.join(self.carol).state)
