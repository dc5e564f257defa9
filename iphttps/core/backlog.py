"""A queue for packets to a congested connection, bounded in time and not only in bytes.

A limit in bytes alone is too small for a fast connection or too large for a slow one: the bytes that 1 Gbit/s drains in
4 milliseconds takes half a second at 8 Mbit/s. So the limit follows the rate at which the connection drains. A packet
that does not fit is dropped by itself, as a router does (tail drop): the flow in the tunnel adapts to a few lost
packets, while the loss of a whole burst would slow it down much more.
"""

from __future__ import annotations

from bisect import bisect_right

from .ip.batch import IDENTITY, Batch

TARGET = 0.01
"""Maximum queueing delay of a packet, in seconds."""

MINIMUM_ROOM = 32 * 1024
INITIAL_ROOM = 256 * 1024
MAXIMUM_ROOM = 2 * 1024 * 1024
"""Limits in bytes: the minimum, for a burst on a slow connection; the limit before a rate is known, which is also that
of a peer that never reads; the maximum, on the fastest connection.
"""

RESERVED = 8 * 1024
"""Bytes reserved for urgent packets: the link's own Neighbor Discovery, which data must never displace."""

_WEIGHT = 0.25
"""Weight of the latest rate in the moving average."""


class Backlog:
    """Packets that wait, encoded for the stream, and how many may; sizes in bytes, times in seconds.

    `encode` is that of the session's codec.
    """

    __slots__ = ("_rate", "_size", "_urgent", "_urgent_size", "_waiting", "encode", "room")

    def __init__(self) -> None:
        self.encode = IDENTITY
        self.room = INITIAL_ROOM
        """Maximum bytes in the backlog."""
        self._waiting: list[bytes] = []
        self._size = 0
        self._urgent: list[bytes] = []
        self._urgent_size = 0
        self._rate = 0.0

    def add(self, batch: Batch) -> int:
        """Queue the packets of a batch, from the first on, while they fit; return how many are queued."""
        left = self.room - self._size
        taken = len(batch)
        if len(batch.data) > left:
            taken = max(bisect_right(batch.bounds, left) - 1, 0)
            batch = Batch(batch.data[: batch.bounds[taken]], batch.bounds[: taken + 1])
        if taken:
            data = self.encode(batch)
            self._waiting.append(data)
            self._size += len(data)
        return taken

    def add_urgent(self, batch: Batch) -> bool:
        """Have the packets of a batch wait ahead of all others, or none of them; returns whether they found room."""
        data = self.encode(batch)
        if self._urgent_size + len(data) > RESERVED:
            return False
        self._urgent.append(data)
        self._urgent_size += len(data)
        return True

    def waits(self, batch: Batch) -> bool:
        """Tell whether an identical batch of urgent packets is queued already."""
        return batch.data in self._urgent

    def take(self) -> bytes:
        """Return the bytes of all that waits, the urgent packets first, each kind in order; then nothing does."""
        data = b"".join((*self._urgent, *self._waiting))
        self._waiting.clear()
        self._urgent.clear()
        self._size = self._urgent_size = 0
        return data

    def drained(self, size: int, seconds: float) -> None:
        """Adapt the limit: the connection has drained `size` bytes in `seconds` seconds."""
        rate = size / max(seconds, 1e-6)
        self._rate += _WEIGHT * (rate - self._rate) if self._rate else rate
        self.room = int(min(max(self._rate * TARGET, MINIMUM_ROOM), MAXIMUM_ROOM))
