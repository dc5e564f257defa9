"""Reading a connection's socket in pieces whose size the caller chooses."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.tcp import Connection

__all__ = ["SocketReader"]


class SocketReader:
    """Reads a Twisted connection in the place of its `doRead`, which reads as soon as the reactor reports it readable.

    `readable` is called instead; `read` passes data to the connection's protocol. The end of the connection is
    reported to the reactor with the next call of `doRead`, which follows at once, as the socket stays readable.
    """

    def __init__(self, connection: Connection, readable: Callable[[], None]) -> None:
        self._connection = connection
        self._readable = readable
        self._end: Exception | None = None
        vars(connection)["doRead"] = self._do_read  # as Connection.abortConnection does it

    def read(self, size: int) -> int:
        """Read at most `size` bytes, and have them processed; return how many there were."""
        try:
            data = self._connection.socket.recv(size)
        except BlockingIOError:
            return 0
        except OSError:
            self._end = CONNECTION_LOST
            return 0
        if data:
            self._connection.protocol.dataReceived(data)
        else:
            self._end = CONNECTION_DONE
        return len(data)

    def release(self) -> None:
        """Leave reading to the connection again."""
        vars(self._connection).pop("doRead", None)

    def _do_read(self) -> Exception | None:
        if self._end is None:
            self._readable()
        return self._end
