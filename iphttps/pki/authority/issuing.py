"""The certificates and revocation lists that our authority issues (RFC 5280), without any file access."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from ...core.errors import ConfigError

BACKDATED_BY = timedelta(minutes=5)
"""Backdating of notBefore and thisUpdate, for peers with slow clocks."""

LIST_LIFETIME = timedelta(days=30)
"""Validity of a revocation list."""

SERVERS_LIST_LIFETIME = timedelta(days=400)
"""Validity of the list of a servers-only authority, whose key is used only to issue certificates, at least yearly."""

AUTHORITY_DAYS = 3650
DAYS = 365
MOST_DAYS = 36500

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class KeyKind(Enum):
    """The types of key that can be generated."""

    RSA = "rsa"
    """2048 bits; 3072 for an authority's own key, which lasts ten years. Windows' NULL cipher suites need RSA."""

    ECDSA = "ecdsa"
    """Curve P-256."""


class Kind(Enum):
    """The role of a certificate's owner."""

    SERVER = "server"
    CLIENT = "client"

    @property
    def usage(self) -> x509.ObjectIdentifier:
        """The extended key usage for this role."""
        return ExtendedKeyUsageOID.SERVER_AUTH if self is Kind.SERVER else ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Issuer:
    """The signing authority: its certificate, its key and its CRL distribution points."""

    certificate: x509.Certificate
    key: PrivateKey
    crl_uris: Sequence[str] = ()


def new_key(kind: KeyKind, bits: int = 2048) -> PrivateKey:
    """Generate a private key; `bits` is the size of an RSA key."""
    if kind is KeyKind.RSA:
        return rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: PrivateKey) -> bytes:
    """Return a private key as unencrypted PEM (PKCS#8)."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def pem(signed: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """Return a certificate or a list as PEM."""
    return signed.public_bytes(Encoding.PEM)


def as_der(crl_pem: bytes) -> bytes:
    """Convert a revocation list from PEM to DER, the form that distribution points serve (RFC 5280 4.2.1.13)."""
    return x509.load_pem_x509_crl(crl_pem).public_bytes(Encoding.DER)


def lifetime(days: int, now: datetime) -> tuple[datetime, datetime]:
    """Return notBefore and notAfter of a certificate issued now for a number of days.

    Raises:
        ConfigError: `days` is not in the range 1 to `MOST_DAYS`.
    """
    if not 0 < days <= MOST_DAYS:
        raise ConfigError(f"a certificate can be valid for 1 to {MOST_DAYS} days, not {days}")
    now = now.replace(microsecond=0)
    return now - BACKDATED_BY, now + timedelta(days=days)


def self_signed(
    name: x509.Name,
    key: PrivateKey,
    days: int,
    now: datetime,
    kind: Kind | None = None,
    constraints: x509.NameConstraints | None = None,
) -> x509.Certificate:
    """Issue an authority's own certificate.

    `kind` restricts the certificates that it can issue to one role, `constraints` to certain names: OpenSSL and Windows
    enforce both for the whole chain.

    Raises:
        ConfigError: `days` is not in the range 1 to `MOST_DAYS`.
    """
    begin, end = lifetime(days, now)
    usage = _key_usage(key_cert_sign=True, crl_sign=True)
    builder = (
        _builder(name, name, key.public_key(), begin, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    if kind:
        builder = builder.add_extension(x509.ExtendedKeyUsage([kind.usage]), critical=False)
    if constraints:
        builder = builder.add_extension(constraints, critical=True)  # RFC 5280 section 4.2.1.10
    return builder.sign(key, hashes.SHA256())


def issues(issuer: Issuer, kind: Kind) -> bool:
    """Tell whether the authority can issue certificates for a role."""
    try:
        return kind.usage in issuer.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True  # unrestricted


def check_kind(issuer: Issuer, kind: Kind) -> None:
    """Check that the authority can issue certificates for a role.

    Raises:
        ConfigError: The authority is restricted to the other role.
    """
    if not issues(issuer, kind):
        others = "clients" if kind is Kind.SERVER else "servers"
        raise ConfigError(
            f"the authority issues certificates for {others} only: select the one for {kind.value}s with --authority"
        )


def certificate(
    issuer: Issuer,
    kind: Kind,
    subject: x509.Name,
    names: Sequence[x509.GeneralName],
    key: PublicKey,
    days: int,
    now: datetime,
) -> x509.Certificate:
    """Issue a certificate. Its validity is limited to that of the authority's own.

    Raises:
        ConfigError: The authority is not valid at `now`, or `days` is out of range.
    """
    begin, end = lifetime(days, now)
    check_in_force(issuer, now)
    begin, end = max(begin, issuer.certificate.not_valid_before_utc), min(end, issuer.certificate.not_valid_after_utc)
    # RFC 5246 section 7.4.2: RSA key exchange encrypts to the server's key.
    encipherment = kind is Kind.SERVER and isinstance(key, rsa.RSAPublicKey)
    builder = (
        _builder(subject, issuer.certificate.subject, key, begin, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True, key_encipherment=encipherment), critical=True)
        .add_extension(x509.ExtendedKeyUsage([kind.usage]), critical=False)
        # RFC 5280 section 4.2.1.6: critical if the subject is empty.
        .add_extension(x509.SubjectAlternativeName(names), critical=not list(subject))
        .add_extension(_authority_identifier(issuer), critical=False)
    )
    if issuer.crl_uris:
        places = [x509.UniformResourceIdentifier(uri) for uri in issuer.crl_uris]
        points = [x509.DistributionPoint(places, None, None, None)]
        builder = builder.add_extension(x509.CRLDistributionPoints(points), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def revocation_list(
    issuer: Issuer, revoked: Iterable[tuple[int, datetime]], number: int, now: datetime
) -> x509.CertificateRevocationList:
    """Issue revocation list `number` of these serial numbers and revocation times.

    Raises:
        ConfigError: The authority is not valid at `now`.
    """
    check_in_force(issuer, now)
    now = now.replace(microsecond=0)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now - BACKDATED_BY)
        .next_update(now + (LIST_LIFETIME if issues(issuer, Kind.CLIENT) else SERVERS_LIST_LIFETIME))
        .add_extension(_authority_identifier(issuer), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for serial, when in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(min(when, now))
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256())


def check_in_force(issuer: Issuer, now: datetime) -> None:
    """Check that the authority's own certificate is valid: no peer would accept what it signs otherwise.

    Raises:
        ConfigError: The certificate is not yet valid or has expired.
    """
    begin, end = issuer.certificate.not_valid_before_utc, issuer.certificate.not_valid_after_utc
    if now < begin:
        raise ConfigError(f"the authority is valid only from {begin:%Y-%m-%d %H:%M} UTC: check the clock")
    if now >= end:
        raise ConfigError(f"the authority expired on {end:%Y-%m-%d %H:%M} UTC: create a new one, or check the clock")


def kind_of(certificate: x509.Certificate) -> Kind:
    """Return the role that a certificate of our authority is for."""
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return Kind.SERVER if Kind.SERVER.usage in usages else Kind.CLIENT


def _authority_identifier(issuer: Issuer) -> x509.AuthorityKeyIdentifier:
    try:
        own = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PublicKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())  # 159 bits
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_encipherment=key_encipherment,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
