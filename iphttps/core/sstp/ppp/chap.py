"""The packets of CHAP (RFC 1994 section 4) with the fields of MS-CHAPv2 (RFC 2759 sections 3 to 6).

A packet here starts with its code; the caller handles the PPP protocol number C223 before it.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import IntEnum

from . import user_names

ALGORITHM = 0x81  # RFC 2759 section 2: the CHAP algorithm in LCP's Authentication-Protocol option

CHALLENGE_LENGTH = 16
NT_RESPONSE_LENGTH = 24
RESPONSE_LENGTH = 49  # RFC 2759 section 4: the challenge, 8 reserved bytes, the NT-Response, the flags

_HEADER = struct.Struct("!BBH")  # RFC 1994 section 4: Code, Identifier, Length of the whole packet
_RESPONSE = struct.Struct("!16s8x24sB")


class Code(IntEnum):
    """The codes of RFC 1994 section 4."""

    CHALLENGE = 1
    RESPONSE = 2
    SUCCESS = 3
    FAILURE = 4


class FailureCode(IntEnum):
    """The error codes of a Failure packet (RFC 2759 section 6)."""

    RESTRICTED_LOGON_HOURS = 646
    ACCT_DISABLED = 647
    PASSWD_EXPIRED = 648
    NO_DIALIN_PERMISSION = 649
    AUTHENTICATION_FAILURE = 691
    CHANGING_PASSWORD = 709


@dataclass(frozen=True, slots=True)
class Challenge:
    """The authenticator's Challenge (RFC 2759 section 3): 16 random bytes, and the authenticator's name."""

    identifier: int
    value: bytes
    name: bytes

    def encode(self) -> bytes:
        """Return the packet."""
        return _packet(Code.CHALLENGE, self.identifier, bytes((len(self.value),)) + self.value + self.name)


@dataclass(frozen=True, slots=True)
class Response:
    """The peer's Response (RFC 2759 section 4): its own challenge of 16 bytes, the NT-Response of 24, its name."""

    identifier: int
    peer_challenge: bytes
    nt_response: bytes
    name: bytes
    flags: int = 0

    def encode(self) -> bytes:
        """Return the packet."""
        value = _RESPONSE.pack(self.peer_challenge, self.nt_response, self.flags)
        return _packet(Code.RESPONSE, self.identifier, bytes((RESPONSE_LENGTH,)) + value + self.name)


@dataclass(frozen=True, slots=True)
class Result:
    """The authenticator's Success or Failure (RFC 2759 sections 5 and 6), and its message."""

    identifier: int
    succeeded: bool
    message: bytes

    def encode(self) -> bytes:
        """Return the packet."""
        return _packet(Code.SUCCESS if self.succeeded else Code.FAILURE, self.identifier, self.message)


def parse(packet: bytes) -> Challenge | Response | Result | None:
    """Return the content of a packet; None if it is malformed, or for another algorithm.

    Such packets are silently discarded (RFC 1994 section 4). Bytes beyond the Length field are padding. The reserved
    bytes of a Response are ignored.
    """
    if len(packet) < _HEADER.size:
        return None
    code, identifier, length = _HEADER.unpack_from(packet)
    if not _HEADER.size <= length <= len(packet):
        return None
    data = packet[_HEADER.size : length]
    match code:
        case Code.SUCCESS | Code.FAILURE:
            return Result(identifier, code == Code.SUCCESS, data)
        case Code.CHALLENGE | Code.RESPONSE if data:
            value, name = data[1 : 1 + data[0]], data[1 + data[0] :]
            if len(name) > user_names.LONGEST:
                return None
            if code == Code.CHALLENGE:
                return Challenge(identifier, value, name) if data[0] == len(value) == CHALLENGE_LENGTH else None
            if data[0] == len(value) == RESPONSE_LENGTH:
                peer_challenge, nt_response, flags = _RESPONSE.unpack(value)
                return Response(identifier, peer_challenge, nt_response, name, flags)
    return None


@dataclass(frozen=True, slots=True)
class Failure:
    """The message of a Failure (RFC 2759 section 6)."""

    code: int
    may_retry: bool = False
    challenge: bytes = b""
    text: bytes = b""

    def encode(self) -> bytes:
        """Return the message; its version 3 means MS-CHAPv2."""
        return b"E=%d R=%d C=%s V=3 M=%s" % (
            self.code,
            self.may_retry,
            self.challenge.hex().upper().encode("ascii"),
            self.text,
        )

    @classmethod
    def parse(cls, message: bytes) -> Failure | None:
        """Parse a message; None if it has no code. Some peers omit the other fields."""
        found = _FAILURE.match(message)
        if found is None:
            return None
        code, retry, challenge, text = found["code"], found["retry"], found["challenge"] or b"", found["text"]
        return cls(int(code), retry == b"1", bytes.fromhex(challenge.decode("ascii")), text or b"")


_FAILURE = re.compile(
    rb"E=(?P<code>[0-9]{1,10})(?: R=(?P<retry>[01]))?(?: C=(?P<challenge>(?:[0-9A-Fa-f]{2})*))?(?: V=[0-9]{1,10})?"
    rb"(?: M=(?P<text>.*))?",
    re.DOTALL,
)


def _packet(code: Code, identifier: int, data: bytes) -> bytes:
    return _HEADER.pack(code, identifier, _HEADER.size + len(data)) + data
