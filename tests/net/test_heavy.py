"""Client certificates that are as much work as their maker could think of (RFC 8446 section 4.4.2)."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from math import lcm, prod

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL, crypto
from twisted.python.failure import Failure

from iphttps.lab.authority import DAY
from iphttps.net.explain import sentence
from iphttps.net.tls.contexts import ClientTLS
from iphttps.pki.certificates import Credentials, load_certificates

from .odd_certificates import common_name, issue
from .support import NAME
from .tls.test_contexts import TLSCase

BEARABLE = 0.5
"""Seconds for which one client may keep the server from all others."""

PUBLIC_EXPONENT = 65537

CLIENT_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


def huge_key() -> rsa.RSAPrivateKey:
    """Make an RSA key of 16384 bits in a moment: of 16 primes instead of two, eight in each of its factors."""
    parts = [rsa.generate_private_key(PUBLIC_EXPONENT, 2048).private_numbers() for _ in range(8)]
    factors = [prod(part.public_numbers.n for part in half) for half in (parts[:4], parts[4:])]
    orders = [lcm(*(prime - 1 for part in half for prime in (part.p, part.q))) for half in (parts[:4], parts[4:])]
    (p, q), (dp, dq) = factors, (pow(PUBLIC_EXPONENT, -1, order) for order in orders)
    public = rsa.RSAPublicNumbers(PUBLIC_EXPONENT, p * q)
    d = pow(PUBLIC_EXPONENT, -1, lcm(*orders))
    numbers = rsa.RSAPrivateNumbers(p, q, d, dp, dq, pow(q, -1, p), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


class HeavyTests(TLSCase):
    """Their cost to the server, whose other clients must wait meanwhile."""

    def show(self, shown: Credentials) -> str:
        """Show a certificate to the server; return what became of it, once it is clear that it took not too long."""
        client = ClientTLS(NAME, self.certificates.trusted, shown).clientConnectionForTLS(None)  # type: ignore[arg-type]
        server = self.certificates.server_tls().serverConnectionForTLS(None)  # type: ignore[arg-type]
        client.set_connect_state()
        server.set_accept_state()
        for _ in range(4):
            with contextlib.suppress(SSL.WantReadError):
                client.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                while True:
                    server.bio_write(client.bio_read(1 << 16))
            begin = time.process_time()
            try:
                server.do_handshake()
                return server.check.failure or f"welcome, {server.check.identity}"
            except SSL.WantReadError:
                pass
            except SSL.Error as error:
                return server.check.failure or sentence(Failure(error))
            finally:
                self.assertLess(time.process_time() - begin, BEARABLE)
            with contextlib.suppress(SSL.WantReadError):
                client.bio_write(server.bio_read(1 << 16))
        raise AssertionError("the handshake does not end")

    def issue(self, *names: x509.GeneralName, key: rsa.RSAPrivateKey | None = None) -> Credentials:
        """Issue a certificate by the authority itself."""
        return issue(self.certificates.authority, common_name("alice"), names, key)

    def issue_below(self, length: int) -> Credentials:
        """Issue a certificate below so many authorities, each issued by the next."""
        root = self.certificates.authority.identity
        issuer = load_certificates(root.certificate)[0].subject
        signer = serialization.load_pem_private_key(root.private_key.read_bytes(), None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        chain: list[x509.Certificate] = []
        for number in range(length, -1, -1):
            key, subject = ec.generate_private_key(ec.SECP256R1()), common_name(f"number {number}")
            extension = x509.BasicConstraints(ca=True, path_length=None) if number else CLIENT_ONLY
            builder = (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(issuer)
                .public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(datetime.now(UTC) - DAY)
                .not_valid_after(datetime.now(UTC) + DAY)
                .add_extension(extension, critical=True)
            )
            chain.insert(0, builder.sign(signer, hashes.SHA256()))
            issuer, signer = subject, key
        return Credentials(chain, crypto.PKey.from_cryptography_key(signer))

    def test_chain(self) -> None:
        """A chain of 50 certificates is verified, or one of 200 rejected, in a moment."""
        self.assertEqual("welcome, CN=number 0", self.show(self.issue_below(50)))
        self.assertIn("failed verification", self.show(self.issue_below(200)))

    def test_key(self) -> None:
        """So is a key of 16384 bits, the longest that OpenSSL takes."""
        self.assertIn("welcome, ", self.show(self.issue(key=huge_key())))

    def test_names(self) -> None:
        """So are some thousand names; ten thousand make it longer than the 100 kB that are taken at all."""
        for count, outcome in ((5_000, "welcome, "), (10_000, "TLS failed: excessive message size")):
            names = [x509.DNSName(f"host{number}.example") for number in range(count)]
            self.assertIn(outcome, self.show(self.issue(*names)))

    def test_length(self) -> None:
        """So is one long name, up to the same length."""
        for length, outcome in ((90_000, "welcome, "), (110_000, "TLS failed: excessive message size")):
            self.assertIn(outcome, self.show(self.issue(x509.RFC822Name("a" * length + "@example.org"))))
