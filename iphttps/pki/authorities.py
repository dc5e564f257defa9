"""Trusted certification authorities, read from a CA bundle as other systems write it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from OpenSSL import crypto

from ..core.errors import ConfigError
from . import pem
from .certificates import certificate_data, parsed_certificate, read
from .lenient import as_openssl

__all__ = ["Bundle", "anchored", "read_bundle"]

SERVER_AUTH, CLIENT_AUTH = pem.SERVER_AUTH, pem.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Bundle:
    """The usable certificates of a CA bundle, and a sentence for each unusable one."""

    certificates: list[x509.Certificate]
    problems: list[str]


def read_bundle(path: Path, usage: bytes) -> Bundle:
    """Read the authorities that a bundle trusts for an extended key usage, an OID in DER such as `CLIENT_AUTH`.

    A certificate that cannot be read is skipped and reported in `Bundle.problems`; duplicates are dropped.

    Raises:
        ConfigError: The file cannot be read or holds no usable certificate.
    """
    content = read(path)
    data = certificate_data(content, usage)
    certificates: list[x509.Certificate] = []
    unreadable: list[int] = []
    for number, each in enumerate(data, 1):
        certificate = parsed_certificate(each)
        if certificate is None:
            unreadable.append(number)
        elif certificate not in certificates:
            certificates.append(certificate)
    problems = [
        f"certificate {number} of {len(data)} in {path} cannot be read and is not trusted: remove or replace it"
        for number in unreadable
    ]
    if certificates:
        return Bundle(certificates, problems)
    if sentence := pem.container(path, content):
        raise ConfigError(sentence)
    if len(data) == 1:
        raise ConfigError(f"{path} holds a certificate that cannot be read: the file may be truncated")
    if data:
        raise ConfigError(f"{path} holds {len(data)} certificates, none of which can be read")
    if certificate_data(content):
        raise ConfigError(f"{path} holds no certificate whose trust settings (TRUSTED CERTIFICATE) allow this usage")
    raise ConfigError(f"{path} holds no certificate in PEM or DER form")


def anchored(authorities: list[x509.Certificate], now: datetime) -> list[x509.Certificate]:
    """Return the authorities whose chain OpenSSL verifies up to a root among them; no peer is accepted by the others.

    `now` is the time of verification.
    """
    store = crypto.X509Store()
    store.set_time(now)
    for each in authorities:
        store.add_cert(as_openssl(each))
    return [each for each in authorities if _is_accepted(store, each)]


def _is_accepted(store: crypto.X509Store, certificate: x509.Certificate) -> bool:
    try:
        crypto.X509StoreContext(store, as_openssl(certificate)).verify_certificate()
    except crypto.X509StoreContextError:
        return False
    return True
