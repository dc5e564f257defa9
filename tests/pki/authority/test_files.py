"""Tests for iphttps.pki.authority.files, and for what an authority of another make lacks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from iphttps.core.errors import ConfigError
from iphttps.pki.authority import issuing
from iphttps.pki.authority.files import load_key, may_sign
from iphttps.pki.authority.issuing import KeyKind, as_der, lifetime
from iphttps.pki.authority.store import Authority
from iphttps.pki.certificate_files import Pair, check_same_key
from tests.pki.authority.support import AuthorityCase

NOW = datetime.now(UTC)


def plain(key: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType) -> x509.Certificate:
    """Make a certificate signed by its own key, with just these extensions."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Plain CA")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    builder = builder.not_valid_before(NOW - timedelta(1)).not_valid_after(NOW + timedelta(1))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(key, hashes.SHA256())


class OtherMakeTests(AuthorityCase):
    """An authority made by other means, of its certificate and its key alone."""

    def other(self, *extensions: x509.ExtensionType) -> Authority:
        """Open one."""
        key = ec.generate_private_key(ec.SECP256R1())
        place = Path(self.mktemp()).absolute()
        (place / "certificates").mkdir(parents=True)
        (place / "ca.pem").write_bytes(issuing.pem(plain(key, *extensions)))
        (place / "ca.key").write_bytes(issuing.key_pem(key))
        return Authority.open(place)

    def test_issues(self) -> None:
        """Issued certificates have an Authority Key Identifier even if the authority has no key identifier."""
        authority = self.other(x509.BasicConstraints(True, None))
        issued = x509.load_pem_x509_certificate(authority.issue_client("alice", key=KeyKind.ECDSA).certificate_pem)
        expected = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.issuer.key.public_key())
        self.assertEqual(expected, issued.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value)
        self.assertEqual(authority.certificate_pem, (authority.directory / "ca.pem").read_bytes())

    def test_no_authority(self) -> None:
        """A certificate that does not say that it is an authority's is none."""
        error = self.assertRaises(ConfigError, self.other)
        self.assertIn("is not a CA certificate", str(error))
        self.assertFalse(may_sign(plain(ec.generate_private_key(ec.SECP256R1()))))

    def test_unreadable(self) -> None:
        """A place that cannot be looked at is told with the reason, and who may."""
        place = self.directory / "file"
        place.touch()
        error = self.assertRaises(ConfigError, Authority.open, place)
        self.assertEqual(f"cannot read {place}/ca.pem: Not a directory", str(error))

        def refused(path: Path, **options: bool) -> None:
            raise PermissionError(13, "Permission denied")

        self.patch(Path, "stat", refused)
        error = self.assertRaises(ConfigError, Authority.open, place)
        self.assertIn("only root", str(error))


class FileTests(AuthorityCase):
    """Keys, certificates and lists."""

    def test_key_kinds(self) -> None:
        """A key of another kind than RSA or ECDSA is rejected."""
        path = self.directory / "x.key"
        key = ed25519.Ed25519PrivateKey.generate()
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        error = self.assertRaises(ConfigError, load_key, path)
        self.assertEqual(f"the key in {path} is neither RSA nor ECDSA", str(error))

    def test_lifetime(self) -> None:
        """A certificate is valid for a day at least, and a century at most."""
        for days in (0, -1, 36501):
            self.assertRaises(ConfigError, lifetime, days, NOW)

    def test_list_as_der(self) -> None:
        """Distribution points offer a list in DER (RFC 5280 section 4.2.1.13)."""
        shown = self.authority.list_path.read_bytes()
        self.assertEqual(x509.load_pem_x509_crl(shown), x509.load_der_x509_crl(as_der(shown)))

    def test_another_key(self) -> None:
        """A certificate of another key is not overwritten, one of the same key may be."""
        pair = Pair.of(self.directory, "alice")
        pair.complete(KeyKind.ECDSA, lambda key: self.authority.sign_client("alice", key))
        check_same_key(pair.certificate, load_key(pair.key).public_key())
        check_same_key(self.directory / "none.pem", self.authority.issuer.key.public_key())
        error = self.assertRaises(ConfigError, check_same_key, pair.certificate, self.authority.issuer.key.public_key())
        self.assertIn("holds a certificate for another key", str(error))
