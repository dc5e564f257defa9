"""PPP frames as SSTP carries them: the Address, Control and Protocol fields, with and without compression.

SSTP delimits the frames, so the flags, escapes and checksums of RFC 1662 are absent:

    Address FF, Control 03     2 bytes, absent where the receiver has asked for ACFC (RFC 1661 6.6)
    Protocol                   2 bytes, or the second of them where the receiver has asked for PFC (RFC 1661 6.5)
    Information                a packet of that protocol

Both forms are accepted at any time; compressed ones are sent only if the peer has negotiated them.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ADDRESS_AND_CONTROL", "ProtocolNumber", "build", "header", "parse"]

ADDRESS_AND_CONTROL = b"\xff\x03"
"""All-Stations and Unnumbered Information (RFC 1662 3.1)."""


class ProtocolNumber(IntEnum):
    """The values of the Protocol field that are used here."""

    IPV4 = 0x0021  # RFC 1332
    IPV6 = 0x0057  # RFC 5072
    COMPRESSED = 0x00FD  # RFC 1962: MPPC and MPPE
    IPCP = 0x8021  # RFC 1332
    IPV6CP = 0x8057  # RFC 5072
    CCP = 0x80FD  # RFC 1962
    LCP = 0xC021  # RFC 1661
    PAP = 0xC023  # RFC 1334
    CHAP = 0xC223  # RFC 1994
    EAP = 0xC227  # RFC 3748


def parse(data: bytes, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
    """Return the protocol of the frame in data[start:end], and the offset in `data` of its Information field.

    The protocol may be any number; the caller answers an unknown or invalid one (RFC 1661 section 2) with a
    Protocol-Reject. None means that the frame ends before its Information field and must be dropped.
    """
    if end is None:
        end = len(data)
    if data.startswith(ADDRESS_AND_CONTROL, start, end):
        start += 2
    if start >= end:
        return None
    first = data[start]
    if first & 1:  # RFC 1661 6.5: the first octet of two is even
        return first, start + 1
    if start + 1 == end:
        return None
    return (first << 8) + data[start + 1], start + 2


def header(protocol: int, *, acfc: bool = False, pfc: bool = False) -> bytes:
    """Return the fields before the Information field, compressed as negotiated.

    LCP frames are never compressed (RFC 1661 6.5, 6.6).
    """
    short = pfc and protocol < 0x100
    return (b"" if acfc and protocol != ProtocolNumber.LCP else ADDRESS_AND_CONTROL) + protocol.to_bytes(
        2 - short, "big"
    )


def build(protocol: int, information: bytes, *, acfc: bool = False, pfc: bool = False) -> bytes:
    """Return the frame of one packet."""
    return header(protocol, acfc=acfc, pfc=pfc) + information
