"""ICMPv6 messages (RFC 4443)."""

from __future__ import annotations

import struct

from . import ipv6

__all__ = [
    "ADDRESS_UNREACHABLE",
    "DESTINATION_UNREACHABLE",
    "PACKET_TOO_BIG",
    "address_unreachable",
    "message",
    "packet_too_big",
]

DESTINATION_UNREACHABLE = 1  # RFC 4443 section 3.1
ADDRESS_UNREACHABLE = 3
PACKET_TOO_BIG = 2  # section 3.2

_LEAST_INFORMATIONAL = 128  # types below are errors: RFC 4443 section 2.1
_REDIRECT = 137


def message(kind: int, code: int, body: bytes, source: bytes, destination: bytes, hop_limit: int = 255) -> bytes:
    """Build a packet with an ICMPv6 message; `body` is the part after the checksum."""
    bare = struct.pack("!BBH", kind, code, 0) + body
    total = ipv6.checksum(source, destination, ipv6.ICMPV6, bare)
    whole = struct.pack("!BBH", kind, code, total) + body
    return ipv6.packet(source, destination, ipv6.ICMPV6, whole, hop_limit)


def address_unreachable(packet: bytes, source: bytes) -> bytes | None:
    """Build the error for a packet whose destination no client holds, sent from the address `source`.

    Returns None where RFC 4443 section 2.4 (e) forbids an error: in response to an ICMPv6 error or a Redirect, or to a
    packet whose source or destination does not identify a single node.
    """
    return _error(packet, source, DESTINATION_UNREACHABLE, ADDRESS_UNREACHABLE, 0)


def packet_too_big(packet: bytes, source: bytes, mtu: int) -> bytes | None:
    """Build the error for a packet longer than the MTU of the link that it would take (RFC 4443 section 3.2).

    Returns None where section 2.4 (e) forbids an error, and for multicast, which has no use for it here.
    """
    return _error(packet, source, PACKET_TOO_BIG, 0, mtu)


def _error(packet: bytes, source: bytes, kind: int, code: int, word: int) -> bytes | None:
    origin = packet[ipv6.SOURCE : ipv6.DESTINATION]
    destination = packet[ipv6.DESTINATION : ipv6.HEADER_LENGTH]
    if origin == ipv6.UNSPECIFIED or ipv6.is_multicast(origin) or ipv6.is_multicast(destination):
        return None
    if packet[ipv6.NEXT_HEADER] in ipv6.EXTENSION_HEADERS:
        return None  # an ICMPv6 error may follow them, and sending this one is only a SHOULD (section 3.1)
    if packet[ipv6.NEXT_HEADER] == ipv6.ICMPV6:
        informational = packet[ipv6.HEADER_LENGTH] if len(packet) > ipv6.HEADER_LENGTH else 0
        if informational < _LEAST_INFORMATIONAL or informational == _REDIRECT:
            return None
    # Sections 3.1 and 3.2: four bytes, then as much of the packet as fits into the minimum MTU.
    room = ipv6.MINIMUM_MTU - ipv6.HEADER_LENGTH - 8
    return message(kind, code, word.to_bytes(4) + packet[:room], source, origin, hop_limit=64)
