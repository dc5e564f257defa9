"""The codec of SSTP: IP packets in PPP frames in SSTP data packets ([MS-SSTP] 2.2.3, RFC 1661 section 2).

All IP packets of a chunk come out as one batch, and a batch becomes one bytes object. Everything else, control packets
and the frames that PPP itself must see, waits in `control`, in order of arrival.

A control packet may start or stop the flow of data (3.3.5.2.3), and so may a frame, if the binding waits for the end of
authentication. Therefore `feed` stops at data that follows an item in `control`, and sets `pending`. The session
reads a chunk like this:

    batch = codec.feed(chunk)
    deliver(batch)
    for each item of codec.control: act on it, and set codec.data_passes; then clear codec.control
    if codec.pending: the same again with feed(b"")

Data and control packets are thus processed in order of arrival.

A frame holds one IP packet. PPP may pad a frame (RFC 1661 section 2); padding beyond the length in the IP header is
removed. A packet that is longer than its frame is dropped.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from ..errors import DropReason
from ..ip import ipv4 as ip4
from ..ip import ipv6 as ip6
from ..ip.batch import EMPTY, Batch
from .packet import HEADER_LENGTH, MAXIMUM_LENGTH, UNDELINEABLE, VERSION, data_packet, is_control, packet_length

__all__ = ["MAXIMUM_PACKET", "NOT_DELINEATED", "ControlPacket", "Frame", "SSTPCodec"]

NOT_DELINEATED: Final = "its stream cannot be delineated into SSTP packets"

ADDRESS_AND_CONTROL = b"\xff\x03"  # RFC 1662 section 3.1
IPV4 = 0x0021  # RFC 1332 section 2
IPV6 = 0x0057  # RFC 5072 section 3
FIRST_CONTROL_PROTOCOL = 0x4000
"""PPP protocols below this carry packets of the network layer: they are data frames (RFC 1661 section 2)."""

MAXIMUM_PACKET = MAXIMUM_LENGTH - HEADER_LENGTH - 4
"""Maximum bytes of an IP packet that fits after the longest frame header."""

SHORTEST_RUN, LONGEST_RUN = 4, 64
"""The bounds of a run of packets of one length, which are decoded at once; a flow has mostly one length."""

Unpack = Callable[[bytes, int], tuple[int, bytes, int, int]]

_PLAIN = VERSION << 24  # the first two bytes of a data packet's header, with its length in the low bits
_USUAL_IPV4 = ip4.VERSION << 4 | ip4.HEADER_LENGTH // 4


@dataclass(frozen=True, slots=True)
class ControlPacket:
    """A whole SSTP control packet, header included."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """A PPP frame that holds no IP packet, with its header as received."""

    data: bytes


class SSTPCodec:
    """Decodes IP packets from the stream of an SSTP connection, and encodes them.

    While `data_passes` is False, data frames are dropped (3.3.5.2.3, 3.3.7.2). `control` holds the items for the
    session to process; `pending` means that bytes wait behind them. `drops` counts dropped data frames and malformed IP
    packets. `compress` changes the header of the frames sent.
    """

    __slots__ = ("_at", "_expected", "_headers", "_held", "control", "data_passes", "drops", "end", "pending")

    last = b""

    def __init__(self) -> None:
        self.end: str | None = None
        self.data_passes = False
        self.control: list[ControlPacket | Frame] = []
        self.pending = False
        self.drops: Counter[DropReason] = Counter()
        self._held = b""
        self._at = 0
        self._expected = _expected(ADDRESS_AND_CONTROL + IPV4.to_bytes(2))
        self.compress()

    def compress(self, *, address_and_control: bool = False, protocol: bool = False) -> None:
        """Compress these fields of the frames sent, as negotiated with the peer (RFC 1661 6.5, 6.6)."""
        self._headers = _headers(address_and_control, protocol)

    def encode(self, batch: Batch) -> bytes:
        """Encode packets, at least one, of at most MAXIMUM_PACKET bytes each."""
        data = batch.data
        ipv4, ipv6 = self._headers
        pieces = []
        start = 0
        for end in batch.bounds[1:]:
            pieces.append((ipv6 if data[start] >= 0x60 else ipv4)[end - start])
            pieces.append(data[start:end])
            start = end
        return b"".join(pieces)

    def feed(self, data: bytes) -> Batch:
        """Take the next bytes of the stream and return the packets that they complete.

        It stops at data that follows an item in `control`; `feed(b"")` continues from there. At most one incomplete
        packet, 4094 bytes, is kept beyond the pending data. Once `end` is set, nothing more is returned; the packets
        and control items of this call preceded the fault.
        """
        if self.end:
            return EMPTY
        offset = 0
        if self._held:
            if data:
                data = self._held[self._at :] + data
            else:
                data, offset = self._held, self._at
        self.pending = False
        control = self.control
        pieces: list[bytes] = []
        bounds = [0]
        total = 0
        size = len(data)
        before = alike = 0
        while True:
            unpack, header, ipv4, ipv6 = self._expected
            plain, most = _PLAIN + header, MAXIMUM_LENGTH - header
            # The fast path of nearly all packets: the same frame header as before, exactly one whole IP packet, and
            # zeros in all reserved bits. No whole packet is shorter than an IPv4 header, so `unpack` finds its bytes.
            last = size - header - ip4.HEADER_LENGTH if self.data_passes and not control else -1
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
            # The slow path of everything else.
            if offset >= size:
                break
            length = packet_length(data, offset)
            if length == UNDELINEABLE:  # 3.1.5.1: drop the connection, without a message
                self.end = NOT_DELINEATED
                offset = size
                break
            following = offset + length
            if not length or following > size:
                break
            if is_control(data, offset):
                control.append(ControlPacket(data[offset:following]))
                offset = following
                continue
            frame = data[offset + HEADER_LENGTH : following]
            number, information = _protocol(frame)
            if number >= FIRST_CONTROL_PROTOCOL:
                control.append(Frame(frame))
            elif control:
                self.pending = True
                break
            elif not self.data_passes:  # 3.3.7.2: in the other states, drop the packet
                self.drops[DropReason.NOT_CONNECTED] += 1
            elif not number:
                self.drops[DropReason.NOT_IP] += 1
            elif number not in (IPV4, IPV6):
                control.append(Frame(frame))
            elif isinstance(packet := _ip_packet(frame, information, number), DropReason):
                self.drops[packet] += 1
            else:
                pieces.append(packet)
                total += len(packet)
                bounds.append(total)
                self._expected = _expected(frame[:information])
            offset = following
        if self.pending:
            self._held, self._at = data, offset
        else:
            self._held, self._at = data[offset:], 0
        return Batch(b"".join(pieces), bounds) if pieces else EMPTY


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


def _protocol(frame: bytes) -> tuple[int, int]:
    """Return a frame's protocol number and the offset of its Information field (RFC 1661 sections 2, 6.5, 6.6).

    Compressed fields are accepted whether or not they were negotiated. A frame that is too short for a protocol gets
    the number 0, which no protocol has.
    """
    start = 2 if frame[:2] == ADDRESS_AND_CONTROL else 0
    if frame[start : start + 1] and frame[start] & 1:
        return frame[start], start + 1
    return int.from_bytes(frame[start : start + 2]) if len(frame) >= start + 2 else 0, start + 2


def _ip_packet(frame: bytes, start: int, protocol: int) -> bytes | DropReason:
    """Return the IP packet in a frame, without padding, or the reason to drop it."""
    size = len(frame) - start
    if protocol == IPV4:
        if size < ip4.HEADER_LENGTH or frame[start] >> 4 != ip4.VERSION:
            return DropReason.NOT_IP
        length = ip4.length(frame, start)
        if length is None or length > size:
            return DropReason.WRONG_LENGTH
    else:
        if size < ip6.HEADER_LENGTH or frame[start] >> 4 != ip6.VERSION:
            return DropReason.NOT_IP
        field = start + ip6.PAYLOAD_LENGTH
        length = ip6.HEADER_LENGTH + int.from_bytes(frame[field : field + 2])
        if length > size:
            return DropReason.WRONG_LENGTH
    return frame[start : start + length]


@cache
def _expected(header: bytes) -> tuple[Unpack, int, bytes, bytes]:
    """Return the parameters of the fast path for frames with this PPP header.

    They are a function that unpacks the SSTP header, the PPP header and the first six bytes of the IP packet; the
    length of both headers; and the PPP headers of IPv4 and IPv6 in this form.
    """
    unpack = struct.Struct(f"!I{len(header)}sIH").unpack_from
    return unpack, HEADER_LENGTH + len(header), header[:-1] + IPV4.to_bytes(), header[:-1] + IPV6.to_bytes()


@cache
def _headers(address_and_control: bool, protocol: bool) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """Return the headers for IPv4 and IPv6 packets, indexed by packet length and shared by all sessions."""
    start = b"" if address_and_control else ADDRESS_AND_CONTROL
    frames = [start + number.to_bytes(1 if protocol else 2) for number in (IPV4, IPV6)]
    ipv4, ipv6 = (
        [data_packet(frame + bytes(length))[: HEADER_LENGTH + len(frame)] for length in range(MAXIMUM_PACKET + 1)]
        for frame in frames
    )
    return ipv4, ipv6
