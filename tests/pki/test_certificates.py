"""Tests for iphttps.pki.certificates and authorities: words, pins and what is left of files."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.lab.authority import Authority, KeyKind
from iphttps.pki import certificates, pem
from iphttps.pki.authorities import SERVER_AUTH, anchored, read_bundle
from iphttps.pki.certificates import (
    Credentials,
    alternative_names,
    distinguished,
    hosts,
    identity,
    load_certificates,
    parse_pin,
    parsed,
    pin,
    read,
)
from iphttps.pki.der import SEQUENCE, encode
from tests.net.odd_certificates import USER_PRINCIPAL_NAME, common_name, issue, user_principal_name


class CertificateCase(SynchronousTestCase):
    """An authority and its directory."""

    def setUp(self) -> None:
        """Make it."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.root = Authority(self.directory)
        self.trusted = load_certificates(self.root.certificate)


class WordTests(CertificateCase):
    """Certificates in sentences."""

    def test_hosts(self) -> None:
        """Five names are shown, and how many more there are; without a name the subject is."""
        shown = issue(self.root, common_name("x"), [x509.DNSName(f"h{number}.example") for number in range(7)]).chain[0]
        self.assertEqual(", ".join([*(f"h{number}.example" for number in range(5)), "2 more"]), hosts(shown))
        nameless = issue(self.root, common_name("x")).chain[0]
        self.assertEqual("no host name, only the subject CN=x", hosts(nameless))

    def test_names(self) -> None:
        """All kinds of names are written; the name of a Windows user only if it is a short string of UTF-8."""
        listed: list[x509.GeneralName] = [
            x509.RFC822Name("a@example"),
            user_principal_name("a@b"),
            x509.OtherName(USER_PRINCIPAL_NAME, b"\x0c\x81\x82" + b"x" * 130),
            x509.OtherName(USER_PRINCIPAL_NAME, b"\x0c\x00"),
            x509.OtherName(USER_PRINCIPAL_NAME, b"\x16\x01a"),
            x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x0c\x01a"),
        ]
        shown = issue(self.root, common_name("x"), listed).chain[0]
        self.assertEqual(("a@example", "a@b"), alternative_names(shown))
        self.assertEqual(("CN=x", alternative_names(shown)), (identity(shown).subject, identity(shown).names))

    def test_distinguished(self) -> None:
        """A distinguished name is read back unchanged."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.EMAIL_ADDRESS, "a@b"), *common_name("x, y")])
        self.assertEqual(name, parsed(distinguished(name)))


class PinTests(CertificateCase):
    """Fingerprints of keys."""

    def test_pin(self) -> None:
        """One is read as it is written; what is none is rejected."""
        found = pin(self.trusted[0])
        self.assertEqual(found, parse_pin(found))
        for text in ("", found[:-4], found.removeprefix("sha256//"), "sha256//!"):
            self.assertIn("is not a key fingerprint", str(self.assertRaises(ConfigError, parse_pin, text)))


class FileTests(CertificateCase):
    """Files, and what they are used for."""

    def test_pipe(self) -> None:
        """A pipe is not read: nobody may be there to write it."""
        path = self.directory / "pipe"
        os.mkfifo(path)
        self.assertEqual(
            f"cannot read {path}: it is not a regular file", str(self.assertRaises(ConfigError, read, path))
        )

    def test_chain(self) -> None:
        """The whole chain is shown."""
        made = self.root.server("vpn.example")
        shown = Credentials.load(made.certificate, made.private_key)
        Credentials([*shown.chain, *self.trusted], shown.key).install(SSL.Context(SSL.TLS_METHOD))

    def test_unknown_key(self) -> None:
        """A key of a kind that is not known is not taken for the certificate's."""
        one, other = self.root.server("vpn.example"), self.root.server("other.example", kind=KeyKind.RSA)

        def unknown(data: bytes) -> None:
            raise UnsupportedAlgorithm("a curve")

        self.patch(certificates, "load_der_public_key", unknown)
        error = self.assertRaises(ConfigError, Credentials.load, one.certificate, other.private_key)
        self.assertIn("is not the key of", str(error))

    def test_anchored(self) -> None:
        """An authority whose own issuer is missing vouches for nobody."""
        lower = load_certificates(self.root.client("lower").certificate)
        now = datetime.now(UTC)
        self.assertEqual([*self.trusted, *lower], anchored([*self.trusted, *lower], now))
        self.assertEqual([], anchored(lower, now))

    def test_no_certificate(self) -> None:
        """A bundle without any is told."""
        path = self.directory / "empty.pem"
        path.touch()
        error = self.assertRaises(ConfigError, read_bundle, path, SERVER_AUTH)
        self.assertEqual(f"{path} holds no certificate in PEM or DER form", str(error))

    def test_odd_trust(self) -> None:
        """In OpenSSL's trust settings only identifiers of usages count (X509_CERT_AUX)."""
        null, wanted = b"\x05\x00", encode(0x06, pem.SERVER_AUTH)
        for listed, expected in (([null], False), ([null, wanted], True)):
            trusted = encode(SEQUENCE, encode(SEQUENCE, listed))
            self.assertIs(expected, pem.is_trusted_for(encode(SEQUENCE, b"") + trusted, pem.SERVER_AUTH))
