"""Framing: between a byte stream and whole packets (3.1.5.3, 3.2.5.2).

"Framing in the IP-HTTPS Protocol relies exclusively on the length of the IPv6 header." Packets laid end
to end therefore already are the HTTP entity body: nothing is packed or unpacked. The rest of the program passes packets
around as a Batch: such a run of bytes, and the offsets of the packet boundaries in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from ..errors import DropReason
from .ipv6 import HEADER_LENGTH, PAYLOAD_LENGTH, VERSION


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole packets laid end to end.

    `data` holds the packets and nothing else. `bounds` are byte offsets into it: the start of each packet, then the end
    of the last one. N packets have N + 1 bounds; an empty batch has the one bound 0.
    """

    data: bytes
    bounds: Sequence[int]

    @classmethod
    def of(cls, packets: Iterable[bytes]) -> Batch:
        """Make a batch of packets, each of which must be exactly one whole packet."""
        packets = list(packets)
        return cls(b"".join(packets), list(accumulate(map(len, packets), initial=0)))

    @classmethod
    def joined(cls, batches: Sequence[Batch]) -> Batch:
        """Concatenate batches; `batches` must not be empty."""
        if len(batches) == 1:
            return batches[0]
        bounds = [0]
        for batch in batches:
            before = bounds[-1]
            bounds += [before + bound for bound in batch.bounds[1:]]
        return cls(b"".join([batch.data for batch in batches]), bounds)

    def portions(self, most: int) -> Iterator[Batch]:
        """Yield the packets in order, in batches of at most `most` packets."""
        for first in range(0, len(self), most):
            bounds = self.bounds[first : first + most + 1]
            start = bounds[0]
            yield Batch(self.data[start : bounds[-1]], [bound - start for bound in bounds])

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __iter__(self) -> Iterator[bytes]:
        return (self.data[start:end] for start, end in pairwise(self.bounds))


EMPTY = Batch(b"", (0,))


class Framer:
    """A splitter of a byte stream into packets, by the Payload Length in the IPv6 header.

    A stream that has lost synchronization cannot regain it. If anything other than an IPv6 header follows a packet,
    `fault` is set and `feed` returns no more packets: non-IPv6 packets are discarded, and the owner ends the session
    (3.1.5.3, 3.2.5.2.2).
    """

    __slots__ = ("_rest", "fault")

    def __init__(self) -> None:
        self.fault: DropReason | None = None
        self._rest = b""

    def feed(self, data: bytes) -> Batch:
        """Take the next bytes of the stream and return the packets that they complete.

        At most one incomplete packet, 65574 bytes, is kept for the next call.
        """
        if self.fault:
            return EMPTY
        if self._rest:
            data = self._rest + data
        offset, end = 0, len(data)
        bounds = [0]
        while offset < end:
            if data[offset] >> 4 != VERSION:
                self.fault = DropReason.NOT_IPV6
                break
            if end - offset < HEADER_LENGTH:
                break
            field = offset + PAYLOAD_LENGTH
            following = offset + HEADER_LENGTH + (data[field] << 8) + data[field + 1]
            if following > end:
                break
            bounds.append(following)
            offset = following
        if offset == end:
            self._rest = b""
            return Batch(data, bounds)
        self._rest = b"" if self.fault else data[offset:]
        return Batch(data[:offset], bounds)


def malformed(packet: bytes) -> DropReason | None:
    """Return why the bytes are not exactly one IPv6 packet, or None if they are.

    A device delivers any bytes that a local program writes to it. One wrong length would make the peer lose
    synchronization for good, so each packet is checked before it enters the stream.
    """
    if len(packet) < HEADER_LENGTH or packet[0] >> 4 != VERSION:
        return DropReason.NOT_IPV6  # only IPv6 is carried (1.6)
    if len(packet) != HEADER_LENGTH + (packet[PAYLOAD_LENGTH] << 8) + packet[PAYLOAD_LENGTH + 1]:
        return DropReason.WRONG_LENGTH
    return None
