"""Certificates and keys as OpenSSL and other programs write them into files."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.lab.authority import Authority
from iphttps.net.tls.authorities import load_authorities
from iphttps.net.tls.contexts import ServerTLS, TLSSettings
from iphttps.pki import pem
from iphttps.pki.authorities import CLIENT_AUTH, SERVER_AUTH, read_bundle
from iphttps.pki.certificates import Credentials, load_certificates
from tests.net.support import NAME

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey

PKCS8, TRADITIONAL = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL


def openssl(*words: str | Path, stdin: bytes = b"") -> bytes:
    """Return what the program writes."""
    return subprocess.run(["openssl", *map(str, words)], input=stdin, check=True, capture_output=True).stdout


def short_ec_key() -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """Return a key whose number begins with a zero byte, and its file, which leaves that byte out."""
    while True:
        key = ec.generate_private_key(ec.SECP256R1())
        number = key.private_numbers().private_value
        if number >> 248 == 0:
            break
    body = bytes.fromhex("020101041f") + number.to_bytes(31) + bytes.fromhex("a00a06082a8648ce3d030107")
    return key, pem.written("EC PRIVATE KEY", bytes((0x30, len(body))) + body)


class FileCase(SynchronousTestCase):
    """Files of a server and of its authority."""

    def setUp(self) -> None:
        """Make an authority."""
        self.directory = Path(self.mktemp())
        self.authority = Authority(self.directory)

    def file(self, content: bytes, name: str = "file.pem") -> Path:
        """Write a file."""
        path = self.directory / name
        path.write_bytes(content)
        return path


class KeyTests(FileCase):
    """Private keys."""

    def certificate(self, key: Key) -> Path:
        """Return the file of a certificate that the key has signed itself."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
        now = x509.load_pem_x509_certificate(self.authority.certificate.read_bytes())
        algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256()
        made = (
            x509.CertificateBuilder(name, name, key.public_key(), 7, now.not_valid_before_utc, now.not_valid_after_utc)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
            .sign(key, algorithm)
        )
        return self.file(made.public_bytes(Encoding.PEM), "certificate.pem")

    def take(self, key: Key, content: bytes) -> None:
        """Check that the daemon's TLS takes a key from a file with this content."""
        credentials = Credentials.load(self.certificate(key), self.file(content, "file.key"))
        ServerTLS(TLSSettings(credentials))  # OpenSSL compares them, too

    def test_forms(self) -> None:
        """PKCS#8 and the older forms, in PEM and in DER, of each kind of key that TLS knows."""
        small: list[Key] = [ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)]
        for key in (*small, rsa.generate_private_key(65537, 2048)):
            for encoding in (Encoding.PEM, Encoding.DER):
                for form in (PKCS8, TRADITIONAL):
                    self.take(key, key.private_bytes(encoding, form, NoEncryption()))
        for edwards in (ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate()):
            self.take(edwards, edwards.private_bytes(Encoding.PEM, PKCS8, NoEncryption()))

    def test_parameters(self) -> None:
        """`openssl ecparam -genkey` writes the curve in a block of its own before the key, also in full."""
        for encoding in ("named_curve", "explicit"):
            content = openssl("ecparam", "-name", "prime256v1", "-genkey", "-param_enc", encoding)
            key = serialization.load_pem_private_key(content, None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            if encoding == "named_curve":
                self.take(key, content)
            else:
                # OpenSSL takes such a key only with a certificate whose curve is written in full as well: no traceback.
                Credentials.load(self.certificate(key), self.file(content))

    def test_odd(self) -> None:
        """Irregular files that OpenSSL reads."""
        self.take(*short_ec_key())
        key = ec.generate_private_key(ec.SECP256R1())
        der = key.private_bytes(Encoding.DER, PKCS8, NoEncryption())
        self.take(key, pem.written("EC PRIVATE KEY", der))
        self.take(key, pem.written("PRIVATE KEY", key.private_bytes(Encoding.DER, TRADITIONAL, NoEncryption())))

    def test_surroundings(self) -> None:
        """Text, marks and line ends of all systems, other blocks, and another key first."""
        key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
        good = key.private_bytes(Encoding.PEM, PKCS8, NoEncryption())
        for content in (
            b"Bag Attributes\n    friendlyName: Schl\xfcssel\nKey Attributes: <No Attributes>\n" + good,
            b"\xef\xbb\xbf" + good,
            good.decode().encode("utf-16"),
            good.replace(b"\n", b"\r\n") + b"\x1a",
            good.replace(b"\n", b"\r"),
            good.replace(b"\n", b"\n    "),
            self.authority.certificate.read_bytes() + good,
            good + self.authority.certificate.read_bytes(),
            other.private_bytes(Encoding.PEM, PKCS8, NoEncryption()) + good,
            b"-----BEGIN of what follows\n" + good,
        ):
            self.take(key, content)

    def test_pss(self) -> None:
        """A key that is for RSA-PSS only stays one, as its certificate demands."""
        content = openssl("genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048")
        key = self.file(content, "pss.key")
        request = (
            "req",
            "-new",
            "-x509",
            "-key",
            key,
            "-subj",
            "/CN=x",
            "-days",
            "3",
            "-addext",
            f"subjectAltName=DNS:{NAME}",
        )
        certificate = self.file(openssl(*request), "pss.pem")
        credentials = Credentials.load(certificate, key)
        self.assertEqual(912, credentials.key.type())  # EVP_PKEY_RSA_PSS
        ServerTLS(TLSSettings(credentials))

    def test_refused(self) -> None:
        """An unusable file is rejected in a sentence with the remedy."""
        key = ec.generate_private_key(ec.SECP256R1())
        password = serialization.BestAvailableEncryption(b"secret")
        good = key.private_bytes(Encoding.PEM, PKCS8, NoEncryption())
        der = key.private_bytes(Encoding.DER, PKCS8, NoEncryption())
        p12 = pkcs12.serialize_key_and_certificates(b"x", key, None, None, password)
        for content, words in (
            (key.private_bytes(Encoding.PEM, PKCS8, password), "is encrypted.*openssl pkey -in"),
            (key.private_bytes(Encoding.PEM, TRADITIONAL, password), "is encrypted"),
            (key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), "ssh-keygen -p"),
            (p12, "is a PKCS#12 file: .openssl pkcs12 -in"),
            (good[:-40], "the file may be truncated"),
            (good.replace(b"M", b"?"), "the file may be truncated"),
            (pem.written("PRIVATE KEY", der[:-9]), "the file may be truncated"),
            (pem.written("RSA PRIVATE KEY", b"123"), "the file may be truncated"),
            (key.private_bytes(Encoding.DER, PKCS8, password), "is encrypted.*openssl pkey -in"),
            (der[:-9], "holds no private key"),
            (b"", "holds no private key"),
            (b"\xff\xfe\x00", "holds no private key"),
            (self.authority.certificate.read_bytes(), "holds no private key"),
            (dsa.generate_private_key(1024).private_bytes(Encoding.PEM, PKCS8, NoEncryption()), "is not the key of"),
        ):
            path, certificate = self.file(content, "file.key"), self.certificate(key)
            error = self.assertRaises(ConfigError, Credentials.load, certificate, path)
            self.assertRegex(str(error), words)


class CertificateTests(FileCase):
    """Certificates of our own, and those to be trusted."""

    def setUp(self) -> None:
        """Read the authority."""
        super().setUp()
        self.pem = self.authority.certificate.read_bytes()
        self.good = x509.load_pem_x509_certificate(self.pem)
        self.other = Authority(self.directory / "other", "Other CA").certificate.read_bytes()

    def trusted(self, *words: str) -> bytes:
        """Return the authority's certificate with trust settings."""
        return openssl("x509", "-trustout", *words, stdin=self.pem)

    def test_bundles(self) -> None:
        """The authority is found among whatever else stands there."""
        der = self.good.public_bytes(Encoding.DER)
        key = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PKCS8, NoEncryption())
        for content in (
            self.pem,
            der,
            b"# Gesch\xfctzt\n\nLaboratory CA\n=====\n[p11-kit-object-v1]\n"
            + self.pem.replace(b"\n", b"\r\n")
            + b"\x1a",
            openssl("x509", "-text", stdin=self.pem),
            b"\xef\xbb\xbf" + self.pem,
            self.pem.decode().encode("utf-16"),
            self.trusted(),
            self.trusted("-setalias", "Ours"),
            self.trusted("-addtrust", "serverAuth"),
            self.trusted("-addtrust", "anyExtendedKeyUsage"),
            self.trusted("-addreject", "emailProtection", "-addtrust", "serverAuth"),
            pem.written("X509 CERTIFICATE", der),
            key + self.pem,
            self.pem + self.pem,
            der + b"\n",
            der + b"\0" * 512,
        ):
            self.assertEqual([self.good], load_authorities(self.file(content), SERVER_AUTH))

    def test_containers(self) -> None:
        """A file in PKCS#7 or PKCS#12 is named as such, with the command that takes the certificates out."""
        source = self.file(self.pem, "source.pem")
        parts = "crl2pkcs7", "-nocrl", "-certfile", source
        p12 = pkcs12.serialize_key_and_certificates(b"x", None, self.good, None, NoEncryption())
        for content, words in (
            (openssl(*parts), "is a PKCS#7 file: .openssl pkcs7 -in .* -print_certs"),
            (openssl(*parts, "-outform", "DER"), "is a PKCS#7 file: .openssl pkcs7 -inform DER -in"),
            (p12, "is a PKCS#12 file: .openssl pkcs12 -in"),
        ):
            path = self.file(content)
            self.assertRegex(str(self.assertRaises(ConfigError, load_certificates, path)), words)
            self.assertRegex(str(self.assertRaises(ConfigError, load_authorities, path, SERVER_AUTH)), words)

    def test_trust_settings(self) -> None:
        """A certificate that its own settings do not trust for a use is not trusted for that use."""
        for words in (("-addtrust", "clientAuth"), ("-addreject", "serverAuth"), ("-addreject", "anyExtendedKeyUsage")):
            path = self.file(self.trusted(*words) + self.other)
            self.assertNotIn(self.good, load_authorities(path, SERVER_AUTH))
            alone = self.file(self.trusted(*words))
            error = self.assertRaises(ConfigError, load_authorities, alone, SERVER_AUTH)
            self.assertIn("trust settings (TRUSTED CERTIFICATE)", str(error))
        self.assertEqual([self.good], load_authorities(self.file(self.trusted("-addtrust", "clientAuth")), CLIENT_AUTH))

    def damaged(self) -> list[bytes]:
        """Return certificates that nobody can read, each in a way of its own."""
        der = self.good.public_bytes(Encoding.DER)
        return [
            pem.written("CERTIFICATE", der[:-20]),
            pem.written("CERTIFICATE", b"\x30\x03\x02\x01\x01"),
            pem.written("CERTIFICATE", b""),
            pem.written("TRUSTED CERTIFICATE", der[:30]),
            pem.written("TRUSTED CERTIFICATE", der + b"\x30\x20"),
            pem.written("TRUSTED CERTIFICATE", b""),
            pem.written("CERTIFICATE", der).replace(b"MII", b"M?I"),
            pem.written("CERTIFICATE", der.replace(b"Laboratory", b"Labor\xe4tory")),  # not UTF-8
            b"-----BEGIN CERTIFICATE-----\nMIIB\n",  # cut off
        ]

    def test_one_bad(self) -> None:
        """One certificate that cannot be read does not keep the others from being trusted; it is named."""
        for bad in self.damaged():
            for content, number in ((bad + self.pem, 1), (self.pem + bad, 2)):
                bundle = read_bundle(self.file(content), SERVER_AUTH)
                self.assertEqual([self.good], bundle.certificates)
                (problem,) = bundle.problems
                self.assertIn(f"certificate {number} of 2 in ", problem)

    def test_none_good(self) -> None:
        """If none is left, that is rejected in a sentence."""
        for bad in self.damaged():
            for content in (bad, bad + bad):
                error = self.assertRaises(ConfigError, load_authorities, self.file(content), SERVER_AUTH)
                self.assertRegex(str(error), "that cannot be read|none of which can be read")

    def test_own_chain(self) -> None:
        """Of a chain that is shown to others each must be readable; which is not, is said."""
        server = self.authority.server(NAME)
        own = server.certificate.read_bytes()
        for bad in self.damaged()[:4]:
            path = self.file(own + bad)
            error = self.assertRaises(ConfigError, load_certificates, path)
            self.assertIn("certificate 2 of 2 in", str(error))
        leaf = load_certificates(server.certificate)[0]
        for content in (leaf.public_bytes(Encoding.DER), openssl("x509", "-trustout", stdin=own), own + b"\x1a"):
            self.assertEqual([leaf], Credentials.load(self.file(content), server.private_key).chain)
