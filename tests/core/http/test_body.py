"""Tests for iphttps.core.http.body; h11, which reads bodies too, is the witness."""

from __future__ import annotations

from collections.abc import Iterable

import h11
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.codec import Codec
from iphttps.core.errors import DropReason
from iphttps.core.http.body import LAST_CHUNK, MALFORMED, MAXIMUM_LINE, OVER, Body, BoundedBody, ChunkedBody, in_body
from iphttps.core.http.body import chunk as encoded
from iphttps.core.ip.batch import Batch, Framer
from tests.requests import CHUNKED, HOST, MALFORMED_CHUNKS, post
from tests.support import every_cut, udp

NEXT = b"POST /IPHTTPS HTTP/1.1\r\n"
"""The first bytes of a second request."""


def read(body: Body, pieces: Iterable[bytes]) -> tuple[bytes, str | None]:
    """Feed the pieces; return what the body holds, and why it ended."""
    return b"".join([body.feed(piece) for piece in pieces]), body.end


def chunk(content: bytes, extension: bytes = b"") -> bytes:
    """Build a chunk."""
    return b"%x%s\r\n%s\r\n" % (len(content), extension, content)


class BoundedTests(SynchronousTestCase):
    """A body with a Content-Length (RFC 9112 section 6.3)."""

    def test_every_cut(self) -> None:
        """The body has as many bytes as were announced, and what follows is none of them."""
        for pieces in every_cut(b"packets" + NEXT):
            self.assertEqual((b"packets", OVER), read(BoundedBody(7), pieces))

    def test_unfinished(self) -> None:
        """Until they are there, it goes on."""
        self.assertEqual((b"packet", None), read(BoundedBody(7), [b"pack", b"et"]))
        self.assertEqual((b"packets", OVER), read(BoundedBody(7), [b"pack", b"ets"]))


class ChunkedTests(SynchronousTestCase):
    """A body in chunks (RFC 9112 section 7.1)."""

    def test_every_cut(self) -> None:
        """The body is what the chunks hold, however the stream is cut, and ends with the last chunk."""
        stream = chunk(b"a") + chunk(b"pack\r\nets", b";x=y") + chunk(b"0" * 17, b" ; q") + b"0\r\n\r\n"
        for pieces in every_cut(stream + NEXT):
            self.assertEqual((b"apack\r\nets" + b"0" * 17, OVER), read(ChunkedBody(), pieces))

    def test_sizes(self) -> None:
        """A size is hexadecimal, in any case, with zeros before it; up to 2^64 - 1 there is no limit."""
        for size in (b"a", b"A", b"0a", b"000000000000000A"):
            self.assertEqual((b"0123456789", None), read(ChunkedBody(), [size + b"\r\n0123456789\r\n"]))
        self.assertEqual((b"0123", None), read(ChunkedBody(), [b"FFFFFFFFFFFFFFFF\r\n", b"0123"]))

    def test_last_chunk(self) -> None:
        """Trailers behind the last chunk are not read, nor is anything else."""
        for end in (b"0\r\n", b"000\r\nTrailer: x\r\n\r\n", b"0;x\r\n" + MALFORMED_CHUNKS["no number"]):
            self.assertEqual((b"a", OVER), read(ChunkedBody(), [chunk(b"a") + end, NEXT]))

    def test_malformed(self) -> None:
        """Malformed chunks end the body; what came whole before them still counts."""
        for name, stream in MALFORMED_CHUNKS.items():
            for pieces in ([stream], [stream[:1], stream[1:]], [stream[:-1], stream[-1:]]):
                content, end = read(ChunkedBody(), [chunk(b"before"), *pieces])
                self.assertEqual((b"before", MALFORMED), (content[:6], end), name)
                self.assertIn(content[6:], (b"", b"hel", b"hello", b"hello\r"), name)

    def test_noticed_at_once(self) -> None:
        """Data that cannot begin a chunk is rejected at once."""
        for stream in (b"5\r\nhelloX", b"5\r\nhello\rX", b"5\r\nhello\r\n\r\n", b"5;" + b"x" * MAXIMUM_LINE):
            self.assertEqual(MALFORMED, read(ChunkedBody(), [stream])[1], stream[:20])

    def test_longest_line(self) -> None:
        """A line that is just not too long is taken, whole or byte by byte."""
        line = b"5;".ljust(MAXIMUM_LINE - 4, b"x") + b"\r\nhello"
        for pieces in ([line], [line[at : at + 1] for at in range(len(line))]):
            self.assertEqual((b"hello", None), read(ChunkedBody(), pieces))

    @given(st.lists(st.binary(min_size=1), max_size=5), st.lists(st.integers(1, 20), min_size=1), st.data())
    def test_witness(self, contents: list[bytes], cuts: list[int], data: st.DataObject) -> None:
        """Any chunks, split at any point, are read as h11 reads them."""
        extensions = st.sampled_from([b"", b";a", b";a=b;c", b";d "])
        stream = b"".join(chunk(content, data.draw(extensions)) for content in contents) + b"0\r\n\r\n"
        pieces: list[bytes] = []
        while stream:
            cut = cuts[len(pieces) % len(cuts)]
            pieces.append(stream[:cut])
            stream = stream[cut:]
        self.assertEqual((self.witness(pieces), OVER), read(ChunkedBody(), pieces))

    def witness(self, pieces: Iterable[bytes]) -> bytes:
        """Return what h11 reads."""
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(post(HOST, CHUNKED))
        connection.next_event()
        content = b""
        for piece in pieces:
            connection.receive_data(piece)
            while isinstance(event := connection.next_event(), h11.Data):
                content += event.data
        self.assertIsInstance(event, h11.EndOfMessage)
        return content

    @given(st.binary())
    def test_any_bytes(self, stream: bytes) -> None:
        """Any input is read or ends the body, with the same result byte by byte as at once."""
        self.assertEqual(
            read(ChunkedBody(), [stream]), read(ChunkedBody(), [stream[at : at + 1] for at in range(len(stream))])
        )


PACKETS = [udp("2001:db8:2::a", "2001:db8:1::5"), udp("2001:db8:2::a", "2001:db8:1::6")]


class CodecTests(SynchronousTestCase):
    """Packets in bodies."""

    def fed(self, codec: Codec, pieces: Iterable[bytes]) -> tuple[list[bytes], DropReason | str | None]:
        """Feed the pieces; return the packets, and why there are no more."""
        return [packet for piece in pieces for packet in codec.feed(piece)], codec.end

    def test_identity(self) -> None:
        """If no body ends and nothing is in chunks, nothing stands between stream and packets."""
        framer = Framer()
        self.assertIs(framer, in_body(framer, None))
        self.assertEqual((b"".join(PACKETS), b""), (framer.encode(Batch.of(PACKETS)), framer.last))

    def test_received(self) -> None:
        """Packets are taken out of a body, however the stream is cut, up to its end."""
        whole = b"".join(PACKETS)
        for pieces in every_cut(whole + NEXT):
            codec = in_body(Framer(), BoundedBody(len(whole)))
            self.assertEqual((PACKETS, OVER), self.fed(codec, pieces))
            self.assertEqual((whole, b""), (codec.encode(Batch.of(PACKETS)), codec.last))
        stream = chunk(whole[:50]) + chunk(whole[50:]) + LAST_CHUNK
        for pieces in every_cut(stream):
            self.assertEqual((PACKETS, OVER), self.fed(in_body(Framer(), ChunkedBody()), pieces))

    def test_out_of_step(self) -> None:
        """A framing fault within a body ends the stream as such, not as the end of the body."""
        self.assertEqual(
            (PACKETS[:1], DropReason.NOT_IPV6), self.fed(in_body(Framer(), BoundedBody(1000)), [PACKETS[0] + b"\x45"])
        )

    def test_sent(self) -> None:
        """Sent packets are chunked, received ones need not be; the last chunk ends the stream."""
        codec = in_body(Framer(), None, chunked=True)
        stream = codec.encode(Batch.of(PACKETS)) + codec.encode(Batch.of(PACKETS[:1])) + codec.last
        self.assertEqual((b"".join([*PACKETS, PACKETS[0]]), OVER), read(ChunkedBody(), [stream]))
        self.assertEqual((PACKETS, None), self.fed(codec, PACKETS))

    def test_last_of_another(self) -> None:
        """The bytes that end the packets' stream are sent in a chunk of their own."""

        class Ending(Framer):
            last = b"bye"

        self.assertEqual(b"3\r\nbye\r\n0\r\n\r\n", in_body(Ending(), None, chunked=True).last)


class EncodingTests(SynchronousTestCase):
    """A body sent in chunks (RFC 9112 section 7.1)."""

    @given(st.lists(st.binary(min_size=1, max_size=300)))
    def test_read_by_others(self, contents: list[bytes]) -> None:
        """Sent chunks are read to the end by h11 and by our reader."""
        stream = b"".join(map(encoded, contents)) + LAST_CHUNK
        self.assertEqual((b"".join(contents), OVER), read(ChunkedBody(), [stream]))
        witness = h11.Connection(h11.SERVER)
        witness.receive_data(post(HOST, CHUNKED) + stream)
        self.assertIsInstance(witness.next_event(), h11.Request)
        found = b""
        while isinstance(event := witness.next_event(), h11.Data):
            found += event.data
        self.assertEqual((b"".join(contents), h11.EndOfMessage), (found, type(event)))
