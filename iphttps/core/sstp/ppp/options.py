"""Configuration Options, the contents of Configure packets (RFC 1661 section 6).

An option is its type, from 0 to 255, and the bytes of its data. On the wire it is Type (1 byte), Length (1 byte, which
counts Type and Length too) and Data.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["MAXIMUM_OPTIONS", "Option", "Options", "build", "parse"]

Option = tuple[int, bytes]
Options = tuple[Option, ...]

MAXIMUM_OPTIONS = 64
"""Maximum number of options in a packet; fewer than 30 types are defined."""


def parse(data: bytes) -> Options | None:
    """Return the options in the data of a Configure packet, in order; None if they are malformed.

    They are malformed if a Length is less than 2 or exceeds the data, or if there are too many. Such a packet is
    silently discarded (RFC 1661 5).
    """
    options: list[Option] = []
    offset, size = 0, len(data)
    while offset < size:
        length = data[offset + 1] if offset + 1 < size else 0
        if length < 2 or offset + length > size or len(options) == MAXIMUM_OPTIONS:
            return None
        options.append((data[offset], data[offset + 2 : offset + length]))
        offset += length
    return tuple(options)


def build(options: Iterable[Option]) -> bytes:
    """Return the encoded options for a Configure packet; each has at most 253 bytes of data."""
    return b"".join([bytes((kind, len(value) + 2)) + value for kind, value in options])
