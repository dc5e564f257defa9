"""The IPv6 header: offsets, address classes, checksum (RFC 8200, 4291, 4443).

This is the only file with the header's offsets as numbers.

     0               1               2               3
    +-------+---------------+---------------------------------------+
    |Version| Traffic Class |               Flow Label              |
    +-------+---------------+-------+---------------+---------------+
  4 |        Payload Length         |  Next Header  |   Hop Limit   |
    +-------------------------------+---------------+---------------+
  8 |                         Source Address                        |
    +---------------------------------------------------------------+
 24 |                      Destination Address                      |
    +---------------------------------------------------------------+
 40

Addresses are 16 raw bytes here, as they are on the packet path.
"""

from __future__ import annotations

import struct

VERSION = 6
PAYLOAD_LENGTH = 4
NEXT_HEADER = 6
HOP_LIMIT = 7
SOURCE = 8
DESTINATION = 24
HEADER_LENGTH = 40
ADDRESS_LENGTH = 16

MINIMUM_MTU = 1280  # RFC 8200 section 5; the link's default MTU by 3.1.5.2 and 3.2.3.1

HOP_BY_HOP = 0
TCP = 6
UDP = 17
ROUTING = 43
FRAGMENT = 44
ESP = 50
AUTHENTICATION = 51
ICMPV6 = 58
NO_NEXT_HEADER = 59
DESTINATION_OPTIONS = 60
MOBILITY = 135
HIP = 139
SHIM6 = 140

EXTENSION_HEADERS = frozenset(
    (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS, MOBILITY, HIP, SHIM6)
)
"""Headers that another header can follow (RFC 7045 section 4, without ESP, which encrypts it)."""

UNSPECIFIED = bytes(16)
LOOPBACK = bytes(15) + b"\x01"
ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
ALL_ROUTERS = bytes.fromhex("ff020000000000000000000000000002")
SOLICITED_NODE_PREFIX = bytes.fromhex("ff0200000000000000000001ff")
V4_MAPPED_PREFIX = bytes(10) + b"\xff\xff"


def is_multicast(address: bytes) -> bool:
    """Tell whether the address is in ff00::/8 (RFC 4291 section 2.7)."""
    return address[0] == 0xFF


def is_link_local(address: bytes) -> bool:
    """Tell whether the address is in fe80::/10 (RFC 4291 section 2.5.6)."""
    return address[0] == 0xFE and address[1] & 0xC0 == 0x80


def is_solicited_node(address: bytes) -> bool:
    """Tell whether the address is in ff02::1:ff00:0/104 (RFC 4291 section 2.7.1)."""
    return address.startswith(SOLICITED_NODE_PREFIX)


def solicited_node(address: bytes) -> bytes:
    """Return the solicited-node multicast address of a unicast address (RFC 4291 section 2.7.1)."""
    return SOLICITED_NODE_PREFIX + address[13:]


def multicast_scope(address: bytes) -> int:
    """Return the scope field of a multicast address; 2 is the link (RFC 4291 section 2.7)."""
    return address[1] & 0x0F


def packet(source: bytes, destination: bytes, next_header: int, payload: bytes, hop_limit: int = 255) -> bytes:
    """Build a packet with an IPv6 header in front of `payload`, without extension headers."""
    return struct.pack("!IHBB", VERSION << 28, len(payload), next_header, hop_limit) + source + destination + payload


def checksum(source: bytes, destination: bytes, next_header: int, payload: bytes) -> int:
    """Return the upper-layer checksum over the pseudo-header and `payload` (RFC 8200 section 8.1).

    The result is zero for a payload that contains its correct checksum.
    """
    return internet_checksum(source + destination + struct.pack("!II", len(payload), next_header) + payload)


def internet_checksum(covered: bytes) -> int:
    """Return the checksum of RFC 1071 over bytes."""
    if len(covered) % 2:
        covered += b"\0"
    # The sum of the 16-bit words modulo 0xffff equals the whole, as one big number, modulo 0xffff (RFC 1071).
    folded = int.from_bytes(covered, "big") % 0xFFFF
    return 0xFFFF - folded if folded else 0
