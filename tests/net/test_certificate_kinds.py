"""Certificates of the kinds that authorities issue to servers: the client takes each as OpenSSL does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

from iphttps.net.tls.contexts import ClientTLS, ServerTLS, TLSSettings
from iphttps.pki.certificates import Credentials

from .iphttps.test_server_checks import ServerCheckCase
from .support import NAME

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
DAY = timedelta(days=1)


def usage(*which: str) -> x509.KeyUsage:
    """Return a key usage of just these."""
    every = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign "
        "encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: name in which for name in every.split()})


class KindTests(ServerCheckCase):
    """A server with a certificate that it has signed itself, or that an authority has, meets a client."""

    def make(
        self,
        key: Key,
        names: Sequence[x509.GeneralName],
        *,
        subject: str = "CN=gateway",
        end: datetime | None = None,
        extensions: list[tuple[x509.ExtensionType, bool]] | None = None,
    ) -> ServerTLS:
        """Return the TLS of a server with such a certificate, and trust its authority."""
        issuer, above = x509.Name.from_rfc4514_string("CN=Root"), ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        root = (
            x509.CertificateBuilder(issuer, issuer, above.public_key(), 1, now - DAY, now + DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(above, hashes.SHA256())
        )
        name = x509.Name.from_rfc4514_string(subject)
        builder = x509.CertificateBuilder(issuer, name, key.public_key(), 2, now - DAY, end or now + DAY)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not subject)
        for extension, critical in extensions or []:
            builder = builder.add_extension(extension, critical)
        self.root = root
        self.chain = [builder.sign(above, hashes.SHA256())]
        return ServerTLS(TLSSettings(Credentials(self.chain, crypto.PKey.from_cryptography_key(key))))

    def taken(self, server: ServerTLS, name: str = NAME) -> str | None:
        """Return why a client that calls the server so does not take it."""
        trouble = self.meet(ClientTLS(name, [self.root], None), server)
        return trouble.sentence if trouble else None

    def test_keys(self) -> None:
        """Each kind of key that TLS 1.3 has signatures for."""
        keys: list[Key] = [ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)]
        for key in (*keys, rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()):
            self.assertIsNone(self.taken(self.make(key, [x509.DNSName(NAME)])))

    def test_names(self) -> None:
        """Wildcards, addresses, an empty subject, many names: what RFC 9525 has match, and no common name."""
        key = ec.generate_private_key(ec.SECP256R1())
        four, six = x509.IPAddress(ip_address("192.0.2.9")), x509.IPAddress(ip_address("2001:db8::9"))
        many: list[x509.GeneralName] = [x509.DNSName(f"h{number}.example.org") for number in range(100)]
        cases: list[tuple[Sequence[x509.GeneralName], str, bool]] = [
            ([x509.DNSName("*.example.org")], NAME, True),
            ([x509.DNSName("*.example.org")], "a.vpn.example.org", False),
            ([x509.DNSName("*.org")], "example.org", False),
            ([x509.DNSName(NAME.upper())], NAME, True),
            ([four, six], "192.0.2.9", True),
            ([four, six], "2001:db8::9", True),
            ([x509.DNSName("192.0.2.9")], "192.0.2.9", False),
            ([x509.DNSName("xn--bcher-kva.example")], "xn--bcher-kva.example", True),
            ([*many, x509.DNSName(NAME)], NAME, True),
            ([], "gateway", False),
        ]
        for names, asked, right in cases:
            self.assertEqual(right, self.taken(self.make(key, names), asked) is None, (names, asked))
        self.assertIsNone(self.taken(self.make(key, [x509.DNSName(NAME)], subject="")))

    def test_extensions(self) -> None:
        """Usages of all sorts, Windows' own extensions, a certificate without end."""
        key = ec.generate_private_key(ec.SECP256R1())
        template = x509.ObjectIdentifier("1.3.6.1.4.1.311.21.8.1.2.3")
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        for extension, critical, right in (
            (x509.ExtendedKeyUsage(both), True, True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False, False),
            (usage("digital_signature"), True, True),
            (usage("digital_signature", "key_agreement"), True, True),
            (usage("crl_sign"), True, False),
            (usage("key_agreement"), True, True),
            (usage("content_commitment"), True, False),
            (x509.MSCertificateTemplate(template, 100, 5), False, True),
            (x509.TLSFeature([x509.TLSFeatureType.status_request]), False, True),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False, True),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True, False),
        ):
            server = self.make(key, [x509.DNSName(NAME)], extensions=[(extension, critical)])
            self.assertEqual(right, self.taken(server) is None, extension)
        forever = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
        self.assertIsNone(self.taken(self.make(key, [x509.DNSName(NAME)], end=forever)))
