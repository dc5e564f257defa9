"""The queue of packets to a congested connection, kept short by CoDel (RFC 8289).

A limit in bytes alone is too small for a fast connection or too large for a slow one. Therefore each batch has the time
at which it was queued, and a packet that leaves is dropped, or marked where its transport is ECN-capable (RFC 3168), if
packets have waited too long for some time. The flow in the tunnel adapts to these few signals. The limit in bytes is
the last resort, for bursts and for senders that do not react; it follows the rate of the connection, and a packet that
does not fit is dropped by itself (tail drop).

On a slow connection packets of flows that send little pass the others (RFC 8290 section 4.2), but leave them half of
what the connection carries.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

from ..ip.batch import EMPTY, IDENTITY, Batch
from ..ip.ecn import marked
from .codel import TARGET, CoDel
from .send_limits import INITIAL_ROOM
from .sparse import QUANTUM, SparseFlows

__all__ = ["RESERVED", "Backlog", "Taken"]

RESERVED = 8 * 1024
"""Bytes reserved for urgent packets: the link's own Neighbor Discovery, which data must never displace."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Packets that have left the backlog: `data` encoded for the stream, and their numbers.

    `packets` and `size`, in bytes, do not include urgent packets. `dropped` packets are not in `data`; `marked` packets
    are, with the codepoint CE.
    """

    data: bytes
    packets: int
    size: int
    dropped: int
    marked: int


class Backlog:
    """Packets that wait, with the times at which they were queued; sizes in bytes, times in seconds.

    `encode` is that of the session's codec. Packets are encoded when they leave, and sizes are those of the packets.
    """

    __slots__ = (
        "_ahead", "_codel", "_first", "_flows", "_sparse", "_urgent", "_urgent_size", "_waiting", "encode", "room",
        "size", "sparse_first",
    )  # fmt: skip

    def __init__(self) -> None:
        self.encode = IDENTITY
        self.room = INITIAL_ROOM
        """Maximum bytes in the backlog."""
        self.size = 0
        """Bytes in the backlog, without urgent packets."""
        self.sparse_first = False
        """True if packets of sparse flows pass the others, which costs something for each packet."""
        self._flows = SparseFlows()
        self._sparse: deque[bytes] = deque()
        self._ahead = 0
        """Bytes of sparse flows that have left since the last packet of another."""
        self._waiting: deque[tuple[float, Batch]] = deque()
        self._first = 0
        """The number of the first packet of the first batch that still waits."""
        self._urgent: list[Batch] = []
        self._urgent_size = 0
        self._codel = CoDel()

    def __bool__(self) -> bool:
        """Tell whether packets wait."""
        return bool(self._waiting or self._sparse or self._urgent)

    def add(self, batch: Batch, now: float) -> int:
        """Queue the packets of a batch, from the first on, while they fit; return how many are queued."""
        left = self.room - self.size
        taken = len(batch)
        if len(batch.data) > left:
            taken = max(bisect_right(batch.bounds, left) - 1, 0)
            batch = Batch(batch.data[: batch.bounds[taken]], batch.bounds[: taken + 1])
        if taken:
            self.size += len(batch.data)
            if self.sparse_first:
                batch = self._without_sparse(batch, now)
            if batch:
                self._waiting.append((now, batch))
        return taken

    def _without_sparse(self, batch: Batch, now: float) -> Batch:
        """Queue the packets of sparse flows apart, and return the others."""
        others: list[bytes] = []
        for packet in batch:
            (self._sparse if self._flows.has(packet, now) else others).append(packet)
        return batch if len(others) == len(batch) else Batch.of(others)

    def add_urgent(self, batch: Batch) -> bool:
        """Have the packets of a batch wait ahead of all others, or none of them; returns whether they found room."""
        if self._urgent_size + len(batch.data) > RESERVED:
            return False
        self._urgent.append(batch)
        self._urgent_size += len(batch.data)
        return True

    def waits(self, batch: Batch) -> bool:
        """Tell whether an identical batch of urgent packets is queued already."""
        return any(batch.data == urgent.data for urgent in self._urgent)

    def take(self, now: float, most: int) -> Taken:
        """Take packets of about `most` bytes, at least one packet: all urgent ones, then the others in order."""
        pieces = [self.encode(batch) for batch in self._urgent]
        self._urgent.clear()
        self._urgent_size = 0
        packets = size = dropped = marks = 0
        while self._waiting or self._sparse:
            part, lost, changed = self._next(now, most - size, any_size=not packets)
            if not (part or lost):
                break  # the next packet is too long
            dropped += lost
            marks += changed
            if part:
                packets += len(part)
                size += len(part.data)
                pieces.append(self.encode(part))
        return Taken(b"".join(pieces), packets, size, dropped, marks)

    def _next(self, now: float, most: int, *, any_size: bool) -> tuple[Batch, int, int]:
        """Take the next packets that belong together, of at most `most` bytes, or a single longer one if `any_size`.

        Return them and the numbers of packets dropped and marked; nothing if the next packet is too long.
        """
        if self._sparse and not (self._waiting and self._ahead >= QUANTUM):
            packet = self._sparse[0]
            if len(packet) > most and not any_size:
                return EMPTY, 0, 0
            self._sparse.popleft()
            self._ahead += len(packet)
            self.size -= len(packet)
            return Batch(packet, (0, len(packet))), 0, 0
        since, batch = self._waiting[0]
        if self._sparse:
            most = min(most, QUANTUM)
        if any_size:
            most = max(most, batch.bounds[self._first + 1] - batch.bounds[self._first])
        if now - since >= TARGET:
            return self._controlled(batch, most, now - since, now)
        self._codel.signals(now - since, now, self.size)  # once for all of them: none is dropped
        return self._uncontrolled(batch, most), 0, 0

    def _uncontrolled(self, batch: Batch, most: int) -> Batch:
        """Take the first packets of the first batch, of at most `most` bytes."""
        first, bounds = self._first, batch.bounds
        start, last = bounds[first], len(batch)
        if bounds[last] - start > most:
            last = max(bisect_right(bounds, start + most, first) - 1, first)
        self._advance(batch, last)
        if first == 0 and last == len(batch):
            return batch
        return Batch(batch.data[start : bounds[last]], [bound - start for bound in bounds[first : last + 1]])

    def _controlled(self, batch: Batch, most: int, sojourn: float, now: float) -> tuple[Batch, int, int]:
        """Take packets of the first batch, of at most `most` bytes, as CoDel decides.

        Return them and the numbers of packets dropped and marked.
        """
        data, bounds = batch.data, batch.bounds
        kept: list[bytes] = []
        left, dropped, marks = self.size, 0, 0
        last = self._first
        while last < len(batch) and (size := bounds[last + 1] - bounds[last]) <= most:
            packet = data[bounds[last] : bounds[last + 1]]
            last += 1
            left -= size
            if self._codel.signals(sojourn, now, left):
                mark = marked(packet)
                if mark is None:
                    dropped += 1
                    continue
                packet = mark
                marks += 1
            kept.append(packet)
            most -= size
        self._advance(batch, last)
        return Batch.of(kept), dropped, marks

    def _advance(self, batch: Batch, last: int) -> None:
        """Remove packets from the head of the queue, up to number `last` of the first batch."""
        self._ahead = 0
        self.size -= batch.bounds[last] - batch.bounds[self._first]
        if last == len(batch):
            self._waiting.popleft()
            self._first = 0
        else:
            self._first = last

    def clear(self) -> int:
        """Discard all packets; return how many there were, without urgent ones."""
        number = sum(len(batch) for _, batch in self._waiting) - self._first + len(self._sparse)
        self._waiting.clear()
        self._sparse.clear()
        self._urgent.clear()
        self._first = self.size = self._urgent_size = 0
        return number
