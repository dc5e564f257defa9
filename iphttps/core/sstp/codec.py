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

from collections import Counter
from dataclasses import dataclass
from typing import Final

from ..errors import DropReason
from ..ip import ipv4 as ip4
from ..ip import ipv6 as ip6
from ..ip.batch import EMPTY, Batch
from ..loops import Loops
from .framing import IPV4, IPV6, MAXIMUM_PACKET, decode, encode
from .packet import HEADER_LENGTH, UNDELINEABLE, is_control, packet_length

__all__ = ["MAXIMUM_PACKET", "NOT_DELINEATED", "ControlPacket", "Frame", "SSTPCodec"]

NOT_DELINEATED: Final = "its stream cannot be delineated into SSTP packets"

ADDRESS_AND_CONTROL = b"\xff\x03"  # RFC 1662 section 3.1
FIRST_CONTROL_PROTOCOL = 0x4000
"""PPP protocols below this carry packets of the network layer: they are data frames (RFC 1661 section 2)."""


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
    packets. `compress` changes the header of the frames sent. `loops` is a compiled module, if there is one.
    """

    __slots__ = (
        "_at", "_decode", "_encode", "_expected", "_frames", "_held",
        "control", "data_passes", "drops", "end", "pending",
    )  # fmt: skip

    last = b""

    def __init__(self, loops: Loops | None = None) -> None:
        self.end: str | None = None
        self.data_passes = False
        self.control: list[ControlPacket | Frame] = []
        self.pending = False
        self.drops: Counter[DropReason] = Counter()
        self._held = b""
        self._at = 0
        self._expected = ADDRESS_AND_CONTROL + IPV4.to_bytes(2)
        self._decode = loops.decode if loops else decode
        self._encode = loops.encode if loops else encode
        self.compress()

    def compress(self, *, address_and_control: bool = False, protocol: bool = False) -> None:
        """Compress these fields of the frames sent, as negotiated with the peer (RFC 1661 6.5, 6.6)."""
        start = b"" if address_and_control else ADDRESS_AND_CONTROL
        size = 1 if protocol else 2
        self._frames = start + IPV4.to_bytes(size), start + IPV6.to_bytes(size)

    def encode(self, batch: Batch) -> bytes:
        """Encode packets, at least one, of at most MAXIMUM_PACKET bytes each."""
        ipv4, ipv6 = self._frames
        return self._encode(batch.data, batch.bounds, ipv4, ipv6)

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
        batches: list[Batch] = []
        size = len(data)
        while True:
            # The fast path of nearly all packets: the same frame header as before, and nothing unusual.
            if self.data_passes and not control:
                packets, bounds, offset = self._decode(data, offset, self._expected)
                if packets:
                    batches.append(Batch(packets, bounds))
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
                batches.append(Batch(packet, (0, len(packet))))
                self._expected = frame[:information]
            offset = following
        if self.pending:
            self._held, self._at = data, offset
        else:
            self._held, self._at = data[offset:], 0
        return Batch.joined(batches) if batches else EMPTY


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
