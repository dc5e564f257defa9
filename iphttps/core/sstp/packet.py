"""The SSTP packet: header, message types, delineation of the byte stream ([MS-SSTP] 2.2.1 to 2.2.3).

This is the only file with the header's offsets as numbers. All integers are in network byte order.

     0               1               2               3
    +---------------+-------------+-+-------+-----------------------+
    |    Version    |  Reserved   |C|   R   |        Length         |
    +---------------+-------------+-+-------+-----------------------+
  4 |         Message Type          |        Num Attributes         |   a control packet (C is 1)
    +-------------------------------+-------------------------------+
  8   Attributes

A data packet (C is 0) has a PPP frame after the first four bytes.
"""

from __future__ import annotations

import struct
from enum import IntEnum

__all__ = [
    "CONTROL",
    "HEADER_LENGTH",
    "INCOMPLETE",
    "MAXIMUM_FRAME",
    "MAXIMUM_LENGTH",
    "MESSAGE_HEADER_LENGTH",
    "UNDELINEABLE",
    "VERSION",
    "MessageType",
    "data_packet",
    "is_control",
    "message",
    "packet_length",
]

VERSION = 0x10
"""Version 1.0, the only one (2.2.1)."""

CONTROL = 0x01
"""The C bit of the header's second byte (2.2.1)."""

HEADER_LENGTH = 4
MESSAGE_HEADER_LENGTH = 8
MAXIMUM_LENGTH = 0x0FFF
"""Maximum bytes of a packet, header included: the Length field has 12 bits (2.2.1)."""

MAXIMUM_FRAME = MAXIMUM_LENGTH - HEADER_LENGTH
"""Maximum bytes of a PPP frame, which is the MRU that Windows offers (3.1.5.2)."""

INCOMPLETE = 0
UNDELINEABLE = -1

_HEADER = struct.Struct("!BBH")
_MESSAGE_HEADER = struct.Struct("!BBHHH")


class MessageType(IntEnum):
    """The types of control messages (2.2.2)."""

    CALL_CONNECT_REQUEST = 1
    CALL_CONNECT_ACK = 2
    CALL_CONNECT_NAK = 3
    CALL_CONNECTED = 4
    CALL_ABORT = 5
    CALL_DISCONNECT = 6
    CALL_DISCONNECT_ACK = 7
    ECHO_REQUEST = 8
    ECHO_RESPONSE = 9


def packet_length(data: bytes, offset: int = 0) -> int:
    """Return the length in bytes of the packet at `offset`, of which at least one byte has arrived (2.2.1).

    INCOMPLETE (0) means that the header is incomplete. UNDELINEABLE (-1) means that this is not a packet of this
    version: the connection MUST be dropped without a message (3.1.5.1). Reserved bits are ignored (2.2.1).
    """
    if data[offset] != VERSION:
        return UNDELINEABLE
    if len(data) - offset < HEADER_LENGTH:
        return INCOMPLETE
    length = (data[offset + 2] & 0x0F) << 8 | data[offset + 3]
    return length if length >= HEADER_LENGTH else UNDELINEABLE


def is_control(data: bytes, offset: int = 0) -> bool:
    """Tell whether the packet that begins at `offset` is a control packet (2.2.1)."""
    return bool(data[offset + 1] & CONTROL)


def data_packet(frame: bytes) -> bytes:
    """Build a data packet around a PPP frame of at most MAXIMUM_FRAME bytes (2.2.3)."""
    return _HEADER.pack(VERSION, 0, HEADER_LENGTH + len(frame)) + frame


def message(kind: MessageType, *attributes: bytes) -> bytes:
    """Build a control packet from attributes that are already built; MAXIMUM_LENGTH bytes at most (2.2.2)."""
    body = b"".join(attributes)
    length = MESSAGE_HEADER_LENGTH + len(body)
    return _MESSAGE_HEADER.pack(VERSION, CONTROL, length, kind, len(attributes)) + body
