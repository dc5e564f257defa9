"""Tests for iphttps.pki.verification: the judgement itself; handshakes that end by it are in tests.net."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from iphttps.lab.authority import Authority
from iphttps.pki import lenient, verification
from iphttps.pki.certificates import load_certificates, pin
from iphttps.pki.revocation import RevocationLists
from iphttps.pki.verification import (
    CheckedConnection,
    ClientCheck,
    PeerCheck,
    ServerCheck,
    observe,
    weakness,
    wrong_client,
)
from tests.net.odd_certificates import issue

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
NAME = "vpn.example"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def signed(key: Key, *extensions: x509.ExtensionType, subject: str = "x", issuer: str = "y") -> x509.Certificate:
    """Make a certificate of these extensions, which nobody has to believe."""
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)] if each else []) for each in (subject, issuer)]
    builder = x509.CertificateBuilder(names[1], names[0], key.public_key(), 1)
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def dns(*names: str) -> x509.SubjectAlternativeName:
    """Return alternative names."""
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


class CheckCase(SynchronousTestCase):
    """Certificates, and a check that judges them."""

    def setUp(self) -> None:
        """Make a key."""
        self.key = ec.generate_private_key(ec.SECP256R1())

    def judged(self, check: PeerCheck, certificate: x509.Certificate, code: int = 0, depth: int = 0) -> str | None:
        """Have a certificate judged; return what is wrong."""
        good = check.verify(lenient.original(certificate), code, depth, passed=not code)
        self.assertEqual(good, check.failure is None)
        return check.failure


class PeerCheckTests(CheckCase):
    """Common checks of both sides."""

    def test_first_fault_stays(self) -> None:
        """After a fault nothing more is looked at."""
        check = PeerCheck()
        self.assertIn("is revoked", str(self.judged(check, signed(self.key), 23)))
        self.assertIn("is revoked", str(self.judged(check, signed(self.key), 10)))
        self.assertIsNone(check.objection(CheckedConnection(SSL.Context(SSL.TLS_METHOD), check)))
        self.assertIsNone(self.judged(PeerCheck(), signed(self.key)))

    def test_sentences(self) -> None:
        """Each of OpenSSL's results has a sentence of its own, one that is not known by its number."""
        found = {
            code: str(self.judged(PeerCheck(), signed(self.key), code))
            for code in (2, 3, 9, 10, 11, 12, 18, 19, 23, 26, 47, 66, 1000)
        }
        self.assertEqual(len(found), len(set(found.values())))
        self.assertTrue(all("CN=x" in sentence for sentence in found.values()), found)
        self.assertTrue(found[1000].endswith("failed verification with OpenSSL's code 1000 at depth 0"))

    def test_malformed(self) -> None:
        """A certificate that cannot be read is rejected by its place in the chain."""
        check = PeerCheck()
        self.assertFalse(check.verify(b"\x30\0", 0, 1, passed=True))
        self.assertEqual("the certificate at depth 1 of the chain is malformed", check.failure)


class ServerCheckTests(CheckCase):
    """The client's check of the server (4.2.3)."""

    def check(self, name: str = NAME, *pins: str) -> ServerCheck:
        """Return a check for a name."""
        return ServerCheck(name, frozenset(pins), "THE AUTHORITIES ARE WRONG")

    def test_names(self) -> None:
        """The name in the URI must be one of the certificate's, which others that are none do not spoil."""
        right = signed(self.key, dns("a..b", "*", NAME))
        self.assertIsNone(self.judged(self.check(), right))
        self.assertIn("not for other.example", str(self.judged(self.check("other.example"), right)))
        self.assertIn("no host name", str(self.judged(self.check(), signed(self.key))))
        as_name = signed(self.key, dns("192.0.2.1"))
        self.assertIn("not as an IP address", str(self.judged(self.check("192.0.2.1"), as_name)))

    def test_authorities(self) -> None:
        """A chain without a trusted root gives a sentence with the likely faults."""
        for code, words in (
            (19, ". Either THE AUTHORITIES ARE WRONG, or a proxy intercepts TLS"),
            (20, "the server does"),
            (10, "check this host's clock"),
            (23, "is revoked"),
        ):
            self.assertIn(words, str(self.judged(self.check(), signed(self.key), code)))

    def test_key(self) -> None:
        """A key that no pin names is rejected."""
        certificate = signed(self.key, dns(NAME))
        self.assertIsNone(self.judged(self.check(NAME, pin(certificate)), certificate))
        self.assertIn("which no --pin names", str(self.judged(self.check(NAME, "sha256//"), certificate)))

    def test_end(self) -> None:
        """The certificate of the chain that ends first counts, and the sentence says whose it is."""
        check = self.check()
        self.assertEqual((inf, None), (check.until, check.expired(NOW.timestamp())))
        certificate = signed(self.key, dns(NAME))
        for depth in (1, 0):
            self.judged(check, certificate, depth=depth)
        self.assertEqual(certificate.not_valid_after_utc.timestamp(), check.until)
        self.assertIsNone(check.expired(check.until))
        self.assertIn("a certificate of the server's chain expired on", str(check.expired(check.until + 1)))


@dataclass
class Trusted:
    """The checks of clients' certificates."""

    moment: float
    lists: RevocationLists | None = None
    anchors: bool = True

    def now(self) -> float:
        """Return the time of day."""
        return self.moment

    def trusts(self, anchor: x509.Certificate, connection: SSL.Connection) -> bool:
        """Tell whether the authority is trusted."""
        return self.anchors


class ClientCheckTests(SynchronousTestCase):
    """The server's check of a client (3.2.5.1), which goes on during the session."""

    def setUp(self) -> None:
        """Have a client's certificate judged, and its authority's."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.root = Authority(self.directory)
        self.authorities = load_certificates(self.root.certificate)
        self.identity = self.root.client("alice")
        self.certificate = load_certificates(self.identity.certificate)[0]
        self.trust = Trusted(NOW.timestamp())
        self.check = ClientCheck(self.trust)
        for depth, each in ((1, self.authorities[0]), (0, self.certificate)):
            self.assertTrue(self.check.verify(lenient.original(each), 0, depth, passed=True))
        self.connection = CheckedConnection(SSL.Context(SSL.TLS_METHOD), self.check)

    def test_good(self) -> None:
        """Nothing is wrong with it."""
        self.assertIsNone(self.connection.objection())

    def test_expired(self) -> None:
        """It ends when the first of its chain does."""
        self.trust.moment = self.check.until + 1
        self.assertRegex(str(self.connection.objection()), "certificate.* expired on")

    def test_revoked(self) -> None:
        """It is rejected from the moment that it is on its issuer's list."""
        for other, expected in ((self.root.client("bob"), None), (self.identity, "its certificate is revoked")):
            path = self.root.revoke(other)
            self.trust.lists = RevocationLists.load(path, self.authorities, datetime.now(UTC))
            self.assertEqual(expected, self.connection.objection())

    def test_distrusted(self) -> None:
        """So it is when its authority is trusted no more."""
        self.trust.anchors = False
        self.assertIn("is no longer trusted", str(self.connection.objection()))


class RuleTests(CheckCase):
    """Checks that OpenSSL omits."""

    def test_client(self) -> None:
        """A client's certificate has the usage, is no authority's, and names somebody (3.2.5.1)."""
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        for certificate, words in (
            (signed(self.key), "lacks the extended key usage clientAuth"),
            (signed(self.key, usage, x509.BasicConstraints(True, None)), "is a CA certificate"),
            (signed(self.key, usage, subject=""), "neither a subject nor an alternative name"),
        ):
            self.assertIn(words, str(wrong_client(certificate)))
        for extensions in ((), (x509.BasicConstraints(False, None),)):
            self.assertIsNone(wrong_client(signed(self.key, usage, *extensions)))

    def test_weakness(self) -> None:
        """Short keys and broken signatures are rejected; a root's own signature, and keys of fixed length, are not."""
        short = rsa.generate_private_key(65537, 1024)
        self.assertIn("has a key of 1024 bits", str(weakness(signed(short))))
        for key in (self.key, ed25519.Ed25519PrivateKey.generate()):
            self.assertIsNone(weakness(signed(key)))
        root = Authority(Path(self.mktemp()).absolute())
        broken = issue(root, x509.Name([]), digest="sha1").chain[0]
        self.assertIn("is signed with sha1, which is broken", str(weakness(broken)))


class NoteTests(SynchronousTestCase):
    """The TLS events reported to a connection's owner."""

    def test_heard(self) -> None:
        """The end of a message is heard by who listens; a peer that asks for another handshake is remembered."""
        connection = CheckedConnection(SSL.Context(SSL.TLS_METHOD), PeerCheck())
        heard: list[bool] = []
        observe(connection, SSL.SSL_CB_EXIT, 1)
        connection.heard = lambda: heard.append(True)
        observe(connection, SSL.SSL_CB_EXIT, 1)
        observe(connection, SSL.SSL_CB_READ_ALERT, verification._NO_RENEGOTIATION)
        self.assertEqual(([True], False), (heard, connection.renegotiation_refused))
        observe(connection, SSL.SSL_CB_WRITE_ALERT, verification._NO_RENEGOTIATION)
        self.assertTrue(connection.renegotiation_refused)
        self.assertIn("without a suite", connection.suite)
