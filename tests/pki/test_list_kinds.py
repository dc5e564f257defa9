"""Lists and authorities of other makes: what they lack, and what stands in their entries (RFC 5280 section 5)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.pki.der import SEQUENCE, encode, only
from iphttps.pki.list_age import ages, is_signed_by
from iphttps.pki.list_scope import list_properties, names_distribution_point
from iphttps.pki.revocation import RevocationLists, may_sign_lists

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Other CA")])
ECDSA_SHA256 = encode(SEQUENCE, bytes.fromhex("06082a8648ce3d040302"))
PLACE = [x509.UniformResourceIdentifier("http://vpn.example/crl")]

Critical = tuple[x509.ExtensionType, bool]


def usage(*, crl_sign: bool) -> x509.KeyUsage:
    """Return a key usage of an authority's."""
    wanted = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment"), False)
    wanted |= dict.fromkeys(("data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(**wanted, key_cert_sign=True, crl_sign=crl_sign)


class ListCase(SynchronousTestCase):
    """An authority whose certificate has no extension but those of the test."""

    def setUp(self) -> None:
        """Make its key, and a file for its list."""
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.path = Path(self.mktemp()).absolute()

    def authority(self, *extensions: x509.ExtensionType, key: object = None) -> x509.Certificate:
        """Make the certificate, perhaps of another key."""
        builder = x509.CertificateBuilder(NAME, NAME, key or self.key.public_key(), 1)  # type: ignore[arg-type]
        builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def list(self, *entries: tuple[int, Iterable[Critical]]) -> x509.CertificateRevocationList:
        """Make a list of these serial numbers and their extensions."""
        builder = x509.CertificateRevocationListBuilder(NAME, NOW - DAY, NOW + DAY)
        for serial, extensions in entries:
            entry = x509.RevokedCertificateBuilder(serial, NOW - DAY)
            for extension, critical in extensions:
                entry = entry.add_extension(extension, critical)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, hashes.SHA256())

    def load(self, shown: x509.CertificateRevocationList, *authorities: x509.Certificate) -> RevocationLists:
        """Load a list from a file."""
        self.path.write_bytes(shown.public_bytes(Encoding.PEM))
        return RevocationLists.load(self.path, authorities, NOW)


class BareTests(ListCase):
    """Lists and authorities without what others have."""

    def test_authority(self) -> None:
        """An authority without key identifier and key usage has lists; one whose usage leaves them out has none."""
        self.assertEqual(1, self.load(self.list((7, ())), self.authority()).count)
        allowed, forbidden = (self.authority(usage(crl_sign=may)) for may in (True, False))
        self.assertEqual([True, False], [may_sign_lists(each) for each in (allowed, forbidden)])
        self.load(self.list(), allowed)
        error = self.assertRaises(ConfigError, self.load, self.list(), forbidden)
        self.assertIn("lacks the key usage cRLSign", str(error))

    def test_endless(self) -> None:
        """A list that does not say when the next one comes never expires."""
        parts = [part.whole for part in only(self.list().tbs_certlist_bytes, SEQUENCE).parts]
        del parts[4]  # version, signature, issuer, this update, next update
        tbs = encode(SEQUENCE, parts)
        signature = encode(0x03, b"\0" + self.key.sign(tbs, ec.ECDSA(hashes.SHA256())))
        endless = x509.load_der_x509_crl(encode(SEQUENCE, (tbs, ECDSA_SHA256, signature)))
        lists = self.load(endless, self.authority())
        self.assertEqual((None, [], []), (lists.next_expiry(NOW), lists.expired(NOW), lists.expiring(NOW)))

    def test_stranger(self) -> None:
        """A list that no known key has signed, and that names none, has an age of its own."""
        other = x25519.X25519PrivateKey.generate().public_key()
        self.assertFalse(is_signed_by(self.list(), self.authority(key=other)))
        known, unknown = (ages([self.list()], authorities) for authorities in ([self.authority()], []))
        self.assertEqual((1, 1), (len(known), len(unknown)))
        self.assertTrue(known.keys().isdisjoint(unknown))


class EntryTests(ListCase):
    """The parts of entries that OpenSSL evaluates."""

    def test_entries(self) -> None:
        """A critical certificateIssuer is understood; bytes that only look like a critical extension are none."""
        issuer = x509.CertificateIssuer([x509.DirectoryName(NAME)])
        reason = x509.CRLReason(x509.ReasonFlags.key_compromise)
        good = self.list((1, ()), (0x0101FF, ()), (2, [(issuer, True), (reason, False)]), (3, [(reason, False)]))
        self.assertIsNone(list_properties(good).unsupported)
        bad = self.list((1, ()), (2, [(reason, True)]))
        self.assertEqual("an entry with a critical extension", list_properties(bad).unsupported)

    def test_twice(self) -> None:
        """An extension that counts must not be there twice."""
        builder = x509.CertificateRevocationListBuilder(NAME, NOW - DAY, NOW + DAY)
        tbs = builder.add_extension(x509.CRLNumber(1), False).sign(self.key, hashes.SHA256()).tbs_certlist_bytes
        *parts, extensions = only(tbs, SEQUENCE).parts
        (number,) = only(extensions.content, SEQUENCE).parts
        twice = encode(extensions.tag, encode(SEQUENCE, (number.whole, number.whole)))
        tbs = encode(SEQUENCE, (*(part.whole for part in parts), twice))
        shown = x509.load_der_x509_crl(encode(SEQUENCE, (tbs, ECDSA_SHA256, encode(0x03, b"\0\0"))))
        error = self.assertRaises(ConfigError, self.load, shown, self.authority())
        self.assertIn("an extension appears twice", str(error))

    def test_distribution_point(self) -> None:
        """A certificate says where its list is to be had, or does not."""
        points = x509.CRLDistributionPoints([x509.DistributionPoint(PLACE, None, None, None)])
        found = [names_distribution_point(self.authority(*extensions)) for extensions in ((points,), ())]
        self.assertEqual([True, False], found)
