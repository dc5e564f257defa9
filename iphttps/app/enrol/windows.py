"""The enrolment folder for Windows: certificate and key, authority, and two scripts.

The client's name and the server's URI are inserted into the scripts as quoted string constants; file names are fixed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from enum import Enum
from importlib.resources import files as resources
from pathlib import Path
from secrets import token_hex

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from ...core.errors import ConfigError
from ...pki import atomic_files
from ...pki.authority.issuing import PrivateKey
from ...pki.authority.names import checked_person
from .bundle import Bundle

JOIN, LEAVE = "Join.ps1", "Leave.ps1"
KEY, AUTHORITY = "client.p12", "ca.cer"
ROUNDS = 20_000
"""Rounds of the key derivation; the passphrase has 100 random bits."""

BYTE_ORDER_MARK = "\ufeff"
"""Without it, Windows PowerShell reads a script in the machine's ANSI code page."""

_NOT_IN_FILE_NAMES = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")
"""The characters that PowerShell accepts as single quotes, including typographic ones."""


class Encryption(Enum):
    """The encryption of the key."""

    TRIPLE_DES = "3des"
    """With SHA-1: the only form that Windows before 10 1709 and Server before 2019 can import."""

    AES = "aes"
    """AES-256 with SHA-256."""


def folder_name(name: str, ending: str = "-windows") -> str:
    """Return the name of the folder for a client, valid on Windows; raises ConfigError."""
    known = _NOT_IN_FILE_NAMES.sub("_", checked_person(name)) + ending
    if len(known.encode("utf-8")) > 255:
        raise ConfigError(f"{name!r} is too long for a folder name: use fewer characters outside ASCII")
    return known


def write_folder(target: Path, bundle: Bundle, passphrase: str, encryption: Encryption) -> None:
    """Write the folder atomically; raises ConfigError."""
    contents = {
        KEY: (_pkcs12(bundle, passphrase, encryption), atomic_files.PRIVATE),
        JOIN: (script(JOIN, bundle), atomic_files.PUBLIC),
        LEAVE: (script(LEAVE, bundle), atomic_files.PUBLIC),
    }
    if bundle.ca_pem:
        contents[AUTHORITY] = (_authority(bundle).public_bytes(Encoding.DER), atomic_files.PUBLIC)
    write_files(target, contents)


def write_files(target: Path, contents: Mapping[str, tuple[bytes, int]]) -> None:
    """Write a folder of files with their modes, atomically; raises ConfigError."""
    unfinished = target.parent / f".{token_hex(8)}.unfinished"
    try:
        unfinished.mkdir(0o700)
        try:
            for name, (content, mode) in contents.items():
                atomic_files.create(unfinished / name, content, mode)
            os.rename(unfinished, target)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror}") from error


def script(name: str, bundle: Bundle) -> bytes:
    """Return one of the scripts for this client."""
    certificate = x509.load_pem_x509_certificate(bundle.certificate_pem)
    values = {
        "@URI@": quoted(bundle.uri),
        "@NAME@": quoted(bundle.name),
        "@CERTIFICATE@": quoted(thumbprint(certificate)),
        "@AUTHORITY@": quoted(thumbprint(_authority(bundle)) if bundle.ca_pem else ""),
    }
    return filled(name, values)


def filled(name: str, values: Mapping[str, str]) -> bytes:
    """Return one of the scripts with values that are quoted already, as Windows reads it."""
    text = (resources(__package__) / "windows_scripts" / name).read_text(encoding="utf-8")
    # In one pass: inserted text is not substituted again.
    text = re.sub("|".join(values), lambda found: values[found[0]], text)
    return (BYTE_ORDER_MARK + text.replace("\n", "\r\n")).encode("utf-8")


def quoted(text: str) -> str:
    """Return text as a PowerShell string constant; raises ConfigError for unprintable characters."""
    if not text.isprintable():
        raise ConfigError(f"{text!r} has unprintable characters: remove them")
    return "'" + _QUOTES.sub(lambda found: 2 * found[0], text) + "'"


def _authority(bundle: Bundle) -> x509.Certificate:
    return x509.load_pem_x509_certificate(bundle.ca_pem or b"")


def thumbprint(certificate: x509.Certificate) -> str:
    """Return the thumbprint by which Windows identifies a certificate."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()


def _pkcs12(bundle: Bundle, passphrase: str, encryption: Encryption) -> bytes:
    key = load_pem_private_key(bundle.key_pem, password=None)
    assert isinstance(key, PrivateKey)
    certificate = x509.load_pem_x509_certificate(bundle.certificate_pem)
    return pkcs12.serialize_key_and_certificates(
        b"iphttps", key, certificate, None, _algorithm(encryption, passphrase.encode("ascii"))
    )


def _algorithm(encryption: Encryption, passphrase: bytes) -> KeySerializationEncryption:
    builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(ROUNDS)
    if encryption is Encryption.TRIPLE_DES:
        builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).hmac_hash(hashes.SHA1())
    else:
        builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC).hmac_hash(hashes.SHA256())
    return builder.build(passphrase)
