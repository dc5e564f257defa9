"""Client certificates of a trusted authority with something odd about them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from OpenSSL import crypto

from iphttps.lab.authority import DAY, Authority
from iphttps.net.certificates import Credentials, load_certificates

USER_PRINCIPAL_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


def common_name(text: str) -> x509.Name:
    """Return a subject."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def user_principal_name(text: str) -> x509.GeneralName:
    """Return the name of a Windows user."""
    return x509.OtherName(USER_PRINCIPAL_NAME, bytes((0x0C, len(text.encode()))) + text.encode())


def issue(
    authority: Authority,
    subject: x509.Name,
    names: Iterable[x509.GeneralName] = (),
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    digest: str = "sha256",
    unreadable: bytes | None = None,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
) -> Credentials:
    """Have the authority issue a client's certificate; `unreadable` stands where alternative names should."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    signer = serialization.load_pem_private_key(authority.identity.private_key.read_bytes(), None)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(load_certificates(authority.certificate)[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    if listed := list(names):
        builder = builder.add_extension(x509.SubjectAlternativeName(listed), critical=False)
    if unreadable is not None:
        extension = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, unreadable)
        builder = builder.add_extension(extension, critical=False)
    certificate = builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]  # it is one that signs
    if digest != "sha256":  # cryptography refuses to sign with others
        again = crypto.X509.from_cryptography(certificate)
        again.sign(crypto.PKey.from_cryptography_key(signer), digest)  # type: ignore[arg-type]
        certificate = again.to_cryptography()
    return Credentials([certificate], crypto.PKey.from_cryptography_key(key))
