"""What a server holds for all its clients together that do not take it in time: bounded, and shared."""

from __future__ import annotations

MOST_TOGETHER = 64 * 1024 * 1024
"""Bytes that may wait for all connections together."""

PART = 32
"""One connection may hold this part of what is left, so that those that never read leave room for the others."""

TRANSPORT_PART = 8
"""What its transport may hold is this part of that again, once a quarter is held."""

LEAST = 16 * 1024
"""Bytes that a transport may hold in any case."""


class SharedMemory:
    """Counts what waits for connections that are full. The more that is, the less may wait for each."""

    def __init__(self, limit: int = MOST_TOGETHER) -> None:
        self._limit = limit
        self.held = 0
        """Bytes that wait."""
        self.tight = False
        """Whether so much waits that every transport has to hold less."""

    @property
    def share(self) -> int:
        """How many bytes may wait for one connection now."""
        return max((self._limit - self.held) // PART, 0)

    @property
    def transport_share(self) -> int:
        """How many bytes one transport may hold now, if memory is tight."""
        return max(self.share // TRANSPORT_PART, LEAST)

    def hold(self, size: int) -> None:
        """Count so many more bytes that wait; a negative number no longer do."""
        self.held += size
        self.tight = self.held > self._limit // 4
