"""The enrolment file of a client, encrypted with a one-time passphrase.

The file is text, for any means of transport: base64 between two marker lines, of

    version   1 byte, now 1
    cost      1 byte, the binary logarithm of scrypt's N
    salt      16 bytes, for scrypt with r = 8 and p = 1 (RFC 7914)
    nonce     12 bytes
    sealed    ChaCha20-Poly1305 (RFC 8439), all fields above as additional data
    checksum  4 bytes, the CRC-32 of all fields above; it distinguishes a damaged file from a wrong passphrase

The plaintext is JSON. A hostile file can cost its reader bounded memory and about a second, no more.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_bytes
from textwrap import wrap
from typing import Any
from zlib import crc32

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ...core.errors import ConfigError
from ...core.iphttps.request import DEFAULT_PATH
from ...core.text import without_mark
from ...net.connect.endpoints import URI
from ...pki.authority import issuing
from ...pki.authority.names import checked_person
from ...pki.certificates import UNREADABLE

ENDING = ".iphttps"
BEGIN = "-----BEGIN IPHTTPS ENROLMENT-----"
END = "-----END IPHTTPS ENROLMENT-----"

LARGEST = 64 * 1024
"""Maximum size of a file in bytes."""

VERSION = 1
COST = 16
COSTS = range(14, 18)
"""Accepted logarithms of N: from 16 MiB to 128 MiB and about a second."""

_SALT, _NONCE, _CHECKSUM = 16, 12, 4
_HEAD = 2 + _SALT + _NONCE
_LONGEST_KEY = 8 * 1024
"""Maximum characters of a private key: OpenSSL takes minutes to check one of 100,000 bits."""

_MOST_CERTIFICATES = 10

INVALID = (KeyError, TypeError, RecursionError, OverflowError, ConfigError, *UNREADABLE)
"""The exceptions with which the parts of an invalid content are read."""

INVALID_CONTENT = "the content of the enrolment is invalid: create another one on the server"

_URI = re.compile(r"https://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._~/%+-]*)?")


@dataclass(frozen=True, slots=True)
class Bundle:
    """An enrolment: the client's name, the server's URI, certificate, key and trusted authority as PEM.

    `ca_pem` is None if the server's certificate is issued by a public authority.
    """

    name: str
    uri: str
    certificate_pem: bytes
    key_pem: bytes = field(repr=False)
    ca_pem: bytes | None


def client_uri(text: str) -> str:
    """Return the URI of a server for its clients, with no characters special to a shell; raises ConfigError."""
    uri = str(URI.parse(text, DEFAULT_PATH))
    if not _URI.fullmatch(uri):
        raise ConfigError(f"{text!r} is not a URI for clients, such as https://vpn.example.org/IPHTTPS")
    return uri


def seal(bundle: Bundle, passphrase: str, cost: int = COST) -> bytes:
    """Return the content of the enrolment file."""
    content = {
        "name": bundle.name,
        "uri": bundle.uri,
        "certificate": bundle.certificate_pem.decode("ascii"),
        "key": bundle.key_pem.decode("ascii"),
        "ca": bundle.ca_pem.decode("ascii") if bundle.ca_pem else None,
    }
    return encrypted(content, passphrase, cost)


def encrypted(content: Mapping[str, str | None], passphrase: str, cost: int = COST) -> bytes:
    """Return the enrolment file with this content, encrypted with a passphrase."""
    head = bytes((VERSION, cost)) + token_bytes(_SALT + _NONCE)
    cipher, nonce = _cipher(head, passphrase)
    data = head + cipher.encrypt(nonce, json.dumps(content).encode("ascii"), head)
    body = "\n".join(wrap(b64encode(data + crc32(data).to_bytes(_CHECKSUM)).decode("ascii"), 64))
    return f"{BEGIN}\n{body}\n{END}\n".encode("ascii")


def read_bundle(path: Path) -> bytes:
    """Read an enrolment file, up to its maximum size; raises ConfigError."""
    try:
        with path.open("rb") as file:
            return check_data(file.read(LARGEST + 1))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except ConfigError as error:
        raise ConfigError(f"{path} {error}") from error


def check_data(content: bytes) -> bytes:
    """Return the data between the marker lines; raises ConfigError, whose sentence continues the file's name."""
    if len(content) > LARGEST:
        raise ConfigError(f"is too large for an enrolment, which has at most {LARGEST // 1024} KiB")
    lines = without_mark(content).decode("ascii", "replace").replace("\r\n", "\n").strip().split("\n")
    if lines[0].rstrip() != BEGIN:
        raise ConfigError("is not an enrolment: create one with `iphttps enrol` on the server")
    try:
        if lines[-1].rstrip() != END:
            raise ValueError
        data = b64decode("".join(line.strip() for line in lines[1:-1]), validate=True)
        if len(data) < _HEAD + _CHECKSUM or crc32(data[:-_CHECKSUM]).to_bytes(_CHECKSUM) != data[-_CHECKSUM:]:
            raise ValueError
    except ValueError as error:
        raise ConfigError("is damaged: copy it from the server again") from error
    if data[0] != VERSION:
        raise ConfigError(f"has version {data[0]}, which this iphttps does not support: install the server's version")
    if data[1] not in COSTS:
        raise ConfigError("has key derivation parameters that iphttps never writes: get the file from the server again")
    return data[:-_CHECKSUM]


def unseal(data: bytes, passphrase: str) -> Bundle:
    """Decrypt the result of `read_bundle`; raises ConfigError if the passphrase is wrong or the content invalid."""
    return parse(decrypted(data, passphrase))


def decrypted(data: bytes, passphrase: str) -> bytes:
    """Return the plaintext of the result of `read_bundle`; raises ConfigError if the passphrase is wrong."""
    cipher, nonce = _cipher(data[:_HEAD], passphrase)
    try:
        return cipher.decrypt(nonce, data[_HEAD:], data[:_HEAD])
    except InvalidTag as error:
        raise ConfigError("the passphrase is wrong for this file") from error


def parse(plain: bytes) -> Bundle:
    """Parse the plaintext; raises ConfigError unless it is a complete enrolment.

    Certificates and the key are re-encoded, which removes anything else in the PEM text.
    """
    try:
        content = json.loads(plain)
        name, uri = checked_person(text_in(content, "name")), client_uri(text_in(content, "uri"))
        (certificate,) = certificates_in(text_in(content, "certificate"))
        key = load_pem_private_key(text_in(content, "key", _LONGEST_KEY).encode("ascii"), password=None)
        ca = None if content["ca"] is None else certificates_in(text_in(content, "ca"))
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise TypeError
        if key.public_key() != certificate.public_key():
            raise ValueError
    except INVALID as error:
        raise ConfigError(INVALID_CONTENT) from error
    return Bundle(
        name,
        uri,
        issuing.pem(certificate),
        issuing.key_pem(key),
        b"".join(map(issuing.pem, ca)) if ca else None,
    )


def _cipher(head: bytes, passphrase: str) -> tuple[ChaCha20Poly1305, bytes]:
    salt, nonce = head[2 : 2 + _SALT], head[2 + _SALT : _HEAD]
    key = Scrypt(salt=salt, length=32, n=1 << head[1], r=8, p=1).derive(passphrase.encode("utf-8"))
    return ChaCha20Poly1305(key), nonce


def text_in(content: Any, name: str, longest: int = LARGEST) -> str:
    """Return a string in the content; raises KeyError or TypeError if there is none."""
    if not isinstance(content, dict) or not isinstance(content[name], str) or len(content[name]) > longest:
        raise TypeError
    return str(content[name])


def certificates_in(text: str) -> list[x509.Certificate]:
    """Return the certificates in PEM text; raises ValueError if it is none, or too many."""
    found = x509.load_pem_x509_certificates(text.encode("ascii"))
    if len(found) > _MOST_CERTIFICATES:
        raise ValueError
    return found
