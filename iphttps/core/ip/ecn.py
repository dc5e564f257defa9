"""Explicit Congestion Notification in the headers of IPv4 and IPv6 (RFC 3168).

The ECN field is the last two bits of the Type of Service of IPv4, which is a byte, and of the Traffic Class of IPv6,
which spans the first two bytes: its last two bits are in the upper half of the second.
"""

from __future__ import annotations

from .ipv4 import CHECKSUM
from .ipv6 import VERSION

__all__ = ["CE", "ECT_0", "ECT_1", "NOT_ECT", "codepoint", "marked"]

NOT_ECT = 0b00
ECT_1 = 0b01
ECT_0 = 0b10
CE = 0b11
"""The codepoints (section 5)."""


def codepoint(data: bytes, offset: int = 0) -> int:
    """Return the ECN codepoint of the IPv4 or IPv6 packet at `offset`."""
    return (data[offset + 1] >> 4 if data[offset] >> 4 == VERSION else data[offset + 1]) & CE


def marked(packet: bytes) -> bytes | None:
    """Return a whole packet with the codepoint CE, or None if its transport is not ECN-capable.

    A router may set CE only in a packet that it would drop otherwise, and whose codepoint is ECT; a packet that arrives
    with CE is passed on as it is (section 5).
    """
    before = codepoint(packet)
    if before == NOT_ECT:
        return None
    if before == CE:
        return packet
    if packet[0] >> 4 == VERSION:
        return bytes((packet[0], packet[1] | CE << 4)) + packet[2:]
    # RFC 1624 section 3, equation 3: HC' = ~(~HC + ~m + m'), here for the word with Version, IHL and Type of Service.
    checksum = int.from_bytes(packet[CHECKSUM : CHECKSUM + 2])
    old = packet[0] << 8 | packet[1]
    total = (~checksum & 0xFFFF) + (~old & 0xFFFF) + (old | CE)
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return packet[:1] + bytes((old & 0xFF | CE,)) + packet[2:CHECKSUM] + checksum.to_bytes(2) + packet[CHECKSUM + 2 :]
