"""Sends an answer of any length in pieces, as fast as the peer takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

PIECE = 16 * 1024
"""Bytes that are given to the transport at a time."""

TAKING = 10.0
"""Seconds that a peer has for the last piece."""


class Transport(Protocol):
    """What sending needs of its transport."""

    def write(self, data: bytes) -> None: ...
    def registerProducer(self, producer: object, streaming: bool) -> None: ...


@implementer(IPushProducer)
class Sending:
    """Gives the transport piece after piece while it has room, and calls `done` after the last, which unregisters it.

    So many who fetch a long answer slowly cost a transport's buffer each, and not the whole.
    """

    def __init__(self, transport: Transport, content: bytes, done: Callable[[], None]) -> None:
        self._transport = transport
        self._content = content
        self._done = done
        self._sent = 0
        self._paused = False

    def start(self) -> None:
        """Begin."""
        self._transport.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        """Give what there is room for."""
        self._paused = False
        while not self._paused and self._sent < len(self._content):
            piece = self._content[self._sent : self._sent + PIECE]
            self._sent += len(piece)
            self._transport.write(piece)
        if not self._paused:
            self._done()

    def pauseProducing(self) -> None:
        """The transport's buffer is full."""
        self._paused = True

    def stopProducing(self) -> None:
        """The connection has ended."""
        self._paused = True
