"""The TLS parameters that the server accepts: suites with and without encryption, versions, and changes of settings."""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL, crypto
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.lab.authority import DAY, KeyKind
from iphttps.net.explain import sentence
from iphttps.net.tls.contexts import NullEncryption, ServerTLS, TLSSettings
from iphttps.pki.certificates import Credentials

from .certificates import Certificates, credentials
from .support import NAME

NULL_SHA256 = b"NULL-SHA256:@SECLEVEL=0"
BOTH = b"ECDHE-RSA-AES128-GCM-SHA256:NULL-SHA256:NULL-SHA:@SECLEVEL=0"


class SuiteCase(SynchronousTestCase):
    """A client made by hand, and a server."""

    def setUp(self) -> None:
        """Make certificates, one of them with an RSA key."""
        self.certificates = Certificates(Path(self.mktemp()))
        self.rsa = credentials(self.certificates.authority.server(NAME, kind=KeyKind.RSA))

    def context(self, ciphers: bytes = b"ALL:@SECLEVEL=0", highest: int = SSL.TLS1_2_VERSION) -> SSL.Context:
        """Make a client's context with these suites."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_cipher_list(ciphers)
        context.set_max_proto_version(highest)
        return context

    def shake_hands(self, server_tls: ServerTLS, context: SSL.Context, name: bytes = b"") -> SSL.Connection:
        """Shake hands; return the client's side. Raises SSL.Error."""
        client = SSL.Connection(context, None)
        if name:
            client.set_tlsext_host_name(name)
        client.set_connect_state()
        server = server_tls.serverConnectionForTLS(None)  # type: ignore[arg-type]
        server.set_accept_state()
        waiting = [client, server]
        while waiting:
            for one, other in ((client, server), (server, client)):
                with contextlib.suppress(SSL.WantReadError):
                    one.do_handshake()
                    if one in waiting:
                        waiting.remove(one)
                with contextlib.suppress(SSL.WantReadError):
                    other.bio_write(one.bio_read(1 << 16))
        return client


class NullTests(SuiteCase):
    """Suites without encryption, which Windows 8 and later ask for."""

    def agreed(self, choice: NullEncryption, ciphers: bytes, highest: int = SSL.TLS1_2_VERSION) -> str:
        """Return the suite that the server agrees to with a client, or the error."""
        tls = ServerTLS(TLSSettings(self.rsa, null_encryption=choice))
        try:
            return self.shake_hands(tls, self.context(ciphers, highest)).get_cipher_name() or ""
        except SSL.Error as error:
            return str(error.args[0][-1][2])

    def test_off(self) -> None:
        """By default no suite without encryption is agreed to."""
        self.assertIs(NullEncryption.OFF, TLSSettings(self.rsa).null_encryption)
        self.assertEqual("no shared cipher", self.agreed(NullEncryption.OFF, NULL_SHA256))
        self.assertEqual("ECDHE-RSA-AES128-GCM-SHA256", self.agreed(NullEncryption.OFF, BOTH))

    def test_accept(self) -> None:
        """Accepted, one is agreed to with a client that knows no other, and with that alone."""
        self.assertEqual("NULL-SHA256", self.agreed(NullEncryption.ACCEPT, NULL_SHA256))
        self.assertEqual("NULL-SHA", self.agreed(NullEncryption.ACCEPT, b"NULL-SHA:@SECLEVEL=0"))
        self.assertEqual("ECDHE-RSA-AES128-GCM-SHA256", self.agreed(NullEncryption.ACCEPT, BOTH))
        self.assertTrue(self.agreed(NullEncryption.ACCEPT, BOTH, SSL.TLS1_3_VERSION).startswith("TLS_"))

    def test_prefer(self) -> None:
        """Preferred, one is agreed to with every client that offers one, of TLS 1.3 as well; others are encrypted."""
        for highest in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            self.assertEqual("NULL-SHA256", self.agreed(NullEncryption.PREFER, BOTH, highest))
            encrypted = self.agreed(NullEncryption.PREFER, b"ECDHE+AESGCM", highest)
            self.assertEqual("ECDHE-RSA-AES256-GCM-SHA384", encrypted)

    def test_nothing_else(self) -> None:
        """Neither choice lets in a suite that knows no server, or one that is broken."""
        for choice in NullEncryption:
            for suites in (b"aNULL", b"AES128-SHA:AES256-SHA", b"ECDHE-RSA-AES128-SHA256", b"kRSA+AESGCM"):
                self.assertEqual("no shared cipher", self.agreed(choice, suites + b":@SECLEVEL=0"), suites)

    def assert_unfit(self, server: Credentials, sentence: str) -> None:
        """Check that both choices are rejected with a sentence."""
        for choice in (NullEncryption.ACCEPT, NullEncryption.PREFER):
            error = self.assertRaises(ConfigError, ServerTLS, TLSSettings(server, null_encryption=choice))
            self.assertEqual(sentence, str(error))

    def test_needs_rsa(self) -> None:
        """A server's certificate with another kind of key is rejected, for with it no such suite works."""
        self.assert_unfit(
            credentials(self.certificates.server),
            f"--null-encryption needs an RSA certificate, and that of CN={NAME} has another type of key: "
            "have one issued for an RSA key",
        )

    def test_needs_encipherment(self) -> None:
        """An RSA certificate that is for signatures only is rejected, for clients would reject it."""
        usage = x509.KeyUsage(True, *[False] * 8)  # for signatures only
        self.assert_unfit(
            _self_signed(NAME, 2048, usage),
            f"--null-encryption needs an RSA certificate, and that of CN={NAME} lacks the key usage keyEncipherment: "
            "have one issued with it",
        )


class ProtocolTests(SuiteCase):
    """Application protocols (RFC 7301), and the name that a client asks for (RFC 6066)."""

    def agreed(self, *protocols: bytes) -> bytes:
        """Return the protocol agreed on, empty if there is none."""
        context = self.context(highest=SSL.TLS1_3_VERSION)
        if protocols:
            context.set_alpn_protos(list(protocols))
        return self.shake_hands(ServerTLS(TLSSettings(self.rsa)), context).get_alpn_proto_negotiated()

    def test_protocols(self) -> None:
        """HTTP/1.1 is agreed to where it is offered; where only others are, the handshake ends with the reason."""
        self.assertEqual(b"http/1.1", self.agreed(b"h2", b"http/1.1"))
        self.assertEqual(b"http/1.1", self.agreed(b"http/1.1"))
        self.assertEqual(b"", self.agreed())
        for offered in ((b"h2",), (b"h2c", b"http/1.0", b"HTTP/1.1", b"x" * 255)):
            refused = self.assertRaises(SSL.Error, self.agreed, *offered)
            self.assertEqual("the peer does not offer HTTP/1.1 (ALPN)", sentence(Failure(refused)))

    def test_names(self) -> None:
        """A client gets the server's certificate for any server name."""
        for name in (b"", NAME.encode(), b"other.example", b"192.0.2.1", b"\xff\xfe", b"a" * 255):
            client = self.shake_hands(ServerTLS(TLSSettings(self.rsa)), self.context(highest=SSL.TLS1_3_VERSION), name)
            self.assertEqual(self.rsa.chain[0], client.get_peer_certificate(as_cryptography=True), name)


class ResumptionTests(SuiteCase):
    """A session that is taken up again would not be verified again (RFC 9325 section 3.4)."""

    def connect(
        self, tls: ServerTLS, context: ssl.SSLContext, session: ssl.SSLSession | None = None
    ) -> tuple[bool | None, ssl.SSLSession | None]:
        """Connect; return whether the session was taken up, and the one to take up next."""
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(back, there, session=session)
        server = tls.serverConnectionForTLS(None)  # type: ignore[arg-type]
        server.set_accept_state()
        for act in (client.do_handshake, server.do_handshake) * 3 + (lambda: client.read(1),):
            with contextlib.suppress(ssl.SSLWantReadError, SSL.WantReadError):
                act()
            if sent := there.read():
                server.bio_write(sent)
            with contextlib.suppress(SSL.WantReadError):
                back.write(server.bio_read(1 << 16))
        return client.session_reused, client.session

    def test_never(self) -> None:
        """No session is taken up again, by ticket or by number."""
        tls = ServerTLS(TLSSettings(self.rsa))
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.minimum_version = context.maximum_version = version
            reused, session = self.connect(tls, context)
            self.assertIs(False, reused)
            self.assertIs(False, self.connect(tls, context, session)[0])


class ChangeTests(SuiteCase):
    """The settings of new connections can be changed at any time, or stay as they are."""

    def test_change(self) -> None:
        """New connections get the new settings, and who wants to know is told."""
        tls = ServerTLS(TLSSettings(credentials(self.certificates.server)))
        self.shake_hands(tls, self.context())  # from here on the first context is frozen
        told: list[TLSSettings] = []
        tls.changed = lambda: told.append(tls.settings)
        new = TLSSettings(self.rsa, null_encryption=NullEncryption.ACCEPT)
        tls.change(new)
        self.assertEqual("NULL-SHA256", self.shake_hands(tls, self.context(NULL_SHA256)).get_cipher_name())
        self.assertEqual([new], told)

    def test_refused(self) -> None:
        """Settings that cannot be leave everything as it was, and nobody is told."""
        old = TLSSettings(credentials(self.certificates.server))
        tls = ServerTLS(old)
        tls.changed = self.fail
        self.assertRaises(ConfigError, tls.change, replace(old, null_encryption=NullEncryption.PREFER))
        self.assertIs(old, tls.settings)
        self.shake_hands(tls, self.context(b"ECDHE+AESGCM"))

    def test_weak_key(self) -> None:
        """A certificate that TLS itself rejects is named, and the old one stays."""
        old = TLSSettings(self.rsa)
        tls = ServerTLS(old)
        error = self.assertRaises(ConfigError, tls.change, TLSSettings(_self_signed("weak", 1024)))
        self.assertEqual("TLS cannot use the certificate of CN=weak: ee key too small", str(error))
        self.assertIs(old, tls.settings)


def _self_signed(name: str, bits: int, usage: x509.KeyUsage | None = None) -> Credentials:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    subject = x509.Name.from_rfc4514_string(f"CN={name}")
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )
    if usage:
        builder = builder.add_extension(usage, critical=True)
    return Credentials([builder.sign(key, hashes.SHA256())], crypto.PKey.from_cryptography_key(key))
