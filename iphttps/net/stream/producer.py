"""Sending a long response in pieces, at the speed of the peer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

PIECE = 16 * 1024
"""Bytes written to the transport at a time."""

LAST_PIECE_TIMEOUT = 10.0
"""Seconds that a peer has to receive the last piece."""


class Transport(Protocol):
    """The transport methods that `ContentProducer` uses."""

    def write(self, data: bytes) -> None: ...
    def registerProducer(self, producer: object, streaming: bool) -> None: ...


@implementer(IPushProducer)
class ContentProducer:
    """A push producer that writes `content` in pieces while the transport has room, and calls `done` after the last.

    `done` unregisters it. Each slow peer then costs one transport buffer, not the memory of the whole response.
    """

    def __init__(self, transport: Transport, content: bytes, done: Callable[[], None]) -> None:
        self._transport = transport
        self._content = content
        self._done = done
        self._sent = 0
        self._paused = False

    def start(self) -> None:
        """Register as the transport's producer and begin to send."""
        self._transport.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        """Write pieces until the transport's buffer is full or the content is sent."""
        self._paused = False
        while not self._paused and self._sent < len(self._content):
            piece = self._content[self._sent : self._sent + PIECE]
            self._sent += len(piece)
            self._transport.write(piece)
        if not self._paused:
            self._done()

    def pauseProducing(self) -> None:
        """Stop writing: the transport's buffer is full."""
        self._paused = True

    def stopProducing(self) -> None:
        """Stop writing: the connection has ended."""
        self._paused = True
