"""What waits for a connection that is full: bounded in time, not only in bytes.

A queue that is bounded in bytes alone is too short for a fast connection or too long for a slow one: what 1 Gbit/s
takes away in 4 milliseconds stands for half a second at 8 Mbit/s. So the room follows the rate at which the connection
takes packets away. What finds no room is dropped, packet by packet, as a router does: the flow in the tunnel
learns from a few lost packets how fast it may go, where a whole burst would cost it dearly.
"""

from __future__ import annotations

from bisect import bisect_right

from .ip.batch import IDENTITY, Batch

TARGET = 0.01
"""Seconds for which a packet may wait."""

LEAST = 32 * 1024
FIRST = 256 * 1024
MOST = 2 * 1024 * 1024
"""Bytes of room: for a burst on a slow connection; before a rate is known, which a peer that never reads is left with;
on the fastest connection.
"""

RESERVED = 8 * 1024
"""Bytes of room for urgent packets alone: the link's own Neighbor Discovery, which no amount of data may displace."""

_WEIGHT = 0.25
"""What the latest rate counts for, beside those before it."""


class Backlog:
    """Packets that wait, encoded for the stream, and how many may; sizes in bytes, times in seconds.

    `encode` is that of the session's codec.
    """

    __slots__ = ("_rate", "_size", "_urgent", "_urgent_size", "_waiting", "encode", "room")

    def __init__(self) -> None:
        self.encode = IDENTITY
        self.room = FIRST
        """How many bytes may wait."""
        self._waiting: list[bytes] = []
        self._size = 0
        self._urgent: list[bytes] = []
        self._urgent_size = 0
        self._rate = 0.0

    def add(self, batch: Batch) -> int:
        """Have the packets of a batch wait, from the first on, while there is room; returns how many found some."""
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
        """Tell whether a batch of urgent packets like this one waits already."""
        return batch.data in self._urgent

    def take(self) -> bytes:
        """Return the bytes of all that waits, the urgent packets first, each kind in order; then nothing does."""
        data = b"".join((*self._urgent, *self._waiting))
        self._waiting.clear()
        self._urgent.clear()
        self._size = self._urgent_size = 0
        return data

    def drained(self, size: int, seconds: float) -> None:
        """Learn that the connection has taken away so many bytes in so many seconds."""
        rate = size / max(seconds, 1e-6)
        self._rate += _WEIGHT * (rate - self._rate) if self._rate else rate
        self.room = int(min(max(self._rate * TARGET, LEAST), MOST))
