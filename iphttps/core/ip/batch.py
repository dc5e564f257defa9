"""Framing: between a byte stream and whole packets (3.1.5.3, 3.2.5.2).

"Framing in the IP-HTTPS Protocol relies exclusively on the length of the IPv6 header." Packets laid end
to end therefore already are the HTTP entity body: nothing is packed or unpacked. The rest of the program passes packets
around as a Batch: such a run of bytes, and the offsets of the packet boundaries in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import attrgetter

from ..errors import DropReason
from . import ipv4 as ip4
from .ipv6 import HEADER_LENGTH, PAYLOAD_LENGTH, VERSION

__all__ = ["EMPTY", "IDENTITY", "Batch", "Framer", "malformed"]


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
            yield self.part(first, min(first + most, len(self)))

    def part(self, first: int, end: int) -> Batch:
        """Return the packets from number `first` up to number `end`, which is not included."""
        if end - first == len(self):
            return self
        start, bounds = self.bounds[first], self.bounds[first : end + 1]
        return Batch(self.data[start : bounds[-1]], [bound - start for bound in bounds])

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __iter__(self) -> Iterator[bytes]:
        return (self.data[start:end] for start, end in pairwise(self.bounds))


EMPTY = Batch(b"", (0,))

IDENTITY: Callable[[Batch], bytes] = attrgetter("data")
"""Encodes packets that lie in the stream as they lie in a batch, end to end."""


class Framer:
    """Cuts a byte stream into packets by the Payload Length in the IPv6 header, or the Total Length in the IPv4 header.

    It is the codec of IP-HTTPS, which carries IPv6 alone (1.6). Where IPv4 is carried too, the first four bits of a
    packet tell its version.

    A stream that has lost step cannot find it again. Once something else than an IPv6 header stands where
    one must, `end` says so and nothing more comes out: non-IPv6 packets are discarded, and the owner ends
    the session (3.1.5.3, 3.2.5.2.2).
    """

    __slots__ = ("_ipv4", "_rest", "end")

    last = b""

    def __init__(self, *, ipv4: bool = False) -> None:
        self.end: DropReason | None = None
        self._ipv4 = ipv4
        self._rest = b""

    @property
    def encode(self) -> Callable[[Batch], bytes]:
        """The identity: packets are sent as they are."""
        return IDENTITY

    def feed(self, data: bytes) -> Batch:
        """Take the next bytes of the stream and return the packets that they complete.

        At most one incomplete packet, 65574 bytes, is kept for the next call.
        """
        if self.end:
            return EMPTY
        if self._rest:
            data = self._rest + data
        offset, size = 0, len(data)
        bounds = [0]
        while offset < size:
            if data[offset] >> 4 != VERSION:
                if not self._ipv4:
                    self.end = DropReason.NOT_IPV6
                    break
                if data[offset] >> 4 != ip4.VERSION:
                    self.end = DropReason.NOT_IP
                    break
                if size - offset < ip4.HEADER_LENGTH:
                    break
                length = ip4.length(data, offset)
                if length is None:
                    self.end = DropReason.WRONG_LENGTH
                    break
                if length > size - offset:
                    break
                offset += length
                bounds.append(offset)
                continue
            if size - offset < HEADER_LENGTH:
                break
            field = offset + PAYLOAD_LENGTH
            following = offset + HEADER_LENGTH + (data[field] << 8) + data[field + 1]
            if following > size:
                break
            bounds.append(following)
            offset = following
        if offset == size:
            self._rest = b""
            return Batch(data, bounds)
        self._rest = b"" if self.end else data[offset:]
        return Batch(data[:offset], bounds)


def malformed(packet: bytes, *, ipv4: bool = False) -> DropReason | None:
    """Say why the bytes are not exactly one IPv6 packet, or IPv4 packet if that is carried; None if they are.

    A device delivers any bytes that a local program writes to it. One wrong length would make the peer lose
    synchronization for good, so each packet is checked before it enters the stream.
    """
    if len(packet) < HEADER_LENGTH or packet[0] >> 4 != VERSION:
        if not ipv4:
            return DropReason.NOT_IPV6  # only IPv6 is carried (1.6)
        if len(packet) < ip4.HEADER_LENGTH or packet[0] >> 4 != ip4.VERSION:
            return DropReason.NOT_IP
        return None if ip4.length(packet) == len(packet) else DropReason.WRONG_LENGTH
    if len(packet) != HEADER_LENGTH + (packet[PAYLOAD_LENGTH] << 8) + packet[PAYLOAD_LENGTH + 1]:
        return DropReason.WRONG_LENGTH
    return None
