"""A transport for a body in chunks (RFC 9112 section 7.1), in the place of a bare one."""

from __future__ import annotations

from ...core.http.body import LAST_CHUNK, chunk
from ..session import Wire


class ChunkedWire:
    """Sends each batch as a chunk, and with the good-bye the last chunk; else it is the wire that it is made of."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def write(self, data: bytes) -> None:
        """Send bytes, of which there are some, as a chunk."""
        self._wire.write(chunk(data))

    def loseConnection(self) -> None:
        """End the body, then the connection."""
        self._wire.write(LAST_CHUNK)
        self._wire.loseConnection()

    def loseWriteConnection(self) -> None:
        """End the body, then this direction of the connection."""
        self._wire.write(LAST_CHUNK)
        self._wire.loseWriteConnection()

    def abortConnection(self) -> None:
        """Cut the connection."""
        self._wire.abortConnection()

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Pass it on."""
        self._wire.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Pass it on."""
        self._wire.unregisterProducer()

    def getHandle(self) -> object:
        """Return what TLS, or the socket, is."""
        return self._wire.getHandle()
