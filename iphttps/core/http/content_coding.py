"""Undoes what a web server did to a file on its way: Content-Encoding (RFC 9110 section 8.4)."""

from __future__ import annotations

import zlib

from ..errors import DiscoveryError

MAXIMUM_CODINGS = 3
"""Codings one upon the other."""

_UNREADABLE = ("br", "zstd", "compress", "x-compress")
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


def decoded(body: bytes, field: str, maximum: int) -> bytes:
    """Return the file of a body, `field` being its Content-Encoding. What is
    unknown stays as it is, as in browsers. The result has at most `maximum` bytes.

    Raises:
        : Some servers compress although they were asked not to, and some say so of what they did not compress.
    """
    codings = [coding for coding in map(str.strip, field.lower().split(",")) if coding not in ("", "identity")]
    if len(codings) > MAXIMUM_CODINGS:
        raise DiscoveryError(f"the web server has encoded it {len(codings)} times")
    for coding in reversed(codings):  # they are named in the order in which they were applied
        if coding in _UNREADABLE:
            raise DiscoveryError(f"the web server sends it compressed by {coding}, though asked not to compress it")
        body = _inflated(body, maximum) if coding == "deflate" else _gunzipped(body, maximum)
    return _gunzipped(body, maximum)


def _gunzipped(body: bytes, maximum: int) -> bytes:
    """Undo gzip, said or unsaid: no program in JavaScript begins as such a file does."""
    if not body.startswith(_GZIP_MAGIC):
        return body
    try:
        return _unpacked(body, _GZIP, maximum)
    except zlib.error as error:
        raise DiscoveryError("it is compressed by gzip, and damaged") from error


def _inflated(body: bytes, maximum: int) -> bytes:
    """Undo `deflate`, which many servers send without the frame of RFC 1950."""
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
        raise DiscoveryError("it is compressed, and cut off")
    return content
