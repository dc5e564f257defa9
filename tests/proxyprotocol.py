"""PROXY headers, put together by the letter of HAProxy's doc/proxy-protocol.txt."""

from __future__ import annotations

import struct
from ipaddress import ip_address

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
UNSPEC, TCP4, UDP4, TCP6, UNIX = 0x00, 0x11, 0x12, 0x21, 0x31

PP2_TYPE_AUTHORITY = 0x02
PP2_TYPE_CRC32C = 0x03
PP2_TYPE_SSL = 0x20
PP2_SUBTYPE_SSL_VERSION = 0x21
PP2_SUBTYPE_SSL_CN = 0x22

VERIFIED = 0x07
"""Client flags: over TLS, with a certificate in this connection and in the session."""


def version1(source: str, destination: str, source_port: int | str, destination_port: int | str) -> bytes:
    """Build a header of version 1."""
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {destination} {source_port} {destination_port}\r\n".encode()


def version2(source: str, destination: str, port: int, *fields: bytes, family: int | None = None) -> bytes:
    """Build a header of version 2 for a connection from an address and port to port 443 of the destination."""
    addresses = ip_address(source).packed + ip_address(destination).packed
    ports = struct.pack("!HH", port, 443)
    return header(PROXY, family or (TCP6 if ":" in source else TCP4), addresses + ports + b"".join(fields))


def header(command: int, family: int, content: bytes) -> bytes:
    """Build any header of version 2."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(content)) + content


def field(kind: int, value: bytes) -> bytes:
    """Build a field, a type-length-value."""
    return struct.pack("!BH", kind, len(value)) + value


def tls(common_name: bytes | None, flags: int = VERIFIED, verify: int = 0) -> bytes:
    """Build the field with what the front says of TLS."""
    inner = field(PP2_SUBTYPE_SSL_VERSION, b"TLSv1.3")
    if common_name is not None:
        inner += field(PP2_SUBTYPE_SSL_CN, common_name)
    return field(PP2_TYPE_SSL, struct.pack("!BI", flags, verify) + inner)
