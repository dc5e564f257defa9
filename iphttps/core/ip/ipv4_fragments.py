"""Fragmentation of IPv4 packets (RFC 791 section 3.2)."""

from __future__ import annotations

from . import ipv4
from .ipv6 import internet_checksum

__all__ = ["fragments", "may_be_fragmented"]

_MORE_FRAGMENTS = 0x2000
_OFFSET = 0x1FFF  # in units of 8 bytes
_UNIT = 8
_END_OF_OPTIONS, _NO_OPERATION, _COPIED = 0, 1, 0x80


def may_be_fragmented(packet: bytes) -> bool:
    """Return True if a packet may be fragmented, because Don't Fragment is not set."""
    return not _flags(packet) & ipv4.DONT_FRAGMENT


def fragments(packet: bytes, mtu: int) -> list[bytes]:
    """Return the fragments of a packet that is longer than the MTU, at least 68 bytes (RFC 791 section 3.2).

    The packet may be a fragment itself. The first fragment has all options; the others have those with the copied flag.
    """
    header, payload = _split(packet)
    flags = _flags(packet)
    later = _copied(header)
    found: list[bytes] = []
    at = 0
    while at < len(payload):
        room = mtu - len(header)
        last = len(payload) - at <= room
        part = payload[at:] if last else payload[at : at + room // _UNIT * _UNIT]
        more = flags & _MORE_FRAGMENTS if last else _MORE_FRAGMENTS
        found.append(_fragment(header, part, (flags & _OFFSET) + at // _UNIT | more))
        at += len(part)
        header = later
    return found


def _flags(packet: bytes) -> int:
    return int.from_bytes(packet[ipv4.FLAGS : ipv4.FLAGS + 2])


def _split(packet: bytes) -> tuple[bytes, bytes]:
    length = (packet[0] & 0x0F) * 4
    return packet[:length], packet[length:]


def _fragment(header: bytes, payload: bytes, flags: int) -> bytes:
    whole = bytearray(header)
    whole[0] = ipv4.VERSION << 4 | len(header) // 4
    whole[ipv4.TOTAL_LENGTH : ipv4.TOTAL_LENGTH + 2] = (len(header) + len(payload)).to_bytes(2)
    whole[ipv4.FLAGS : ipv4.FLAGS + 2] = flags.to_bytes(2)
    whole[ipv4.CHECKSUM : ipv4.CHECKSUM + 2] = bytes(2)
    whole[ipv4.CHECKSUM : ipv4.CHECKSUM + 2] = internet_checksum(bytes(whole)).to_bytes(2)
    return bytes(whole) + payload


def _copied(header: bytes) -> bytes:
    """Return the header of all fragments but the first: only copied options, padded to a multiple of 4 bytes."""
    options, kept = header[ipv4.HEADER_LENGTH :], b""
    while options and options[0] != _END_OF_OPTIONS:
        length = 1 if options[0] == _NO_OPERATION else max(options[1], 2) if len(options) > 1 else 1
        if options[0] & _COPIED:
            kept += options[:length]
        options = options[length:]
    return header[: ipv4.HEADER_LENGTH] + kept + bytes(-len(kept) % 4)
