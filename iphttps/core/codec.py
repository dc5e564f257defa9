"""Codecs: between the byte stream of a session and the packets in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .errors import DropReason
from .ip.batch import Batch

__all__ = ["Codec"]


class Codec(Protocol):
    """The framing of packets in a byte stream, in both directions.

    A session looks the methods up once and then calls them for each batch.
    """

    @property
    def end(self) -> DropReason | str | None:
        """The reason why decoding has ended; None while it has not.

        A DropReason says that the peer has lost step, a sentence that the stream has ended in order.
        """

    @property
    def last(self) -> bytes:
        """The bytes that end the stream in order, sent before the connection is closed; often empty."""

    @property
    def encode(self) -> Callable[[Batch], bytes]:
        """Turns packets, of which there are some, into bytes of the stream."""

    def feed(self, data: bytes) -> Batch:
        """Take the next bytes of the stream and return the packets that they complete."""
