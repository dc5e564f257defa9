"""A lenient PEM reader (RFC 7468): any line ends, text around the blocks, OpenSSL's trust settings."""

from __future__ import annotations

import codecs
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass

_BEGIN = b"-----BEGIN "
_LABEL = re.compile(rb"[A-Z0-9 ]+")
_HEADER = re.compile(rb"[A-Za-z0-9-]+:")

_PKCS12 = bytes((0x02, 0x01, 0x03))  # its first element is the version 3 (RFC 7292 section 4)
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")  # RFC 5652 section 5.1, as Windows exports chains

_SEQUENCE, _REJECTED, _IDENTIFIER = 0x30, 0xA0, 0x06

SERVER_AUTH = bytes.fromhex("2b06010505070301")
CLIENT_AUTH = bytes.fromhex("2b06010505070302")
_ANY_USAGE = bytes.fromhex("551d2500")
"""Extended key usages (RFC 5280 section 4.2.1.12) as DER writes them."""


@dataclass(frozen=True, slots=True)
class Block:
    """One PEM block; `data` is None if it is damaged, `encrypted` means that it needs a password."""

    label: str
    data: bytes | None
    encrypted: bool


def blocks(content: bytes) -> list[Block]:
    """Return the blocks of a PEM file, none for a DER file. A truncated block has no data."""
    return list(_blocks(_as_bytes(content)))


def is_der(content: bytes) -> bool:
    """Tell whether a file looks like DER: certificates, keys and revocation lists all are a SEQUENCE."""
    return content[:1] == bytes((_SEQUENCE,)) and _BEGIN not in content


def container(path: object, content: bytes) -> str | None:
    """Return a sentence that says how to extract the contents of a PKCS#12 or PKCS#7 file; None for other files."""
    if not is_der(content):
        labels = {block.label for block in blocks(content)}
        inside, form = not labels.isdisjoint(("PKCS7", "CMS", "PKCS #7 SIGNED DATA")), ""
    else:
        if content[2:10].find(_PKCS12) >= 0:
            return f"{path} is a PKCS#12 file: `openssl pkcs12 -in {path} -nodes -out NEW` extracts certificate and key"
        inside, form = content[2:20].find(_SIGNED_DATA) >= 0, "-inform DER "
    if not inside:
        return None
    return f"{path} is a PKCS#7 file: `openssl pkcs7 {form}-in {path} -print_certs -out NEW` extracts the certificates"


def first(content: bytes) -> bytes:
    """Return the first element of a DER file, without trailing bytes, which OpenSSL ignores too.

    If the element is incomplete, the content is returned unchanged.
    """
    try:
        return content[: _element(content, 0)[2]]
    except ValueError:
        return content


def written(label: str, data: bytes) -> bytes:
    """Return a PEM block in OpenSSL's format."""
    text = b64encode(data)
    lines = b"\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    name = label.encode("ascii")
    return _BEGIN + name + b"-----\n" + lines + b"\n-----END " + name + b"-----\n"


def _as_bytes(content: bytes) -> bytes:
    """Convert UTF-16 text, as some Windows programs write it, to UTF-8."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace").encode("utf-8")
    return content


def _blocks(content: bytes) -> Iterator[Block]:
    for part in content.split(_BEGIN)[1:]:
        label, _, rest = part.partition(b"-----")
        if not _LABEL.fullmatch(label):
            continue  # a line of text
        body, end, _ = rest.partition(b"-----END " + label + b"-----")
        headers, text = _headers(body)
        encrypted = label.startswith(b"ENCRYPTED ") or any(b"ENCRYPTED" in line for line in headers)
        yield Block(label.decode("ascii"), _decoded(text) if end else None, encrypted)


def _headers(body: bytes) -> tuple[list[bytes], bytes]:
    """Split the body of a block into headers (RFC 1421 section 4.6) and base64 text."""
    lines = body.split()
    if not any(map(_HEADER.match, lines)):
        return [], b"".join(lines)
    head, _, text = body.replace(b"\r\n", b"\n").strip().partition(b"\n\n")
    return head.split(b"\n"), b"".join(text.split())


def _decoded(text: bytes) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None


# TRUSTED CERTIFICATE: a certificate and its trust settings (X509_CERT_AUX in OpenSSL's x509.h).


def without_trust(data: bytes) -> bytes:
    """Return the certificate in the data of a TRUSTED CERTIFICATE block, in DER.

    Raises:
        ValueError: The data is truncated.
    """
    _, _, end = _element(data, 0)
    return data[:end]


def is_trusted_for(data: bytes, usage: bytes) -> bool:
    """Tell whether the trust settings of a TRUSTED CERTIFICATE block allow an extended key usage, as OpenSSL decides.

    A usage in the list of rejected ones is not accepted. If there is a list of trusted usages, all others are rejected.

    Raises:
        ValueError: The data is truncated.
    """
    position = _element(data, 0)[2]
    if position == len(data):
        return True
    tag, position, end = _element(data, position)
    trusted: list[bytes] | None = None
    rejected: list[bytes] = []
    while position < end:
        tag, start, position = _element(data, position)
        if tag == _SEQUENCE:
            trusted = list(_identifiers(data[start:position]))
        elif tag == _REJECTED:
            rejected = list(_identifiers(data[start:position]))
    meant = {usage, _ANY_USAGE}
    return meant.isdisjoint(rejected) and (trusted is None or not meant.isdisjoint(trusted))


def _identifiers(data: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        tag, start, position = _element(data, position)
        if tag == _IDENTIFIER:
            yield data[start:position]


def _element(data: bytes, position: int) -> tuple[int, int, int]:
    """Return the tag of the DER element at a position, and the offsets where its content begins and ends."""
    try:
        tag, length = data[position], data[position + 1]
    except IndexError as error:
        raise ValueError("truncated") from error
    start = position + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[start : start + size])
        start += size
    if start + length > len(data):
        raise ValueError("truncated")
    return tag, start, start + length
