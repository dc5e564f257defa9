"""Sessions that may not go on: their certificates have ended, or nobody trusts their authority any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from twisted.logger import capturedLogs, formatEvent

from iphttps.core.client import ClientEvent, ClientState
from iphttps.core.failure import Stage
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.lab.authority import DAY, Authority
from iphttps.net.tls.lifetime import INTERVAL, LifetimeWatch
from iphttps.pki.certificates import load_certificates
from iphttps.pki.verification import EXPIRED

from ..certificates import credentials
from ..support import NAME, ClientEnd, ServerEnd
from ..test_revoked import JoinCase


def renewed(issuer: Authority, old: x509.Certificate, end: timedelta) -> x509.Certificate:
    """Return a certificate for the same key that ends so long after the old one has begun."""
    key = serialization.load_pem_private_key(issuer.identity.private_key.read_bytes(), None)
    begin = old.not_valid_before_utc
    builder = x509.CertificateBuilder().subject_name(old.subject).issuer_name(old.issuer).public_key(old.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(begin + end)
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]  # it is one that signs


SERVER_LOGS = ("iphttps.net.iphttps.service.IPHTTPSService", "iphttps.net.listen.listener.Listener")
"""Where the server says who comes, and who is refused."""


class LifetimeTests(JoinCase):
    """The end of a certificate is the end of its session (RFC 5280 section 4.1.2.5)."""

    def setUp(self) -> None:
        """Have the time of day in hand, and a watch."""
        super().setUp()
        (self.leaf,) = load_certificates(self.alice.certificate)
        self.time = self.leaf.not_valid_before_utc.timestamp() + DAY.total_seconds()
        self.tls.now = lambda: self.time
        watch = LifetimeWatch(self.clock, lambda: self.server.listener.end_overdue(self.tls.now()))
        watch.start()
        self.addCleanup(watch.stop)

    def said_at(self, moment: float) -> list[str]:
        """Return what is said when it is so late."""
        self.time = moment
        with capturedLogs() as events:
            self.clock.advance(INTERVAL)
        return [formatEvent(event) for event in events if event["log_namespace"] in SERVER_LOGS]

    def test_leaf(self) -> None:
        """A session goes on till the last second of its certificate, and not longer; others go on."""
        self.join(self.alice)
        self.join(self.carol)
        carols = load_certificates(self.carol.certificate)[0].not_valid_after_utc
        end = self.leaf.not_valid_after_utc
        self.assertEqual([], self.said_at(end.timestamp()))
        said = self.said_at(end.timestamp() + 1)
        self.assertIn(f"disconnected: its certificate expired on {end:%Y-%m-%d %H:%M} UTC; 0 packets", said[0])
        self.assertNotIn("CN=alice", self.there)
        self.said_at(carols.timestamp() + 1)
        self.assertEqual([], self.there)

    def test_chain(self) -> None:
        """The end of any certificate of the chain counts."""
        leaf, old = load_certificates(self.carol.certificate)
        above = renewed(self.root, old, timedelta(days=5))
        pem = (each.public_bytes(serialization.Encoding.PEM) for each in (leaf, above))
        self.carol.certificate.write_bytes(b"".join(pem))
        self.join(self.alice)
        self.join(self.carol)
        self.assertEqual(["CN=alice", "CN=carol"], self.there)
        end = above.not_valid_after_utc
        self.assertEqual([], self.said_at(end.timestamp()))
        (line,) = self.said_at(end.timestamp() + 1)
        self.assertIn(f"a certificate of its chain expired on {end:%Y-%m-%d %H:%M} UTC", line)
        self.assertEqual(["CN=alice"], self.there)

    def test_clock_set(self) -> None:
        """It goes by the time of day, also when that is set forward, and back."""
        self.join(self.alice)
        self.assertEqual([], self.said_at(self.time - 365 * 86400))
        self.assertEqual(1, len(self.said_at(self.time + 2 * 365 * 86400)))

    def test_between_handshake_and_session(self) -> None:
        """Who has expired after the handshake and before the request does not come in."""
        self.time = self.leaf.not_valid_after_utc.timestamp() + 1
        self.assertEqual(ClientState.LINK_DOWN, self.join(self.alice).state)


class ServersEndTests(JoinCase):
    """The end of the server's certificate is the end of the client's session (RFC 5280 section 4.1.2.5)."""

    def setUp(self) -> None:
        """Have the server's certificate, and the client's time of day in hand."""
        super().setUp()
        self.leaf, *_ = load_certificates(self.certificates.server.certificate)
        self.day = self.leaf.not_valid_before_utc.timestamp() + DAY.total_seconds()

    def come(self) -> ClientEnd:
        """Have a client with a session, which is watched."""
        end = self.join(self.alice)
        watch = LifetimeWatch(self.clock, lambda: end.client.end_overdue(self.day))
        watch.start()
        self.addCleanup(watch.stop)
        self.assertEqual(ClientState.LINK_UP, end.state)
        return end

    def at(self, moment: float) -> None:
        """Have it be so late."""
        self.day = moment
        self.clock.advance(INTERVAL)

    def test_leaf(self) -> None:
        """The session goes on till the last second; then it ends, with the reason, and the client connects at once."""
        end = self.come()
        until = self.leaf.not_valid_after_utc
        self.at(until.timestamp())
        self.assertEqual((ClientState.LINK_UP, ["up"]), (end.state, end.link))
        with capturedLogs() as events:
            self.at(until.timestamp() + 1)
        said = [formatEvent(event) for event in events]
        sentence = f"the server's certificate expired on {until:%Y-%m-%d %H:%M} UTC"
        self.assertIn(f"https://{NAME}/IPHTTPS: {sentence}", said)
        self.assertIn(f"has ended: {sentence}; ", str(said))
        self.assertEqual((ClientState.LINK_DOWN, ["up", "down"]), (end.state, end.link))
        self.assertEqual(2, len(end.endpoint.attempts))
        assert end.client.last_failure
        trouble, *_ = end.client.last_failure
        self.assertEqual((Stage.CERTIFICATE, EXPIRED), (trouble.stage, trouble.code))

    def test_renewed(self) -> None:
        """A server that has a new certificate by then has the client back."""
        end = self.come()
        fresh = renewed(self.root, self.leaf, timedelta(days=60))
        self.certificates.server.certificate.write_bytes(fresh.public_bytes(serialization.Encoding.PEM))
        self.tls.change(self.settings(self.root.revoke(), self.below.revoke()))
        self.at(self.leaf.not_valid_after_utc.timestamp() + 1)
        end.connect(self.server)
        self.assertEqual((ClientState.LINK_UP, ["up", "down", "up"]), (end.state, end.link))
        self.at(self.day + 3600)
        self.assertEqual(ClientState.LINK_UP, end.state)
        self.at(fresh.not_valid_after_utc.timestamp() + 1)
        self.assertEqual(ClientState.LINK_DOWN, end.state)

    def test_chain(self) -> None:
        """The end of any certificate of the chain counts, the first of them."""
        above = renewed(self.root, load_certificates(self.below.certificate)[0], timedelta(days=5))
        server = self.below.server(NAME)
        (leaf, _) = load_certificates(server.certificate)
        pem = (each.public_bytes(serialization.Encoding.PEM) for each in (leaf, above))
        server.certificate.write_bytes(b"".join(pem))
        self.tls.change(replace(self.tls.settings, credentials=credentials(server)))
        end = self.come()
        self.at(above.not_valid_after_utc.timestamp())
        self.assertEqual(ClientState.LINK_UP, end.state)
        self.at(self.day + 1)
        assert end.client.last_failure
        self.assertIn("a certificate of the server's chain expired", end.client.last_failure[0].sentence)

    def test_no_session(self) -> None:
        """Without a session, or without TLS, there is nothing to end."""
        client = ClientEnd(self.clock)
        self.addCleanup(client.device.close)
        client.client.end_overdue(self.day)
        client.client.handle(ClientEvent.ENABLE)
        client.client.handle(ClientEvent.PRECONDITION)
        client.client.end_overdue(self.day)
        client.connect(plain := ServerEnd(self.clock, mode=AuthenticationMode.NONE))
        self.addCleanup(plain.device.close)
        client.client.end_overdue(self.day + 365 * 86400)
        self.assertEqual(ClientState.LINK_UP, client.state)


class AuthorityTests(JoinCase):
    """An authority that a reload takes away."""

    def trust(self, *authorities: x509.Certificate) -> list[str]:
        """Trust these only; return what is said."""
        with capturedLogs() as events:
            self.tls.change(replace(self.tls.settings, client_ca=list(authorities), revocation=None))
        return [formatEvent(event) for event in events]

    def setUp(self) -> None:
        """Have a session, and other authorities."""
        super().setUp()
        (self.trusted,) = self.certificates.trusted
        self.other = load_certificates(self.certificates.other_authority().certificate)[0]
        self.join(self.alice)
        self.join(self.carol)

    def test_removed(self) -> None:
        """The sessions of an authority that is trusted no more end, with the reason."""
        said = self.trust(self.other)
        self.assertEqual([], self.there)
        self.assertEqual(2, len(said))
        for line in said:
            self.assertIn("disconnected: its authority CN=Laboratory CA is no longer trusted;", line)

    def test_more(self) -> None:
        """Others beside it end nothing."""
        self.assertEqual([], self.trust(self.other, self.trusted))
        self.assertEqual(2, len(self.there))

    def test_renewed(self) -> None:
        """Its certificate renewed with the same key ends nothing."""
        self.assertEqual([], self.trust(renewed(self.root, self.trusted, timedelta(days=60))))
        self.assertEqual(2, len(self.there))

    def test_same_name(self) -> None:
        """Another authority of the same name does not stand for it."""
        imposter = Authority(self.certificates.directory / "imposter", "Laboratory CA")
        self.trust(*load_certificates(imposter.certificate))
        self.assertEqual([], self.there)

    def test_below(self) -> None:
        """Where only the one below the root is trusted from now on, its clients go on or end as OpenSSL decides."""
        self.trust(*load_certificates(self.below.certificate))
        self.assertNotIn("CN=alice", self.there)

    def test_mode_none(self) -> None:
        """Where nobody is asked any more, no certificate is missed; the change of mode ends sessions by itself."""
        self.tls.change(replace(self.tls.settings, client_ca=None, revocation=None))
        self.assertEqual(2, len(self.there))
