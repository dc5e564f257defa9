"""The MD4 message digest (RFC 1320), used by MS-CHAPv2 to hash passwords.

MD4 is broken and no longer available in OpenSSL 3. It must not be used for anything else.
"""

from __future__ import annotations

import struct

_MASK = 0xFFFFFFFF
_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)  # RFC 1320 section 3.3
_BLOCK = struct.Struct("<16I")

# RFC 1320 section 3.4: for each round, the order of the words, the shifts and the added constant.
_FIRST = tuple(zip(range(16), (3, 7, 11, 19) * 4, strict=True))
_SECOND = tuple(zip((0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), (3, 5, 9, 13) * 4, strict=True))
_THIRD = tuple(zip((0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15) * 4, strict=True))


def md4(message: bytes) -> bytes:
    """Return the digest of a message, 16 bytes."""
    length = (8 * len(message)).to_bytes(16, "little")[:8]
    padded = message + b"\x80" + bytes(-(len(message) + 9) % 64) + length
    state = _START
    for words in _BLOCK.iter_unpack(padded):
        a, b, c, d = state
        for word, shift in _FIRST:
            a, b, c, d = d, _rotated(a + (b & c | ~b & d) + words[word], shift), b, c
        for word, shift in _SECOND:
            a, b, c, d = d, _rotated(a + (b & c | b & d | c & d) + words[word] + 0x5A827999, shift), b, c
        for word, shift in _THIRD:
            a, b, c, d = d, _rotated(a + (b ^ c ^ d) + words[word] + 0x6ED9EBA1, shift), b, c
        before = state
        state = (
            (before[0] + a) & _MASK,
            (before[1] + b) & _MASK,
            (before[2] + c) & _MASK,
            (before[3] + d) & _MASK,
        )
    return struct.pack("<4I", *state)


def _rotated(word: int, shift: int) -> int:
    """Return the word, taken modulo 2 to the 32, rotated left."""
    word &= _MASK
    return (word << shift | word >> (32 - shift)) & _MASK
