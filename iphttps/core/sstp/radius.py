"""The RADIUS attributes that SSTP uses: in Access-Request, its answer, and Accounting-Request.

An attribute is a key and a value of bytes. The key is the type of RFC 2865 section 5; for a vendor-specific attribute
it is the vendor number and the vendor type. Microsoft's attributes carry MS-CHAPv2 and its keys (RFC 2548). The caller
builds packets and authenticators and hides passwords.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address

from ..counters import Counters
from ..errors import ProtocolError
from ..ip.address import IPAddress
from ..queues.rate import AS_CONFIGURED, GrantedRate
from ..text import ascii_only, shortened
from .crypto_binding import NO_HLAK, server_hlak
from .ppp.chap import Failure, FailureCode
from .ppp.mschapv2_authenticator import Verify
from .ppp.server import Credentials

__all__ = [
    "Accepted",
    "Attributes",
    "ErrorCause",
    "Key",
    "Received",
    "Status",
    "TerminateCause",
    "Type",
    "access_request",
    "accounting",
    "mppe_key",
    "read_accept",
    "read_reject",
    "usage",
    "user_name",
]

Key = int | tuple[int, int]
Attributes = list[tuple[Key, bytes]]
Received = Mapping[Key, Sequence[bytes]]
"""The attributes of a received packet: all values of each key, in order."""

LONGEST = 253
"""Maximum length of a value (RFC 2865 section 5)."""

LONGEST_PASSWORD = 128
"""RFC 2865 section 5.2."""

SHORTEST_INTERIM = 60
"""Minimum number of seconds between two interim records (RFC 2869 section 5.16)."""

SUCCESS_LENGTH = 42
"""The length of an authenticator response (RFC 2759 section 5)."""

BY_CLIENT, BY_POOL = IPv4Address("255.255.255.255"), IPv4Address("255.255.255.254")
"""RFC 2865 section 5.8: the client or the NAS selects the address. Here the pool does in both cases."""


class Type(IntEnum):
    """The types of attributes (RFC 2865, 2866, 2869, 5176)."""

    USER_NAME = 1
    USER_PASSWORD = 2
    SERVICE_TYPE = 6
    FRAMED_PROTOCOL = 7
    FRAMED_IP_ADDRESS = 8
    REPLY_MESSAGE = 18
    CLASS = 25
    SESSION_TIMEOUT = 27
    IDLE_TIMEOUT = 28
    CALLING_STATION_ID = 31
    NAS_IDENTIFIER = 32
    ACCT_STATUS_TYPE = 40
    ACCT_INPUT_OCTETS = 42
    ACCT_OUTPUT_OCTETS = 43
    ACCT_SESSION_ID = 44
    ACCT_AUTHENTIC = 45
    ACCT_SESSION_TIME = 46
    ACCT_INPUT_PACKETS = 47
    ACCT_OUTPUT_PACKETS = 48
    ACCT_TERMINATE_CAUSE = 49
    ACCT_INPUT_GIGAWORDS = 52
    ACCT_OUTPUT_GIGAWORDS = 53
    EVENT_TIMESTAMP = 55
    NAS_PORT_TYPE = 61
    ACCT_INTERIM_INTERVAL = 85
    ERROR_CAUSE = 101


MICROSOFT = 311
CHAP_ERROR: Key = (MICROSOFT, 2)  # RFC 2548 section 2.1.5
CHAP_CHALLENGE: Key = (MICROSOFT, 11)  # 2.1.2
MPPE_SEND_KEY: Key = (MICROSOFT, 16)  # 2.4.2
MPPE_RECV_KEY: Key = (MICROSOFT, 17)  # 2.4.3
CHAP2_RESPONSE: Key = (MICROSOFT, 25)  # 2.3.2
CHAP2_SUCCESS: Key = (MICROSOFT, 26)  # 2.3.3


WISPR = 14122
MAX_UP: Key = (WISPR, 7)  # WISPr-Bandwidth-Max-Up and -Down (Wi-Fi Alliance, WISPr 1.0, appendix C): bits per second
MAX_DOWN: Key = (WISPR, 8)


class Status(IntEnum):
    """The values of Acct-Status-Type (RFC 2866 section 5.1)."""

    START = 1
    STOP = 2
    INTERIM = 3
    ON = 7
    OFF = 8


class TerminateCause(IntEnum):
    """The values of Acct-Terminate-Cause (RFC 2866 section 5.10)."""

    USER_REQUEST = 1
    LOST_CARRIER = 2
    IDLE_TIMEOUT = 4
    SESSION_TIMEOUT = 5
    ADMIN_RESET = 6
    ADMIN_REBOOT = 7
    NAS_REQUEST = 10


class ErrorCause(IntEnum):
    """The values of Error-Cause in a Disconnect-NAK (RFC 5176 section 3.5)."""

    MISSING_ATTRIBUTE = 402
    NAS_IDENTIFICATION_MISMATCH = 403
    UNSUPPORTED_EXTENSION = 406
    SESSION_NOT_FOUND = 503


@dataclass(frozen=True, slots=True)
class Accepted:
    """The content of an Access-Accept.

    `name` is the User-Name to use in accounting, empty without one. `success` is the
    authenticator response of MS-CHAPv2, 42 bytes, `hlak` the server's HLAK, 32 bytes. Times are in seconds; 0 means
    none. `classes` are returned in accounting (RFC 2865 section 5.25). `max_rate` is the user's maximum rate.
    """

    name: bytes = b""
    success: bytes = b""
    hlak: bytes = NO_HLAK
    address: IPv4Address | None = None
    session_timeout: int = 0
    idle_timeout: int = 0
    interim: int = 0
    classes: tuple[bytes, ...] = ()
    max_rate: GrantedRate = AS_CONFIGURED


def user_name(credentials: Credentials) -> bytes:
    """Return the name in a client's credentials, as sent."""
    return credentials.response.name if isinstance(credentials, Verify) else credentials.name


def access_request(credentials: Credentials, address: IPAddress | None, nas: bytes, session: bytes) -> Attributes:
    """Return the attributes of an Access-Request, without the PAP password.

    `address` is the client's outer address, `nas` this server's name, `session` the Acct-Session-Id, by which the
    RADIUS server relates login and accounting (RFC 2866 section 5.5).

    Raises:
        ProtocolError: The name or the password does not fit into RADIUS.
    """
    name = user_name(credentials)
    if not 0 < len(name) <= LONGEST:
        raise ProtocolError(f"RADIUS takes a name of 1 to {LONGEST} bytes, not of {len(name)}")
    found: Attributes = [(Type.USER_NAME, name)]
    if isinstance(credentials, Verify):
        response = credentials.response
        # RFC 2548 section 2.3.2: Ident, Flags, Peer-Challenge, Reserved, Response
        value = struct.pack("!BB16s8x24s", response.identifier, 0, response.peer_challenge, response.nt_response)
        found += [(CHAP_CHALLENGE, credentials.challenge), (CHAP2_RESPONSE, value)]
    elif len(credentials.password) > LONGEST_PASSWORD:
        raise ProtocolError(f"RADIUS takes a password of at most {LONGEST_PASSWORD} bytes")
    return found + _about(address, nas, session)


def _about(address: IPAddress | None, nas: bytes, session: bytes) -> Attributes:
    """Return the attributes common to login and accounting."""
    return [
        (Type.SERVICE_TYPE, _number(2)),  # Framed
        (Type.FRAMED_PROTOCOL, _number(1)),  # PPP
        (Type.NAS_PORT_TYPE, _number(5)),  # Virtual
        (Type.NAS_IDENTIFIER, nas),
        (Type.ACCT_SESSION_ID, session),
        *([(Type.CALLING_STATION_ID, str(address).encode("ascii"))] if address else ()),
    ]


def accounting(
    status: Status,
    now: float,
    *,
    nas: bytes,
    session: bytes,
    name: bytes = b"",
    address: IPAddress | None = None,
    ipv4: bytes = b"",
    classes: Iterable[bytes] = (),
    usage: Iterable[tuple[Key, bytes]] = (),
) -> Attributes:
    """Return the attributes of an Accounting-Request (RFC 2866); without a `name` it is for the server itself.

    `now` is the time of day in seconds, `address` the client's outer address, `ipv4` its inner one, 4 bytes.
    """
    found: Attributes = [
        (Type.ACCT_STATUS_TYPE, _number(status)),
        # RFC 2869 section 5.3; unlike Acct-Delay-Time it stays the same in retransmissions
        (Type.EVENT_TIMESTAMP, _number(int(now))),
    ]
    if not name:
        return [*found, (Type.NAS_IDENTIFIER, nas), (Type.ACCT_SESSION_ID, session)]
    found += [(Type.USER_NAME, name), (Type.ACCT_AUTHENTIC, _number(1)), *_about(address, nas, session)]
    if ipv4:
        found.append((Type.FRAMED_IP_ADDRESS, ipv4))
    return found + [(Type.CLASS, value) for value in classes] + list(usage)


def usage(counters: Counters, seconds: float, cause: TerminateCause | None = None) -> Attributes:
    """Return a session's usage, and the terminate cause if it has ended; input is from the client."""
    found: Attributes = [
        (Type.ACCT_SESSION_TIME, _number(int(seconds))),
        (Type.ACCT_INPUT_OCTETS, _number(counters.bytes_in)),
        (Type.ACCT_OUTPUT_OCTETS, _number(counters.bytes_out)),
        (Type.ACCT_INPUT_PACKETS, _number(counters.packets_in)),
        (Type.ACCT_OUTPUT_PACKETS, _number(counters.packets_out)),
        # RFC 2869 sections 5.1 and 5.2
        (Type.ACCT_INPUT_GIGAWORDS, _number(counters.bytes_in >> 32)),
        (Type.ACCT_OUTPUT_GIGAWORDS, _number(counters.bytes_out >> 32)),
    ]
    return found + ([(Type.ACCT_TERMINATE_CAUSE, _number(cause))] if cause else [])


def read_accept(attributes: Received, credentials: Credentials, secret: bytes, authenticator: bytes) -> Accepted:
    """Return the content of an Access-Accept; `authenticator` is that of the request, 16 bytes.

    Raises:
        ProtocolError: An attribute is malformed, or one that MS-CHAPv2 needs is missing.
    """
    success, hlak = b"", NO_HLAK
    if isinstance(credentials, Verify):
        success = _success(attributes, credentials.response.identifier)
        send, receive = (
            mppe_key(_one(attributes, key, what), secret, authenticator)
            for key, what in ((MPPE_SEND_KEY, "MS-MPPE-Send-Key"), (MPPE_RECV_KEY, "MS-MPPE-Recv-Key"))
        )
        hlak = server_hlak(send, receive)
    interim = _integer(attributes, Type.ACCT_INTERIM_INTERVAL)
    address = IPv4Address(_integer(attributes, Type.FRAMED_IP_ADDRESS, int(BY_POOL)))
    return Accepted(
        next(iter(attributes.get(Type.USER_NAME, ())), b""),
        success,
        hlak,
        None if address in (BY_CLIENT, BY_POOL) else address,
        _integer(attributes, Type.SESSION_TIMEOUT),
        _integer(attributes, Type.IDLE_TIMEOUT),
        max(interim, SHORTEST_INTERIM) if interim else 0,
        tuple(attributes.get(Type.CLASS, ())),
        GrantedRate(*(_integer(attributes, key) if key in attributes else None for key in (MAX_UP, MAX_DOWN))),
    )


def read_reject(attributes: Received) -> tuple[int, str]:
    """Return the code of RFC 2759 section 6 for the client, and the Reply-Message for the log, empty without one."""
    code: int = FailureCode.AUTHENTICATION_FAILURE
    for value in attributes.get(CHAP_ERROR, ()):
        # RFC 2548 section 2.1.5: an identifier precedes the message
        failure = Failure.parse(value[1:])
        if failure:
            code = failure.code
    return code, shortened(" ".join(ascii_only(value) for value in attributes.get(Type.REPLY_MESSAGE, ())))


def mppe_key(value: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """Decrypt an MS-MPPE-Send-Key or an MS-MPPE-Recv-Key (RFC 2548 section 2.4.2).

    Raises:
        ProtocolError: The value is malformed, or encrypted with another secret.
    """
    salt, hidden = value[:2], value[2:]
    if len(salt) != 2 or not hidden or len(hidden) % 16:
        raise ProtocolError("an MPPE key of the RADIUS server has a wrong length")
    plain, last = b"", authenticator + salt
    for start in range(0, len(hidden), 16):
        block = hidden[start : start + 16]
        mask = hashlib.md5(secret + last).digest()
        plain += bytes(each ^ other for each, other in zip(block, mask, strict=True))
        last = block
    length = plain[0]
    if not 0 < length < len(plain) or any(plain[1 + length :]):
        raise ProtocolError("an MPPE key of the RADIUS server cannot be decrypted")
    return plain[1 : 1 + length]


def _success(attributes: Received, identifier: int) -> bytes:
    value = _one(attributes, CHAP2_SUCCESS, "MS-CHAP2-Success")
    if len(value) <= SUCCESS_LENGTH or value[0] != identifier or not value[1:].startswith(b"S="):
        raise ProtocolError("MS-CHAP2-Success of the RADIUS server is malformed")
    return value[1 : 1 + SUCCESS_LENGTH]


def _one(attributes: Received, key: Key, what: str) -> bytes:
    values = attributes.get(key, ())
    if len(values) != 1:
        raise ProtocolError(f"the RADIUS server accepts without {what}, which MS-CHAPv2 and the crypto binding need")
    return values[0]


def _integer(attributes: Received, key: Key, default: int = 0) -> int:
    values = attributes.get(key, ())
    if any(len(value) != 4 for value in values):
        raise ProtocolError(f"attribute {key} of the RADIUS server does not have 4 bytes")
    return int.from_bytes(values[0], "big") if values else default


def _number(value: int) -> bytes:
    return struct.pack("!I", value & 0xFFFFFFFF)
