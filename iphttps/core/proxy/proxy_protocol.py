"""The PROXY protocol, versions 1 and 2: a header in which a proxy names the client of a connection.

The specification is doc/proxy-protocol.txt of HAProxy; section numbers refer to it. Twisted's own parser needs the
first 16 bytes in one piece, and ignores the TLS information, which is all that is left of the client's certificate
behind a proxy that terminates TLS. This parser accepts the stream in any pieces. Section 2 forbids guessing whether a
header is present, so the operator configures that.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from ..errors import ProtocolError
from ..ip.address import IPAddress
from .crc32c import crc32c

_TEXT = b"PROXY "  # 2.1
_LONGEST_TEXT = 107
_PORT = re.compile("0|[1-9][0-9]{0,4}")
_FAMILIES: dict[str, type[IPv4Address] | type[IPv6Address]] = {"TCP4": IPv4Address, "TCP6": IPv6Address}

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"  # 2.2
_BINARY_HEADER = struct.Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21  # version 2, and the command
_TCP4, _TCP6 = 0x11, 0x21
_NAMELESS = (0x00, 0x31)  # unspecified, or a UNIX socket: without an IP address
_ADDRESSES = {_TCP4: struct.Struct("!4s4sHH"), _TCP6: struct.Struct("!16s16sHH")}

_TLV = struct.Struct("!BH")
_PP2_TYPE_CRC32C = 0x03
_CRC32C = struct.Struct("!I")  # 2.2.3; in network order, as HAProxy sends it
_SSL = struct.Struct("!BI")  # 2.2.5
_PP2_TYPE_SSL = 0x20
_PP2_SUBTYPE_SSL_CN = 0x22
_CERTIFICATE = 0x02 | 0x04  # presented in this connection, or in the session that it resumes


@dataclass(frozen=True, slots=True)
class Announcement:
    """The contents of a PROXY header; `rest` are the bytes after it.

    `address` and `port` are the client's; `address` is None if there is none, as in a health check. `common_name` is
    the subject name of the client certificate that the proxy has verified, or None.
    """

    address: IPAddress | None
    port: int
    common_name: str | None
    rest: bytes


class ProxyProtocol:
    """A parser of the header at the beginning of a stream."""

    def __init__(self) -> None:
        self._waiting = b""

    def feed(self, data: bytes) -> Announcement | None:
        """Take bytes of the stream; return None until the header is complete.

        Raises:
            ProtocolError: The header is missing or malformed.
        """
        self._waiting += data
        waiting = self._waiting
        if _SIGNATURE.startswith(waiting[: len(_SIGNATURE)]):
            return _binary(waiting)
        if _TEXT.startswith(waiting[: len(_TEXT)]):
            return _text(waiting)
        raise ProtocolError("the front sent no PROXY header, which --proxy-protocol demands of it")


def _text(stream: bytes) -> Announcement | None:
    """Parse version 1 (2.1)."""
    line, end, rest = stream[:_LONGEST_TEXT].partition(b"\r\n")
    if not end:
        if len(stream) >= _LONGEST_TEXT:
            raise ProtocolError("the PROXY header does not end")
        return None
    rest += stream[_LONGEST_TEXT:]
    try:
        match line.decode("ascii").split(" "):
            case ["PROXY", "UNKNOWN", *_]:  # "the receiver must ignore anything presented before the CRLF"
                return Announcement(None, 0, None, rest)
            case ["PROXY", "TCP4" | "TCP6" as family, source, destination, *ports] if len(ports) == 2:
                address = _address(family, source)
                _address(family, destination)
                port, _ = map(_port, ports)
                return Announcement(address, port, None, rest)
    except ValueError as error:
        raise ProtocolError("the PROXY header is malformed") from error
    raise ProtocolError("the PROXY header is malformed")


def _address(family: str, text: str) -> IPAddress:
    if "%" in text:  # Python accepts a zone; the protocol has none
        raise AddressValueError(text)
    return _FAMILIES[family](text)


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 0xFFFF:
        raise ValueError(text)
    return int(text)


def _binary(stream: bytes) -> Announcement | None:
    """Parse version 2 (2.2)."""
    if len(stream) < _BINARY_HEADER.size:
        return None
    _, command, family, length = _BINARY_HEADER.unpack_from(stream)
    if command not in (_LOCAL, _PROXY) or family not in (*_ADDRESSES, *_NAMELESS):
        raise ProtocolError("the PROXY header has an unsupported version or protocol")
    end = _BINARY_HEADER.size + length
    if len(stream) < end:
        return None
    content, rest = stream[_BINARY_HEADER.size : end], stream[end:]
    if command == _LOCAL or family in _NAMELESS:  # their addresses must be ignored
        return Announcement(None, 0, None, rest)
    addresses = _ADDRESSES[family]
    if length < addresses.size:
        raise ProtocolError("the PROXY header is too short for its addresses")
    source, _, port, _ = addresses.unpack_from(content)
    _check(stream[:end], _BINARY_HEADER.size + addresses.size)
    address = IPv4Address(source) if family == _TCP4 else IPv6Address(source)
    return Announcement(address, port, _common_name(content[addresses.size :]), rest)


def _check(header: bytes, at: int) -> None:
    """Raise ProtocolError if the fields, from offset `at`, include a wrong checksum of the header (2.2.3)."""
    for kind, value in _fields(header[at:]):
        at += _TLV.size
        end = at + len(value)
        if kind == _PP2_TYPE_CRC32C:
            # "replace the 32 bits of the checksum field in the received PROXY header with all '0's"
            expected = _CRC32C.pack(crc32c(header[:at] + bytes(len(value)) + header[end:]))
            if value != expected:
                raise ProtocolError("the PROXY header is damaged: its checksum is wrong")
        at = end


def _common_name(fields: bytes) -> str | None:
    """Return the common name of the client's certificate, if the proxy has verified one (2.2.5)."""
    tls = _only(fields, _PP2_TYPE_SSL)
    if tls is None:
        return None
    if len(tls) < _SSL.size:
        raise ProtocolError("the TLS field of the PROXY header is too short")
    flags, failure = _SSL.unpack_from(tls)
    name = _only(tls[_SSL.size :], _PP2_SUBTYPE_SSL_CN)
    if failure or not flags & _CERTIFICATE or not name:
        return None
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError("the name in the PROXY header is not UTF-8") from error


def _only(fields: bytes, wanted: int) -> bytes | None:
    """Return the value of a field, or None if it is missing; a duplicate is an error."""
    values = [value for kind, value in _fields(fields) if kind == wanted]
    if len(values) > 1:
        raise ProtocolError("a field of the PROXY header is duplicated")
    return values[0] if values else None


def _fields(fields: bytes) -> Iterator[tuple[int, bytes]]:
    while fields:
        if len(fields) < _TLV.size:
            raise ProtocolError("a field of the PROXY header is cut off")
        kind, length = _TLV.unpack_from(fields)
        if len(fields) < _TLV.size + length:
            raise ProtocolError("a field of the PROXY header is cut off")
        yield kind, fields[_TLV.size : _TLV.size + length]
        fields = fields[_TLV.size + length :]
