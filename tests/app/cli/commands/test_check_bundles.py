"""`iphttps check` agrees with the daemons about bundles and chains that hold more than what is needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from iphttps.app.check.findings import Severity
from iphttps.pki.certificates import load_certificates

from ....net.test_certificate_kinds import usage
from ...machine import MachineCase


class BundleTests(MachineCase):
    """A file that the daemon can use is no error, whatever else it contains."""

    def warnings(self, role: str) -> list[str]:
        """Return what is found that is a warning."""
        return self.found(role, Severity.WARNING)

    def bundle(self, *certificates: x509.Certificate) -> None:
        """Have the client trust these."""
        path = self.places.configuration / "bundle.pem"
        path.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
        self.machine.configure(None, {"ca": "/etc/iphttps/bundle.pem", "crl": ""})

    def test_bundle(self) -> None:
        """One authority that can be used is enough; what is wrong with the others is a warning."""
        good = load_certificates(self.machine.authority.certificate)[0]
        expired, between, leaf = odd_authorities(good)
        for others, words in (
            ([expired], "expired on"),
            ([between], "but not the chain from its issuer CN=Root"),
            ([leaf], "which is not an authority: use the authority that issued it"),
        ):
            self.bundle(good, *others)
            self.assertEqual([], self.found("client"))
            self.assertTrue(any(words in one for one in self.warnings("client")), words)
            self.bundle(*others)
            self.assertIn(words, self.only("client"))

    def test_unreadable(self) -> None:
        """A certificate of a bundle that nobody can read is a warning, and the daemon starts."""
        path = self.places.configuration / "bundle.pem"
        good = self.machine.authority.certificate.read_bytes()
        path.write_bytes(good + good.replace(b"MII", b"M?I"))
        self.machine.configure(None, {"ca": "/etc/iphttps/bundle.pem", "crl": ""})
        self.assertEqual([], self.found("client"))
        self.assertTrue(any("certificate 2 of 2 in" in one for one in self.warnings("client")))

    def test_own_certificate_as_authority(self) -> None:
        """A server that has signed its own certificate is trusted by it, authority or not; that is said."""
        for basic in (x509.BasicConstraints(ca=False, path_length=None), None):
            self.bundle(self_signed(basic))
            self.assertEqual([], self.found("client"))
            self.assertTrue(any("only the peer that holds this certificate" in one for one in self.warnings("client")))

    def test_key_usage(self) -> None:
        """A key usage with which every client rejects the server is an error, any other is not."""
        for which, refused in ((("crl_sign",), True), (("key_agreement",), False), (("digital_signature",), False)):
            key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=vpn.example.org")
            begin, now = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC)
            made = (
                x509.CertificateBuilder()
                .subject_name(name)
                .issuer_name(name)
                .public_key(key.public_key())
                .serial_number(9)
                .not_valid_before(begin)
                .not_valid_after(now + timedelta(days=30))
                .add_extension(usage(*which), critical=True)
                .add_extension(x509.SubjectAlternativeName([x509.DNSName("vpn.example.org")]), critical=False)
                .sign(key, hashes.SHA256())
            )
            self.places.server_certificate("main").write_bytes(made.public_bytes(Encoding.PEM))
            self.places.server_key("main").write_bytes(
                key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            )
            self.assertEqual(refused, any("TLS cannot use" in one for one in self.found("server")), which)

    def test_long_chain(self) -> None:
        """An expired or misplaced certificate above the issuer is a warning, below it an error."""
        server = self.places.server_certificate("main")
        own, good = server.read_bytes(), load_certificates(self.machine.authority.certificate)[0]
        expired, between, _ = odd_authorities(good)
        for others in ([good, expired], [expired, good], [between, good]):
            server.write_bytes(own + b"".join(each.public_bytes(Encoding.PEM) for each in others))
            self.assertEqual([], self.found("server"), others)
            self.assertTrue(self.warnings("server"))
        server.write_bytes(own + expired.public_bytes(Encoding.PEM))
        self.assertIn("expired on", self.only("server"))


def self_signed(basic: x509.BasicConstraints | None) -> x509.Certificate:
    """Return a server's certificate that no authority has issued."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=vpn.example.org")
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 5, now - timedelta(days=1), now + timedelta(days=20)
    )
    if basic:
        builder = builder.add_extension(basic, critical=True)
    return builder.sign(key, hashes.SHA256())


def odd_authorities(good: x509.Certificate) -> list[x509.Certificate]:
    """Return one of the same name and key that has expired, one whose issuer is elsewhere, and one that is none."""
    root, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    made = []
    for subject, key, end, ca in (
        (good.subject, good.public_key(), -1, True),
        (x509.Name.from_rfc4514_string("CN=Between"), root.public_key(), 30, True),
        (x509.Name.from_rfc4514_string("CN=Leaf"), root.public_key(), 30, False),
    ):
        assert isinstance(key, ec.EllipticCurvePublicKey)
        name = subject if end < 0 else x509.Name.from_rfc4514_string("CN=Root")
        begin, until = now - timedelta(days=90), now + timedelta(days=end)
        builder = x509.CertificateBuilder(name, subject, key, 5, begin, until)
        basic = x509.BasicConstraints(ca=ca, path_length=None)
        made.append(builder.add_extension(basic, critical=True).sign(root, hashes.SHA256()))
    return made
