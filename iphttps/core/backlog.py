"""What waits for a connection that is full: bounded in time, not only in bytes.

A queue that is bounded in bytes alone is either too short for a fast connection or too long for a slow one: what
1 Gbit/s takes away in 4 milliseconds is half a second at 8 Mbit/s. So the room here follows the rate at which the
connection takes packets away.
"""

from __future__ import annotations

from bisect import bisect_right

from .framing import EMPTY, Batch

TARGET = 0.01
"""Seconds of waiting that there is room for."""

LEAST = 32 * 1024
MOST = 512 * 1024
"""Bytes of room, whatever the rate: bursts of a slow connection, and what one that has stopped may cost."""

WEIGHT = 0.25
"""What the latest rate counts for, beside those before."""


class Backlog:
    """Batches that wait; times in seconds."""

    def __init__(self) -> None:
        self.room = LEAST
        """Bytes that may wait."""
        self._waiting: list[bytes] = []
        self._size = 0
        self._rate = 0.0

    def add(self, batch: Batch) -> int:
        """Let as many packets of a batch wait as there is room for, from the first on; returns how many."""
        left = self.room - self._size
        if len(batch.data) <= left:
            taken, data = len(batch), batch.data
        else:
            taken = max(bisect_right(batch.bounds, left) - 1, 0)
            data = batch.data[: batch.bounds[taken]]
        if data:
            self._waiting.append(data)
            self._size += len(data)
        return taken

    def take(self) -> bytes:
        """Return all that waits, and let nothing wait any more."""
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        return data

    def drained(self, size: int, seconds: float) -> None:
        """Note that the connection has taken away so many bytes in so much time."""
        if seconds > 0:
            rate = size / seconds
            self._rate += WEIGHT * (rate - self._rate) if self._rate else rate
            self.room = int(min(max(self._rate * TARGET, LEAST), MOST))
