"""Decodes the Content-Encoding of a downloaded file (RFC 9110 section 8.4)."""

from __future__ import annotations

import zlib

from ..errors import DiscoveryError

MAXIMUM_CODINGS = 3
"""Maximum number of codings applied to one file."""

_UNREADABLE = ("br", "zstd", "compress", "x-compress")
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


def decode(body: bytes, field: str, maximum: int) -> bytes:
    """Return the file in a body of at most `maximum` bytes; `field` is its Content-Encoding.

    An unknown coding is ignored, as browsers do. A gzip file is decompressed whether or not the field says so: some
    servers compress against the request, and some declare a coding that they did not apply.

    Raises:
        DiscoveryError: The file is too large, damaged or cut off, or its coding is not supported.
    """
    codings = [coding for coding in map(str.strip, field.lower().split(",")) if coding not in ("", "identity")]
    if len(codings) > MAXIMUM_CODINGS:
        raise DiscoveryError(f"the web server has encoded it {len(codings)} times")
    for coding in reversed(codings):  # listed in the order in which they were applied
        if coding in _UNREADABLE:
            raise DiscoveryError(f"the web server compresses it with {coding}, against the request's Accept-Encoding")
        body = _inflated(body, maximum) if coding == "deflate" else _gunzipped(body, maximum)
    return _gunzipped(body, maximum)


def _gunzipped(body: bytes, maximum: int) -> bytes:
    """Decompress gzip, declared or not: no JavaScript program begins with its magic number."""
    if not body.startswith(_GZIP_MAGIC):
        return body
    try:
        return _unpacked(body, _GZIP, maximum)
    except zlib.error as error:
        raise DiscoveryError("its gzip compression is damaged") from error


def _inflated(body: bytes, maximum: int) -> bytes:
    """Decompress `deflate`, which many servers send without the zlib header of RFC 1950."""
    for form in (_ZLIB, _RAW):
        try:
            return _unpacked(body, form, maximum)
        except zlib.error:
            continue
    return body


def _unpacked(body: bytes, form: int, maximum: int) -> bytes:
    unpacking = zlib.decompressobj(form)
    content = unpacking.decompress(body, maximum + 1)
    if len(content) > maximum:
        raise DiscoveryError(f"it is larger than {maximum} bytes")
    if not unpacking.eof:
        raise DiscoveryError("it is compressed, but cut off")
    return content
