"""A transport wrapper that sends a body with chunked transfer coding (RFC 9112 section 7.1)."""

from __future__ import annotations

from ...core.http.body import LAST_CHUNK, chunk
from ..session import Wire


class ChunkedWire:
    """A transport that sends each write as a chunk, and the last chunk before closing; all else passes through."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def write(self, data: bytes) -> None:
        """Send bytes, at least one, as a chunk."""
        self._wire.write(chunk(data))

    def loseConnection(self) -> None:
        """End the body, then close the connection."""
        self._wire.write(LAST_CHUNK)
        self._wire.loseConnection()

    def loseWriteConnection(self) -> None:
        """End the body, then close this direction of the connection."""
        self._wire.write(LAST_CHUNK)
        self._wire.loseWriteConnection()

    def abortConnection(self) -> None:
        """Close the connection at once."""
        self._wire.abortConnection()

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Register a producer with the wrapped transport."""
        self._wire.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Unregister the producer of the wrapped transport."""
        self._wire.unregisterProducer()

    def getHandle(self) -> object:
        """Return the wrapped transport's TLS connection or socket."""
        return self._wire.getHandle()
