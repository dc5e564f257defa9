"""Certificates and keys from files, and what is said of those that cannot serve."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.lab.authority import KeyKind
from iphttps.pki.certificates import Credentials, load_certificates
from tests.net.certificates import Certificates
from tests.net.support import NAME


class CredentialsTests(SynchronousTestCase):
    """A certificate chain and its key."""

    def setUp(self) -> None:
        """Make an authority and what it issues."""
        self.directory = Path(self.mktemp())
        self.certificates = Certificates(self.directory)

    def assert_refused(self, certificate: Path, private_key: Path, sentence: str) -> None:
        """Check that the two are rejected with the sentence."""
        error = self.assertRaises(ConfigError, Credentials.load, certificate, private_key)
        self.assertEqual(str(error), sentence)

    def file(self, content: bytes) -> Path:
        """Write a file."""
        path = self.directory / "file.pem"
        path.write_bytes(content)
        return path

    def test_both_kinds(self) -> None:
        """Certificate and key load together, ECDSA and RSA."""
        for kind in KeyKind:
            identity = self.certificates.authority.server(NAME, kind=kind)
            loaded = Credentials.load(identity.certificate, identity.private_key)
            self.assertEqual(loaded.chain, load_certificates(identity.certificate))

    def test_chain(self) -> None:
        """The certificates between the own one and the root stand behind it in the same file."""
        server, root = self.certificates.server, self.certificates.authority.certificate
        path = self.file(server.certificate.read_bytes() + root.read_bytes())
        loaded = Credentials.load(path, server.private_key)
        self.assertEqual(loaded.chain, [*load_certificates(server.certificate), *self.certificates.trusted])

    def test_mismatch(self) -> None:
        """A key that is not the certificate's is rejected."""
        server, client = self.certificates.server, self.certificates.client
        self.assert_refused(
            server.certificate,
            client.private_key,
            f"{client.private_key} is not the key of {server.certificate}: give the matching private key",
        )

    def test_expired(self) -> None:
        """An expired certificate is rejected, with its last day."""
        server = self.certificates.authority.server(NAME, expired=True)
        until = load_certificates(server.certificate)[0].not_valid_after_utc
        self.assert_refused(
            server.certificate,
            server.private_key,
            f"{server.certificate} expired on {until:%Y-%m-%d %H:%M} UTC: renew it",
        )

    def test_missing(self) -> None:
        """A file that cannot be read is named, with the system's reason."""
        server, nowhere = self.certificates.server, self.directory / "nowhere.pem"
        self.assert_refused(nowhere, server.private_key, f"cannot read {nowhere}: No such file or directory")
        self.assert_refused(server.certificate, nowhere, f"cannot read {nowhere}: No such file or directory")
        self.assert_refused(self.directory, server.private_key, f"cannot read {self.directory}: Is a directory")

    def test_swapped(self) -> None:
        """A key where the certificate belongs, or the other way round, is told from the right one."""
        server = self.certificates.server
        self.assert_refused(
            server.private_key, server.private_key, f"{server.private_key} holds no certificate in PEM or DER form"
        )
        self.assert_refused(
            server.certificate,
            server.certificate,
            f"{server.certificate} holds no private key in PEM or DER form",
        )

    def test_not_pem(self) -> None:
        """An empty file, a binary one and a broken one hold no certificate."""
        broken = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
        unreadable = (
            "the certificate in {} cannot be read: the file may be truncated; replace it with a good copy".format
        )
        for content, sentence in (
            (b"", "{} holds no certificate in PEM or DER form".format),
            (b"\x30\x82\x01\x0a", unreadable),
            (broken, unreadable),
        ):
            path = self.file(content)
            self.assert_refused(path, self.certificates.server.private_key, sentence(path))

    def test_key_with_password(self) -> None:
        """A key behind a password is rejected: nobody is there to type it."""
        server = self.certificates.server
        key = serialization.load_pem_private_key(server.private_key.read_bytes(), None)
        path = self.file(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            )
        )
        self.assert_refused(
            server.certificate,
            path,
            f"{path} is encrypted, and a daemon cannot ask for the password: `openssl pkey -in {path} -out NEW` "
            "decrypts it",
        )

    def test_odd_key(self) -> None:
        """A key of a kind that TLS has no certificate for is rejected like any that does not match."""
        server = self.certificates.server
        path = self.file(_x25519())
        self.assert_refused(
            server.certificate,
            path,
            f"{path} is not the key of {server.certificate}: give the matching private key",
        )


def _x25519() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
