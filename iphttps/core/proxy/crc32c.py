"""CRC32c, the checksum of RFC 3720 appendix B.4 and RFC 9260 appendix A; the standard library lacks it."""

from __future__ import annotations

_POLYNOMIAL = 0x82F63B78  # Castagnoli's polynomial, bits reversed


def _row(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    return value


_TABLE = tuple(map(_row, range(256)))


def crc32c(data: bytes) -> int:
    """Return the 32-bit checksum of `data`."""
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder = (remainder >> 8) ^ _TABLE[(remainder ^ byte) & 0xFF]
    return remainder ^ 0xFFFFFFFF
