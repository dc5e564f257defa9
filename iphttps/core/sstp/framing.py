"""The framing of nearly all packets of SSTP, in Python: runs of data packets with the same PPP header.

The codec decides about everything else. `Loops` describes the two functions; a compiled module has them too.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import cache

from ..ip import ipv4 as ip4
from ..ip import ipv6 as ip6
from .packet import HEADER_LENGTH, MAXIMUM_LENGTH, VERSION, data_packet

__all__ = ["IPV4", "IPV6", "MAXIMUM_PACKET", "decode", "encode"]

IPV4 = 0x0021  # RFC 1332 section 2
IPV6 = 0x0057  # RFC 5072 section 3

MAXIMUM_PACKET = MAXIMUM_LENGTH - HEADER_LENGTH - 4
"""Maximum bytes of an IP packet that fits after the longest frame header."""

SHORTEST_RUN, LONGEST_RUN = 4, 64
"""The bounds of a run of packets of one length, which are decoded at once; a flow has mostly one length."""

Unpack = Callable[[bytes, int], tuple[int, bytes, int, int]]

_PLAIN = VERSION << 24  # the first two bytes of a data packet's header, with its length in the low bits
_USUAL_IPV4 = ip4.VERSION << 4 | ip4.HEADER_LENGTH // 4


def decode(data: bytes, offset: int, frame: bytes) -> tuple[bytes, Sequence[int], int]:
    """Return the IP packets in the data packets from `offset` on, their bounds, and the offset of the rest.

    It stops before a packet that is incomplete, or that has not the PPP header `frame`, exactly one whole IP packet and
    zeros in all reserved bits. The protocol number in `frame` may be that of either version of IP.
    """
    unpack, header, ipv4, ipv6 = _expected(frame)
    plain, most = _PLAIN + header, MAXIMUM_LENGTH - header
    pieces: list[bytes] = []
    bounds = [0]
    total = before = alike = 0
    size = len(data)
    # No whole packet is shorter than an IPv4 header, so `unpack` finds its bytes.
    last = size - header - ip4.HEADER_LENGTH
    while offset <= last:
        first, protocol, word, payload = unpack(data, offset)
        if protocol == ipv4:
            length = word & 0xFFFF
            if word >> 24 != _USUAL_IPV4 or length < ip4.HEADER_LENGTH:
                break
        elif protocol == ipv6:
            if word >> 28 != ip6.VERSION:
                break
            length = payload + ip6.HEADER_LENGTH
        else:
            break
        following = offset + header + length
        if first != plain + length or length > most or following > size:
            break
        alike = alike + 1 if first == before else 1
        before = first
        if alike < SHORTEST_RUN:
            pieces.append(data[offset + header : following])
            total += length
            bounds.append(total)
        else:
            step = header + length
            alike = _run(data, offset, step, header, protocol == ipv6)
            following = offset + alike * step
            pieces += struct.unpack_from(f"{header}x{length}s" * alike, data, offset)
            bounds += range(total + length, total + alike * length + 1, length)
            total += alike * length
        offset = following
    return b"".join(pieces), bounds, offset


def encode(data: bytes, bounds: Sequence[int], ipv4: bytes, ipv6: bytes) -> bytes:
    """Return the data packets of these IP packets, of at most MAXIMUM_PACKET bytes each, behind these PPP headers."""
    of_ipv4, of_ipv6 = _headers(ipv4), _headers(ipv6)
    pieces = []
    start = 0
    for end in bounds[1:]:
        pieces.append((of_ipv6 if data[start] >= 0x60 else of_ipv4)[end - start])
        pieces.append(data[start:end])
        start = end
    return b"".join(pieces)


def _run(data: bytes, offset: int, step: int, header: int, ipv6: bool) -> int:
    """Return how many packets, each `step` bytes behind the one before, have the headers of that at `offset`; or 1.

    The headers are those of SSTP and PPP, of `header` bytes together, and what `feed` reads of the one of IP. At each
    place in them the bytes of all packets are compared in one call.
    """
    number = min((len(data) - offset) // step, LONGEST_RUN)
    for place in _places(header, ipv6):
        column = data[offset + place : offset + number * step : step]
        number -= len(column.lstrip(column[:1]))
        if number < SHORTEST_RUN:
            return 1
    return number


@cache
def _places(header: int, ipv6: bool) -> Sequence[int]:
    """Return the places in a packet that are compared: first those that differ most often, length and protocol."""
    first = HEADER_LENGTH - 1, header - 1
    length = header + (ip6.PAYLOAD_LENGTH if ipv6 else ip4.TOTAL_LENGTH)
    return (*first, *(place for place in range(header + 1) if place not in first), length, length + 1)


@cache
def _expected(header: bytes) -> tuple[Unpack, int, bytes, bytes]:
    """Return the parameters of the fast path for frames with this PPP header.

    They are a function that unpacks the SSTP header, the PPP header and the first six bytes of the IP packet; the
    length of both headers; and the PPP headers of IPv4 and IPv6 in this form.
    """
    unpack = struct.Struct(f"!I{len(header)}sIH").unpack_from
    return unpack, HEADER_LENGTH + len(header), header[:-1] + IPV4.to_bytes(), header[:-1] + IPV6.to_bytes()


@cache
def _headers(frame: bytes) -> Sequence[bytes]:
    """Return the headers for packets with this PPP header, indexed by packet length and shared by all sessions."""
    end = HEADER_LENGTH + len(frame)
    return [data_packet(frame + bytes(length))[:end] for length in range(MAXIMUM_PACKET + 1)]
