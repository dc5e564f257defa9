"""Certificates for the tests of TLS: one authority, and what it does not issue."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto

from iphttps.lab.authority import Authority, Identity
from iphttps.net.tls.contexts import ClientTLS, ServerTLS, TLSSettings
from iphttps.pki.certificates import Credentials, load_certificates

from .support import NAME


def credentials(identity: Identity) -> Credentials:
    """Load an identity."""
    return Credentials.load(identity.certificate, identity.private_key)


def unchecked(identity: Identity) -> Credentials:
    """Load an identity that the daemons would not take, such as an expired one."""
    key = serialization.load_pem_private_key(identity.private_key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Credentials(load_certificates(identity.certificate), crypto.PKey.from_cryptography_key(key))


class Certificates:
    """An authority with a server's and a client's identity."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        self.trusted = load_certificates(self.authority.certificate)
        self.server = self.authority.server(NAME)
        self.client = self.authority.client("alice")

    def server_tls(self, server: Identity | None = None, *, ask: bool = True) -> ServerTLS:
        """Return the server's TLS, in mode Certificates unless it is not to ask for one."""
        return ServerTLS(TLSSettings(unchecked(server or self.server), self.trusted if ask else None))

    def client_tls(self, client: Identity | None = None, *, name: str = NAME) -> ClientTLS:
        """Return the TLS of a client that trusts the authority; without an identity it shows none."""
        return ClientTLS(name, self.trusted, unchecked(client) if client else None)

    def other_authority(self) -> Authority:
        """Make an authority of the same kind that nobody trusts."""
        return Authority(self.directory / "other", "Other CA")

    def self_signed(
        self,
        name: str,
        *,
        ca: bool = False,
        usages: Iterable[x509.ObjectIdentifier] = (),
        expires: timedelta | None = None,
    ) -> Identity:
        """Make a certificate signed by its own key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + (expires or timedelta(days=1)))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        )
        if purposes := list(usages):
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        identity = Identity(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        identity.certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        identity.private_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return identity


CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
