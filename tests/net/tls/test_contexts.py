"""TLS: who is let in, who is not, and the sentence for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from OpenSSL import SSL
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.client import ClientEvent, ClientState
from iphttps.lab.authority import Identity, KeyKind, Usage
from iphttps.net.tls import contexts as tls
from iphttps.net.tls.contexts import ClientTLS, ServerTLS, TLSSettings
from iphttps.pki.certificates import load_certificates

from ..certificates import CLIENT_AUTH, Certificates, credentials
from ..support import NAME, ClientEnd, ServerEnd

SHOW_ONE = "the server requires a client certificate: set certificate and private-key"


REMEDY = ": connect by a name in the certificate, or issue one that includes "


def sentences(events: Iterable[LogEvent]) -> list[str]:
    """Return what client and server said, without who and where it is about."""
    said = [formatEvent(event) for event in events if str(event["log_namespace"]).startswith("iphttps")]
    return [text.partition(": ")[2] for text in said if text.startswith(("https://", "rejected", "connection from"))]


class TLSCase(SynchronousTestCase):
    """Client and server that meet once."""

    def setUp(self) -> None:
        """Make an authority and what it issues."""
        self.certificates = Certificates(Path(self.mktemp()))

    def meet(self, server: ServerTLS, client: ClientTLS) -> tuple[ClientState, list[str]]:
        """Let them meet; return the client's state after it, and the sentences given, the server's and the client's."""
        clock = MemoryReactorClock()
        server_end, client_end = ServerEnd(clock, server), ClientEnd(clock, client)
        self.addCleanup(server_end.device.close)
        self.addCleanup(client_end.device.close)
        with capturedLogs() as events:
            client_end.client.handle(ClientEvent.ENABLE)
            client_end.client.handle(ClientEvent.PRECONDITION)
            client_end.connect(server_end)
        self.assertEqual(len(server_end.table), 1 if client_end.state is ClientState.LINK_UP else 0)
        return client_end.state, sorted(sentences(events))


class ServerCertificateTests(TLSCase):
    """The client checks the server's certificate (4.2.3)."""

    def assert_refused(self, server: Identity, sentence: str, name: str = NAME) -> None:
        """Check that the client does not come in, and says why."""
        state, said = self.meet(
            self.certificates.server_tls(server, ask=False), self.certificates.client_tls(name=name)
        )
        self.assertEqual(state, ClientState.LINK_DOWN)
        self.assertIn(sentence, said)

    def test_good(self) -> None:
        """A certificate of a trusted authority, for the name in the URI, is good, with either kind of key."""
        for kind in KeyKind:
            server = self.certificates.authority.server(NAME, kind=kind)
            tls = ServerTLS(TLSSettings(credentials(server)))
            self.assertEqual(self.meet(tls, self.certificates.client_tls()), (ClientState.LINK_UP, []))

    def test_address(self) -> None:
        """A server named by its address is checked for that address."""
        for address in ("192.0.2.1", "2001:db8::1"):
            tls = self.certificates.server_tls(self.certificates.authority.server(address), ask=False)
            met = self.meet(tls, self.certificates.client_tls(name=address))
            self.assertEqual(met, (ClientState.LINK_UP, []))

    def test_wildcard(self) -> None:
        """A wildcard stands for one label (RFC 6125 section 6.4.3)."""
        server = self.certificates.authority.server("*.example.org")
        tls = self.certificates.server_tls(server, ask=False)
        self.assertEqual(self.meet(tls, self.certificates.client_tls())[0], ClientState.LINK_UP)
        self.assert_refused(
            server,
            f"the certificate is for *.example.org, not for a.b.example.org{REMEDY}a.b.example.org",
            "a.b.example.org",
        )

    def test_wrong_authority(self) -> None:
        """The certificate of an authority that is not trusted is refused, naming the authority."""
        self.assert_refused(
            self.certificates.other_authority().server(NAME),
            f"the certificate of CN={NAME} is issued by CN=Other CA, which is not trusted. Either the authority is "
            "private, the server does not send its intermediate certificate, or a proxy intercepts TLS",
        )

    def test_advice_about_authorities(self) -> None:
        """Whose authority is not trusted is told by which option to give it, or that the one given is wrong."""
        server = self.certificates.self_signed(NAME)
        tls = self.certificates.server_tls(server, ask=False)
        for ca, words in (
            (None, ". Either the authority is private (set --proxy-ca), or"),
            (self.certificates.trusted, ". Either --proxy-ca is the wrong file, or"),
        ):
            met = self.meet(tls, ClientTLS(NAME, ca, None, ca_option="--proxy-ca"))
            self.assertIn(words, str(met))

    def test_wrong_name(self) -> None:
        """A certificate for other names is refused, naming them and the one wanted."""
        self.assert_refused(
            self.certificates.authority.server("www.example.org", "192.0.2.1"),
            f"the certificate is for www.example.org, 192.0.2.1, not for {NAME}{REMEDY}{NAME}",
        )

    def test_wrong_address(self) -> None:
        """A certificate for a name is not one for the address behind it."""
        self.assert_refused(
            self.certificates.server, f"the certificate is for {NAME}, not for 192.0.2.9{REMEDY}192.0.2.9", "192.0.2.9"
        )

    def test_expired(self) -> None:
        """An expired certificate is refused, with its last day."""
        server = self.certificates.authority.server(NAME, expired=True)
        until = load_certificates(server.certificate)[0].not_valid_after_utc
        words = f"the certificate of CN={NAME} expired on {until:%Y-%m-%d %H:%M} UTC"
        self.assert_refused(server, f"{words}: tell its administrator, or check this host's clock")

    def test_self_signed(self) -> None:
        """A certificate signed by itself is refused unless it is trusted."""
        server = self.certificates.self_signed(NAME)
        self.assert_refused(
            server,
            f"the certificate of CN={NAME} is self-signed and not trusted. Either the authority is private, or a "
            "proxy intercepts TLS",
        )
        client = ClientTLS(NAME, load_certificates(server.certificate), None)
        tls = self.certificates.server_tls(server, ask=False)
        self.assertEqual(self.meet(tls, client), (ClientState.LINK_UP, []))

    def test_wrong_use(self) -> None:
        """A certificate meant for clients only does not make a server."""
        self.assert_refused(
            self.certificates.authority.server(NAME, usages=(Usage.CLIENT,)),
            f"the certificate of CN={NAME} is not meant for this use: its extended key usage does not allow it",
        )


class ClientCertificateTests(TLSCase):
    """In mode Certificates the server checks each client's certificate (3.2.1, 3.2.5.1)."""

    def assert_refused(self, client: Identity | None, server_says: str, client_says: str) -> None:
        """Check that the client does not come in, and what each end says about it."""
        met = self.meet(self.certificates.server_tls(), self.certificates.client_tls(client))
        self.assertEqual(met, (ClientState.LINK_DOWN, sorted((server_says, client_says))))

    def test_good(self) -> None:
        """A certificate for clients, issued by the authority, is good, with either kind of key."""
        for kind in KeyKind:
            client = ClientTLS(
                NAME, self.certificates.trusted, credentials(self.certificates.authority.client("bob", kind=kind))
            )
            self.assertEqual(self.meet(self.certificates.server_tls(), client), (ClientState.LINK_UP, []))

    def test_none(self) -> None:
        """A client without a certificate does not come in."""
        self.assert_refused(None, "the client sent no certificate", SHOW_ONE)

    def test_wrong_authority(self) -> None:
        """A certificate of another authority does not do."""
        self.assert_refused(
            self.certificates.other_authority().client("mallory"),
            "the certificate of CN=mallory is issued by CN=Other CA, which is not trusted",
            "the server rejected this client's certificate: it does not trust the authority that issued it",
        )

    def test_expired(self) -> None:
        """An expired certificate does not do."""
        client = self.certificates.authority.client("alice", expired=True)
        until = load_certificates(client.certificate)[0].not_valid_after_utc
        self.assert_refused(
            client,
            f"the certificate of CN=alice expired on {until:%Y-%m-%d %H:%M} UTC",
            "the server rejected this client's certificate: it has expired",
        )

    def test_server_certificate(self) -> None:
        """A certificate meant for servers only does not make a client."""
        client = self.certificates.authority.client("www", usages=(Usage.SERVER,))
        state, said = self.meet(self.certificates.server_tls(), self.certificates.client_tls(client))
        self.assertEqual(state, ClientState.LINK_DOWN)
        self.assertIn(
            "the certificate of CN=www is not meant for this use: its extended key usage does not allow it", said
        )

    def test_no_usage(self) -> None:
        """A certificate that does not say that it is for clients does not do; OpenSSL alone accepts it."""
        client = self.certificates.authority.client("anything", usages=())
        state, said = self.meet(self.certificates.server_tls(), self.certificates.client_tls(client))
        self.assertEqual(state, ClientState.LINK_DOWN)
        self.assertIn("the certificate of CN=anything lacks the extended key usage clientAuth", said)

    def assert_authority_refused(self, root: Identity, sentence: str) -> None:
        """Check that who holds the authority's own key does not come in with its certificate."""
        trusted = load_certificates(root.certificate)
        server = ServerTLS(TLSSettings(credentials(self.certificates.server), trusted))
        state, said = self.meet(server, self.certificates.client_tls(root))
        self.assertEqual(state, ClientState.LINK_DOWN)
        self.assertIn(sentence, said)

    def test_authority_as_client(self) -> None:
        """The authority's own certificate is not a client's, whatever its usage says; OpenSSL alone accepts it."""
        self.assert_authority_refused(
            self.certificates.self_signed("Root", ca=True, usages=(CLIENT_AUTH,)),
            "the certificate of CN=Root is a CA certificate",
        )
        self.assert_authority_refused(
            self.certificates.self_signed("Bare", ca=True),
            "the certificate of CN=Bare lacks the extended key usage clientAuth",
        )

    def test_mode_none(self) -> None:
        """In mode None the server asks for no certificate, and does not look at what a client has (3.2.1)."""
        server = self.certificates.server_tls(ask=False)
        stranger = self.certificates.other_authority().client("mallory")
        for client in (None, self.certificates.client, stranger):
            met = self.meet(server, self.certificates.client_tls(client))
            self.assertEqual(met, (ClientState.LINK_UP, []))


class VersionTests(TLSCase):
    """What of TLS is spoken at all (RFC 9325)."""

    def shake_hands(
        self,
        lowest: int = SSL.TLS1_VERSION,
        highest: int = SSL.TLS1_3_VERSION,
        ciphers: bytes = b"ALL:@SECLEVEL=0",
    ) -> str:
        """Shake hands as a client with these limits; return the version and suite agreed on, or the error."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_cipher_list(ciphers)
        context.set_min_proto_version(lowest)
        context.set_max_proto_version(highest)
        client = SSL.Connection(context, None)
        client.set_connect_state()
        server = self.certificates.server_tls(ask=False).serverConnectionForTLS(None)  # type: ignore[arg-type]
        server.set_accept_state()
        try:
            return _converse(client, server)
        except SSL.Error as error:
            return str(error.args[0][-1][2])

    def test_versions(self) -> None:
        """TLS 1.2 and 1.3 are spoken, nothing older."""
        self.assertTrue(self.shake_hands(lowest=SSL.TLS1_3_VERSION).startswith("TLSv1.3 "))
        self.assertTrue(self.shake_hands(highest=SSL.TLS1_2_VERSION).startswith("TLSv1.2 "))
        self.patch(tls, "CIPHERS", "ALL:@SECLEVEL=0")  # or else OpenSSL refuses them by itself
        for version in (SSL.TLS1_VERSION, SSL.TLS1_1_VERSION):
            self.assertEqual(self.shake_hands(lowest=version, highest=version), "unsupported protocol")

    def test_suites(self) -> None:
        """Suites of TLS 1.2 have ephemeral keys and authenticated encryption, or are refused."""
        for suite in (b"ECDHE-ECDSA-AES128-GCM-SHA256", b"ECDHE-ECDSA-CHACHA20-POLY1305"):
            agreed = self.shake_hands(ciphers=suite, highest=SSL.TLS1_2_VERSION)
            self.assertEqual(agreed, f"TLSv1.2 {suite.decode()}")
        for suite in (b"ECDHE-ECDSA-AES128-SHA256", b"ECDHE-ECDSA-AES256-SHA", b"NULL:@SECLEVEL=0"):
            agreed = self.shake_hands(ciphers=suite, highest=SSL.TLS1_2_VERSION)
            self.assertEqual(agreed, "no shared cipher")


def _converse(client: SSL.Connection, server: SSL.Connection) -> str:
    """Carry the handshake's bytes between the two until both are through."""
    waiting = [client, server]
    while waiting:
        for one, other in ((client, server), (server, client)):
            with contextlib.suppress(SSL.WantReadError):
                one.do_handshake()
                if one in waiting:
                    waiting.remove(one)
            with contextlib.suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(1 << 16))
    return f"{client.get_protocol_version_name()} {client.get_cipher_name()}"
