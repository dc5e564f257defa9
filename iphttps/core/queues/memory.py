"""The server's memory limit for data queued to slow clients, shared by all connections."""

from __future__ import annotations

TOTAL_LIMIT = 64 * 1024 * 1024
"""Maximum bytes queued for all connections together."""

CONNECTION_FRACTION = 32
"""One connection may use this fraction (1/32) of the free memory, so that clients that never read leave some free."""

TRANSPORT_FRACTION = 8
"""Once a quarter of the limit is used, a transport may use this fraction (1/8) of the connection's share."""

MINIMUM_TRANSPORT_SHARE = 16 * 1024
"""Bytes that every transport may use."""


class SharedMemory:
    """The bytes queued for all connections, and each connection's share, which shrinks as more is queued."""

    def __init__(self, limit: int = TOTAL_LIMIT) -> None:
        self._limit = limit
        self.held = 0
        """Bytes queued now."""
        self.tight = False
        """True if memory is short, so that every transport must keep to `transport_share`."""

    @property
    def share(self) -> int:
        """Maximum bytes queued for one connection now."""
        return max((self._limit - self.held) // CONNECTION_FRACTION, 0)

    @property
    def transport_share(self) -> int:
        """Maximum bytes buffered in one transport now, if memory is tight."""
        return max(self.share // TRANSPORT_FRACTION, MINIMUM_TRANSPORT_SHARE)

    def hold(self, size: int) -> None:
        """Count `size` more bytes as queued; a negative size counts bytes no longer queued."""
        self.held += size
        self.tight = self.held > self._limit // 4
