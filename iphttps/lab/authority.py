"""A certificate authority for the lab, which issues valid and invalid identities."""

import datetime
import enum
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class KeyKind(enum.Enum):
    """The key types of an identity."""

    ECDSA = "ECDSA P-256"
    RSA = "RSA 2048"


class Usage(enum.Enum):
    """The extended key usage of a certificate."""

    SERVER = ExtendedKeyUsageOID.SERVER_AUTH
    CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    private_key: Path


class Authority:
    """A certificate authority; it writes all files to its directory."""

    def __init__(self, directory: Path, name: str = "Laboratory CA", issuer: "Authority | None" = None) -> None:
        """Create the authority's key and certificate, self-signed unless it has an issuer."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.certificate = directory / "ca.pem"
        self._key = _new_key(KeyKind.ECDSA)
        self._name = _name(name)
        self._issued = 0
        now = _now()
        above = issuer or self
        certificate = (
            _builder(self._name, above._name, self._key, now - DAY, now + 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0 if issuer else None), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above._key.public_key()), critical=False)
            .sign(above._key, hashes.SHA256())
        )
        _write(self.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        # Sent by servers and clients after their own certificate.
        self._shown = self.certificate.read_bytes() if issuer else b""

    @property
    def identity(self) -> Identity:
        """The authority's own certificate and key."""
        path = self.directory / "ca.key"
        _write(path, _private_bytes(self._key), mode=0o600)
        return Identity(self.certificate, path)

    def server(
        self,
        *names: str,
        kind: KeyKind = KeyKind.ECDSA,
        usages: Iterable[Usage] = (Usage.SERVER,),
        expired: bool = False,
    ) -> Identity:
        """Issue a server identity for these names and IP addresses."""
        return self._issue(names[0], names, kind, usages, expired)

    def client(
        self,
        name: str = "client",
        kind: KeyKind = KeyKind.ECDSA,
        usages: Iterable[Usage] = (Usage.CLIENT,),
        expired: bool = False,
        names: Iterable[str] | None = None,
    ) -> Identity:
        """Issue a client identity; `names` replaces its alternative names, which may be mail addresses."""
        return self._issue(name, (name,) if names is None else names, kind, usages, expired)

    def revoke(
        self,
        *identities: Identity,
        begin: datetime.timedelta = -DAY,
        end: datetime.timedelta = 30 * DAY,
        number: int | None = None,
        extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
    ) -> Path:
        """Write a revocation list of exactly these identities and return its path.

        `begin` and `end` are relative to now; `extensions` are pairs of an extension and whether it is critical.
        """
        now = _now()
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now + begin)
            .next_update(now + end)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if number is not None:
            builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        for identity in identities:
            certificate = x509.load_pem_x509_certificate(identity.certificate.read_bytes())
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(now - DAY)
                .build()
            )
        path = self.directory / "crl.pem"
        revocation_list = builder.sign(self._key, hashes.SHA256())
        _write(path.with_suffix(".new"), revocation_list.public_bytes(serialization.Encoding.PEM))
        return path.with_suffix(".new").rename(path)  # atomically

    def _issue(
        self, subject: str, names: Iterable[str], kind: KeyKind, usages: Iterable[Usage], expired: bool
    ) -> Identity:
        key = _new_key(kind)
        now = _now()
        begin, end = (now - 9 * DAY, now - 2 * DAY) if expired else (now - DAY, now + 9 * DAY)
        builder = (
            _builder(_name(subject), self._name, key, begin, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if alternatives := list(map(_alternative_name, names)):
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        if purposes := [usage.value for usage in usages]:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())

        self._issued += 1
        stem = f"{self._issued}-{re.sub('[^A-Za-z0-9.*@-]', '-', subject)[:40]}"
        identity = Identity(self.directory / f"{stem}.pem", self.directory / f"{stem}.key")
        _write(identity.certificate, certificate.public_bytes(serialization.Encoding.PEM) + self._shown)
        _write(identity.private_key, _private_bytes(key), mode=0o600)
        return identity


def _new_key(kind: KeyKind) -> PrivateKey:
    if kind is KeyKind.RSA:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _private_bytes(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: PrivateKey,
    begin: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _key_usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.RFC822Name(name) if "@" in name else x509.DNSName(name)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "wb") as file:
        file.write(content)
