"""The packets of the Password Authentication Protocol (RFC 1334 section 2).

PAP sends the password in clear, and gives no keys for SSTP's crypto binding. A packet here starts with its code; the
caller handles the PPP protocol number C023 before it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum

_HEADER = struct.Struct("!BBH")  # RFC 1334 section 2.2: Code, Identifier, Length of the whole packet

LONGEST_MESSAGE = 255


class Code(IntEnum):
    """The codes of RFC 1334 section 2.2."""

    AUTHENTICATE_REQUEST = 1
    AUTHENTICATE_ACK = 2
    AUTHENTICATE_NAK = 3


@dataclass(frozen=True, slots=True)
class AuthenticateRequest:
    """A peer's name and password, as sent, each of at most 255 bytes (RFC 1334 section 2.2.1)."""

    identifier: int
    name: bytes
    password: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the packet."""
        data = bytes((len(self.name),)) + self.name + bytes((len(self.password),)) + self.password
        return _packet(Code.AUTHENTICATE_REQUEST, self.identifier, data)

    @classmethod
    def parse(cls, packet: bytes) -> AuthenticateRequest | None:
        """Return the content of a packet; None if it is malformed or of another kind.

        Such packets are silently discarded (RFC 1334 section 2.2). Bytes beyond the Length field are padding; the two
        fields must fill the packet up to it.
        """
        parsed = _content(packet)
        if parsed is None or parsed[0] != Code.AUTHENTICATE_REQUEST or not parsed[2]:
            return None
        _, identifier, data = parsed
        name, rest = data[1 : 1 + data[0]], data[1 + data[0] :]
        if not rest or len(rest) != 1 + rest[0]:
            return None
        return cls(identifier, name, rest[1:])


@dataclass(frozen=True, slots=True)
class Answer:
    """The authenticator's Authenticate-Ack or Authenticate-Nak, and its message (RFC 1334 section 2.2.2)."""

    identifier: int
    accepted: bool
    message: bytes = b""

    def encode(self) -> bytes:
        """Return the packet; its message is truncated to 255 bytes."""
        code = Code.AUTHENTICATE_ACK if self.accepted else Code.AUTHENTICATE_NAK
        message = self.message[:LONGEST_MESSAGE]
        return _packet(code, self.identifier, bytes((len(message),)) + message)

    @classmethod
    def parse(cls, packet: bytes) -> Answer | None:
        """Return the content of a packet; None if it is malformed or of another kind.

        Some authenticators omit the length of an empty message.
        """
        parsed = _content(packet)
        if parsed is None or parsed[0] not in (Code.AUTHENTICATE_ACK, Code.AUTHENTICATE_NAK):
            return None
        code, identifier, data = parsed
        if data and len(data) != 1 + data[0]:
            return None
        return cls(identifier, code == Code.AUTHENTICATE_ACK, data[1:])


def _content(packet: bytes) -> tuple[int, int, bytes] | None:
    """Return code, identifier and data, or None if the length is wrong."""
    if len(packet) < _HEADER.size:
        return None
    code, identifier, length = _HEADER.unpack_from(packet)
    if not _HEADER.size <= length <= len(packet):
        return None
    return code, identifier, packet[_HEADER.size : length]


def _packet(code: Code, identifier: int, data: bytes) -> bytes:
    return _HEADER.pack(code, identifier, _HEADER.size + len(data)) + data
