"""Client certificates of a trusted authority with something odd about them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from OpenSSL import crypto

from iphttps.lab.authority import DAY, Authority, Identity
from iphttps.pki.certificates import Credentials, load_certificates
from iphttps.pki.der import encode
from iphttps.pki.lenient import as_openssl, certificate_with_original

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
    key: rsa.RSAPrivateKey | dsa.DSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    digest: str = "sha256",
    unreadable: bytes | None = None,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
    extensions: Iterable[x509.ExtensionType] = (),
) -> Credentials:
    """Have the authority issue a client's certificate; `unreadable` stands where alternative names should.

    `extensions` are more of them, none critical.
    """
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
    for more in extensions:
        builder = builder.add_extension(more, critical=False)
    certificate = builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]  # it is one that signs
    if digest != "sha256":  # cryptography refuses to sign with others
        again = crypto.X509.from_cryptography(certificate)
        again.sign(crypto.PKey.from_cryptography_key(signer), digest)  # type: ignore[arg-type]
        certificate = again.to_cryptography()
    return Credentials([certificate], crypto.PKey.from_cryptography_key(key))


def resigned(authority: Authority, shown: Credentials, old: bytes, new: bytes) -> Credentials:
    """Return the credentials with other bytes in the part of the certificate that is signed, and signed again."""
    signer = serialization.load_pem_private_key(authority.identity.private_key.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    assert len(old) == len(new)
    tbs = shown.chain[0].tbs_certificate_bytes
    assert old in tbs
    tbs = tbs.replace(old, new)
    algorithm = encode(0x30, bytes.fromhex("06082a8648ce3d040302"))  # ecdsa-with-SHA256
    signature = encode(0x03, b"\0" + signer.sign(tbs, ec.ECDSA(hashes.SHA256())))
    found = certificate_with_original(encode(0x30, (tbs, algorithm, signature)))
    return Credentials([found], shown.key)


def save(shown: Credentials, path: Path) -> Identity:
    """Write a certificate, as it was signed, and its key to two files beside this path."""
    identity = Identity(path.with_suffix(".pem"), path.with_suffix(".key"))
    identity.certificate.write_bytes(crypto.dump_certificate(crypto.FILETYPE_PEM, as_openssl(shown.chain[0])))
    identity.private_key.write_bytes(crypto.dump_privatekey(crypto.FILETYPE_PEM, shown.key))
    return identity


UNPRINTABLE = {
    "ESC": b"\x13\x06a\x1bcdef",
    "NUL": b"\x13\x06a\x00cdef",
    "LF": b"\x13\x06a\ncdef",
    "an at sign": b"\x13\x06a@cdef",
    "Latin-1 as T61String": b"\x14\x06a\xfccdef",
    "Latin-1 as PrintableString": b"\x13\x06a\xfccdef",
    "Latin-1 as IA5String": b"\x16\x06a\xfccdef",
    "letters as NumericString": b"\x12\x06a\xfccdef",
}
"""Values for the common name "abcdef" that OpenSSL reads, and cryptography does not."""
