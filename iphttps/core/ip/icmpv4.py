"""ICMP errors of IPv4 (RFC 792, RFC 1191)."""

from __future__ import annotations

import struct

from . import ipv4
from .ipv6 import internet_checksum

__all__ = [
    "DESTINATION_UNREACHABLE",
    "FRAGMENTATION_NEEDED",
    "HOST_UNREACHABLE",
    "fragmentation_needed",
    "host_unreachable",
]

DESTINATION_UNREACHABLE = 3
HOST_UNREACHABLE = 1
FRAGMENTATION_NEEDED = 4

_PROTOCOL = 1
_ERRORS = (3, 4, 5, 11, 12)  # RFC 1122 section 3.2.2
_NO_HOSTS = (0, 127)
_MULTICAST = 0xE0
_OFFSET = 0x1FFF
_LONGEST = 576  # RFC 1812 section 4.3.2.3


def host_unreachable(packet: bytes, source: bytes) -> bytes | None:
    """Build the error for a packet whose destination no client holds, sent from the address `source`.

    Returns None where RFC 1122 section 3.2.2 forbids an error: in response to an ICMP error, to a fragment other than
    the first, or to a packet whose source or destination is not a single host.
    """
    return _error(packet, source, HOST_UNREACHABLE, 0)


def fragmentation_needed(packet: bytes, source: bytes, mtu: int) -> bytes | None:
    """Build the error for a packet longer than the link's MTU, which must not be fragmented (RFC 1191 section 4).

    Returns None where RFC 1122 section 3.2.2 forbids an error, or if the packet may be fragmented.
    """
    flags = int.from_bytes(packet[ipv4.FLAGS : ipv4.FLAGS + 2])
    return _error(packet, source, FRAGMENTATION_NEEDED, mtu) if flags & ipv4.DONT_FRAGMENT else None


def _error(packet: bytes, source: bytes, code: int, word: int) -> bytes | None:
    origin = packet[ipv4.SOURCE : ipv4.DESTINATION]
    destination = packet[ipv4.DESTINATION : ipv4.HEADER_LENGTH]
    if origin[0] in _NO_HOSTS or origin[0] >= _MULTICAST or destination[0] >= _MULTICAST:
        return None
    if int.from_bytes(packet[ipv4.FLAGS : ipv4.FLAGS + 2]) & _OFFSET:
        return None
    header = (packet[0] & 0x0F) * 4
    if packet[ipv4.PROTOCOL] == _PROTOCOL and (len(packet) <= header or packet[header] in _ERRORS):
        return None
    body = packet[: _LONGEST - ipv4.HEADER_LENGTH - 8]
    bare = struct.pack("!BBHI", DESTINATION_UNREACHABLE, code, 0, word) + body
    total = internet_checksum(bare)
    whole = struct.pack("!BBHI", DESTINATION_UNREACHABLE, code, total, word) + body
    return ipv4.packet(source, origin, _PROTOCOL, whole, flags=0)
