"""The IPv4 header: offsets, length, checksum (RFC 791, 1071).

This is the only file in which the header's offsets stand as numbers.

     0               1               2               3
    +-------+-------+---------------+-------------------------------+
    |Version|  IHL  |Type of Service|          Total Length         |
    +-------+-------+---------------+-----+-------------------------+
  4 |         Identification        |Flags|     Fragment Offset     |
    +---------------+---------------+-----+-------------------------+
  8 |  Time to Live |    Protocol   |        Header Checksum        |
    +---------------+---------------+-------------------------------+
 12 |                         Source Address                        |
    +---------------------------------------------------------------+
 16 |                      Destination Address                      |
    +---------------------------------------------------------------+
 20   Options, if IHL, in words of 4 bytes, is more than 5

Addresses are 4 raw bytes here, as they are on the packet path.
"""

from __future__ import annotations

import struct

from .ipv6 import internet_checksum

VERSION = 4
TOTAL_LENGTH = 2
IDENTIFICATION = 4
FLAGS = 6  # and the Fragment Offset, 16 bits in all
TIME_TO_LIVE = 8
PROTOCOL = 9
CHECKSUM = 10
SOURCE = 12
DESTINATION = 16
HEADER_LENGTH = 20  # without options
ADDRESS_LENGTH = 4

DONT_FRAGMENT = 0x4000


def length(data: bytes, offset: int = 0) -> int | None:
    """Return the Total Length of the packet at `offset`, where at least HEADER_LENGTH bytes are.

    None if the header contradicts itself: it is shorter than a header can be, or longer than the packet.
    """
    header = (data[offset] & 0x0F) * 4
    total = (data[offset + TOTAL_LENGTH] << 8) + data[offset + TOTAL_LENGTH + 1]
    return total if HEADER_LENGTH <= header <= total else None


def packet(
    source: bytes,
    destination: bytes,
    protocol: int,
    payload: bytes,
    time_to_live: int = 64,
    *,
    identification: int = 0,
    flags: int = DONT_FRAGMENT,
) -> bytes:
    """Build a packet with an IPv4 header in front of `payload`, without options."""
    first = struct.pack("!BBHHHBB", VERSION << 4 | 5, 0, HEADER_LENGTH + len(payload), identification, flags,
                        time_to_live, protocol)  # fmt: skip
    addresses = source + destination
    return first + internet_checksum(first + addresses).to_bytes(2, "big") + addresses + payload


def checksum(source: bytes, destination: bytes, protocol: int, payload: bytes) -> int:
    """Return the checksum of TCP or UDP over the pseudo-header and `payload` (RFC 9293 section 3.1, RFC 768).

    Over a payload that carries its right checksum the result is zero.
    """
    return internet_checksum(source + destination + struct.pack("!HH", protocol, len(payload)) + payload)
