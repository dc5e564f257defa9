"""Codecs for bodies that end, of a length that was announced or in chunks (RFC 9112 sections 6 and 7).

A body of the length that [MS-IPHTTPS] 3.1.5.2 asks for never ends, and its bytes are packets as they come; nothing
here is needed for it. A program between client and server may turn it into one of these. With the body the
session ends, so the data after it, trailers and further requests included, is ignored.
"""

from __future__ import annotations

import re
from typing import Protocol

from ..codec import Codec
from ..errors import DropReason
from ..ip.batch import Batch

OVER = "the body of its request has ended"
MALFORMED = "the chunks of its request's body are malformed"

MAXIMUM_LINE = 1024
"""Bytes that the line between two chunks may have: the size, and extensions, which mean nothing here."""

# The line with the end of the chunk before it. 16 digits: RFC 9112 section 7.1 warns of greater numbers. No
# line feed alone: programs that disagree about the end of a line allow request smuggling.
_LINE = re.compile(rb"\r\n([0-9A-Fa-f]{1,16})[ \t]*(?:;[\t -~\x80-\xff]*)?\r\n")


class Body(Protocol):
    """Takes the stream behind the head and gives what the body holds; once `end` says why, that was all."""

    end: str | None

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the stream and return those of the body among them."""


class BoundedBody:
    """A body of a certain length, in bytes; `over` is what its end is called."""

    def __init__(self, length: int, over: str = OVER) -> None:
        self.end: str | None = None
        self._left = length
        self._over = over

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the stream and return those that still belong to the body."""
        data = data[: self._left]
        self._left -= len(data)
        if not self._left:
            self.end = self._over
        return data


class ChunkedBody:
    """A body in chunks, with sentences for its end; at most `MAXIMUM_LINE` bytes wait here for the end of a line."""

    def __init__(self, over: str = OVER, malformed: str = MALFORMED) -> None:
        self.end: str | None = None
        self._over = over
        self._malformed = malformed
        self._left = 0
        self._rest = b"\r\n"  # as if a chunk had just ended

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the stream and return the content of the chunks."""
        data = self._rest + data
        self._rest = b""
        pieces = []
        offset = 0
        while not self.end and offset < len(data):
            if self._left:
                piece = data[offset : offset + self._left]
                pieces.append(piece)
                self._left -= len(piece)
                offset += len(piece)
            elif line := _LINE.match(data, offset):
                self._left = int(line[1], 16)
                offset = line.end()
                if not self._left:  # the last chunk
                    self.end = self._over
            else:
                self._rest = data[offset:]
                offset = len(data)
                if not _may_become_a_line(self._rest):
                    self._rest = b""
                    self.end = self._malformed
        return b"".join(pieces)


def chunk(content: bytes) -> bytes:
    """Return bytes as a chunk; there must be some, as a chunk without any is the last."""
    return b"%x\r\n%b\r\n" % (len(content), content)


LAST_CHUNK = b"0\r\n\r\n"


class BodyCodec:
    """Packets in bodies that HTTP delimits; `packets` is the codec for the content of the bodies.

    `received` reads a body that ends. With `chunked` each batch is sent as a chunk.
    """

    __slots__ = ("_chunked", "_packets", "_received", "last")

    def __init__(self, packets: Codec, received: Body | None = None, *, chunked: bool = False) -> None:
        self._packets = packets
        self._received = received
        self._chunked = chunked
        self.last = (packets.last and chunk(packets.last)) + LAST_CHUNK if chunked else packets.last

    @property
    def end(self) -> DropReason | str | None:
        """The reason why decoding has ended: a framing fault, or the end of the body."""
        return self._packets.end or (self._received.end if self._received else None)

    def feed(self, data: bytes) -> Batch:
        """Take the next bytes of the stream and return the packets that they complete."""
        return self._packets.feed(self._received.feed(data) if self._received else data)

    def encode(self, batch: Batch) -> bytes:
        """Turn packets, of which there are some, into bytes of the stream."""
        data = self._packets.encode(batch)
        return chunk(data) if self._chunked else data


def in_body(packets: Codec, received: Body | None, *, chunked: bool = False) -> Codec:
    """Return the codec for packets in these bodies; where both never end, that is the codec of the packets itself."""
    return BodyCodec(packets, received, chunked=chunked) if received or chunked else packets


def _may_become_a_line(beginning: bytes) -> bool:
    """Tell whether more bytes can make this the line between two chunks."""
    return beginning[:2] == b"\r\n"[: len(beginning)] and b"\n" not in beginning[2:] and len(beginning) < MAXIMUM_LINE
