"""Tests for iphttps.core.sstp.codec; scapy is the witness for PPP frames."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, UDP, IPOption_NOP
from scapy.layers.inet6 import IPv6
from scapy.layers.ppp import HDLC, PPP
from scapy.packet import Raw
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.codec import Codec
from iphttps.core.errors import DropReason
from iphttps.core.http.body import LAST_CHUNK, ChunkedBody, chunk, in_body
from iphttps.core.ip.batch import Batch
from iphttps.core.sstp.codec import MAXIMUM_PACKET, NOT_DELINEATED, ControlPacket, Frame, SSTPCodec
from iphttps.core.sstp.packet import MessageType, data_packet, message
from tests.support import every_cut

PING = bytes(IP(src="192.0.2.2", dst="192.0.2.1") / ICMP())
OPTIONS = bytes(IP(src="192.0.2.2", dst="192.0.2.1", options=[IPOption_NOP()] * 8) / Raw(bytes(100)))
BARE = bytes(IP(proto=253))
DATAGRAM = bytes(IPv6(src="2001:db8:3::2", dst="2001:db8:3::1") / UDP() / Raw(bytes(60)))
EMPTY_DATAGRAM = bytes(IPv6(nh=59, fl=0xFFFFF, tc=0xFF))
SAMPLE = [PING, DATAGRAM, OPTIONS, BARE, PING, EMPTY_DATAGRAM]

HEADERS: dict[int, tuple[bytes, ...]] = {4: (b"\xff\x03\x00\x21", b"\xff\x03\x21", b"\x00\x21", b"\x21")}
HEADERS[6] = tuple(header[:-1] + b"\x57" for header in HEADERS[4])
"""The PPP headers of each IP version (RFC 1661 sections 6.5, 6.6)."""

ECHO = message(MessageType.ECHO_REQUEST)
LCP = data_packet(bytes.fromhex("ff03c021 09010008 00000000"))
REJECTED = data_packet(bytes.fromhex("ff0300fd 1234"))
SHORT = bytes(20)
"""A word of zeros, which is no packet of any version."""


def framed(packet: bytes, form: int = 0, padding: bytes = b"") -> bytes:
    """Put a packet into a data packet, behind one of the four PPP headers."""
    return data_packet(HEADERS[packet[0] >> 4][form] + packet + padding)


def opened() -> SSTPCodec:
    """Return a codec that lets data pass."""
    codec = SSTPCodec()
    codec.data_passes = True
    return codec


def fed(codec: SSTPCodec, pieces: Iterable[bytes]) -> list[bytes | ControlPacket | Frame]:
    """Feed the pieces as a session does; return all that comes out, in order."""
    came: list[bytes | ControlPacket | Frame] = []
    for piece in pieces:
        came += codec.feed(piece)
        came += codec.control
        codec.control.clear()
        while codec.pending:
            came += codec.feed(b"")
            came += codec.control
            codec.control.clear()
    return came


class EncodeTests(SynchronousTestCase):
    """From packets to the stream."""

    def test_plain(self) -> None:
        """Each packet gets the SSTP header and a PPP header in full: nothing was negotiated (RFC 1661 section 6)."""
        self.assertEqual(b"".join(map(framed, SAMPLE)), SSTPCodec().encode(Batch.of(SAMPLE)))

    def test_compressed(self) -> None:
        """Fields are compressed once the peer has asked for it (RFC 1661 sections 6.5, 6.6)."""
        for form, (acfc, pfc) in enumerate(product((False, True), repeat=2)):
            codec = SSTPCodec()
            codec.compress(address_and_control=acfc, protocol=pfc)
            self.assertEqual(b"".join(framed(each, form) for each in SAMPLE), codec.encode(Batch.of(SAMPLE)))

    def test_witness(self) -> None:
        """Scapy finds the same packets in the frames."""
        for sent in SAMPLE:
            read = HDLC(SSTPCodec().encode(Batch.of([sent]))[4:])
            self.assertEqual(sent, bytes(read[PPP].payload))
            self.assertEqual(0x21 if sent[0] >> 4 == 4 else 0x57, read[PPP].proto)

    def test_longest(self) -> None:
        """The longest packet fills the 12 bits of Length; one more byte is the caller's mistake (2.2.1)."""
        longest = b"\x45" + bytes(MAXIMUM_PACKET - 1)
        self.assertEqual(b"\x10\x00\x0f\xff", SSTPCodec().encode(Batch.of([longest]))[:4])
        self.assertRaises(IndexError, SSTPCodec().encode, Batch.of([longest + b"\0"]))

    def test_codec(self) -> None:
        """It is a codec like others: a front's chunks go around it (RFC 9112 section 7.1)."""
        inner = opened()
        codec: Codec = in_body(inner, ChunkedBody(), chunked=True)
        self.assertEqual(chunk(framed(PING)), codec.encode(Batch.of([PING])))
        self.assertEqual([], list(codec.feed(chunk(ECHO + LCP) + chunk(framed(PING)))))
        inner.control.clear()
        self.assertEqual([PING], list(codec.feed(b"")))
        self.assertEqual(LAST_CHUNK, codec.last)


class FeedTests(SynchronousTestCase):
    """From the stream to packets."""

    def test_every_cut(self) -> None:
        """Packets and everything else come out in order, however the stream is cut (3.1.7.2)."""
        stream = ECHO + framed(PING) + framed(DATAGRAM) + LCP + ECHO + framed(BARE, 3) + framed(OPTIONS, 3, b"\0")
        expected = [ControlPacket(ECHO), PING, DATAGRAM, Frame(LCP[4:]), ControlPacket(ECHO), BARE, OPTIONS]
        for pieces in every_cut(stream):
            codec = opened()
            self.assertEqual(expected, fed(codec, pieces))
            self.assertEqual((None, 0, 0), (codec.end, codec.drops[DropReason.NOT_CONNECTED], codec.drops.total()))

    def test_one_batch(self) -> None:
        """All data up to the first control packet comes out at once, as one batch."""
        codec = opened()
        self.assertEqual(Batch.of(SAMPLE), codec.feed(b"".join(map(framed, SAMPLE)) + ECHO))
        self.assertEqual([ControlPacket(ECHO)], codec.control)
        self.assertFalse(codec.pending)

    def test_forms(self) -> None:
        """All four forms are accepted, mixed as they come, whatever was negotiated (RFC 1661 sections 6.5, 6.6)."""
        for forms in product(range(4), repeat=3):
            stream = b"".join(framed(each, form) for form in forms for each in SAMPLE)
            self.assertEqual(SAMPLE * 3, fed(opened(), [stream]))

    def test_reserved(self) -> None:
        """Reserved bits MUST be ignored on receipt (2.2.1)."""
        sent = bytearray(framed(PING))
        sent[1] |= 0xFE
        sent[2] |= 0xF0
        self.assertEqual([PING, PING], fed(opened(), [bytes(sent) + framed(PING)]))

    def test_longest(self) -> None:
        """A packet of 4095 bytes is one like others, and what follows it is in step (2.2.1)."""
        for form in range(4):
            room = 4091 - len(HEADERS[4][form])
            longest = bytes(IP(proto=253) / Raw(bytes(room - 20)))
            self.assertEqual([longest, PING], fed(opened(), [framed(longest, form) + framed(PING, form)]))

    def test_length_beyond_the_header(self) -> None:
        """An IP length that the frame's 12 bits could only name with reserved bits is no way around them (2.2.1)."""
        for total, header in ((0x1000 - 8 + 28, 0x1000 + 28), (0xFFFF, 28)):
            sent = b"\x10\x00" + header.to_bytes(2) + b"\xff\x03\x00\x21\x45\x00" + total.to_bytes(2) + bytes(16)
            codec = opened()
            self.assertEqual([PING] * 200, fed(codec, [sent + framed(PING) * 200]))
            self.assertEqual({DropReason.WRONG_LENGTH: 1}, codec.drops)

    def test_runs(self) -> None:
        """Packets of one length in a row come out like single ones, whichever bit of a header is another (2.2.1)."""
        for packet, form, number in product((PING, DATAGRAM, BARE), range(4), (3, 4, 5, 12, 64, 70, 150)):
            alone = framed(packet, form)
            self.assertEqual([packet] * number, fed(opened(), [alone * number]))
            headers = 4 + len(HEADERS[packet[0] >> 4][form])
            for bit, at in product(range(8 * (headers + 6)), {number // 2, number - 1} if number < 64 else ()):
                other = bytearray(alone)
                other[bit // 8] ^= 1 << bit % 8
                stream = alone * at + other + alone * (number - at)
                pieces = [stream[start : start + 2 * len(alone)] for start in range(0, len(stream), 2 * len(alone))]
                together, in_pieces = opened(), opened()
                self.assertEqual(fed(in_pieces, map(bytes, pieces)), fed(together, [bytes(stream)]))
                self.assertEqual((in_pieces.drops, in_pieces.end), (together.drops, together.end))

    def test_padding(self) -> None:
        """Padding behind the packet, which PPP permits, is cut off (RFC 1661 section 2)."""
        for padding in (b"\0", b"\x01\x02\x03", bytes(1000)):
            stream = b"".join(framed(each, form, padding) for each in SAMPLE for form in range(4))
            self.assertEqual([each for each in SAMPLE for _ in range(4)], fed(opened(), [stream]))

    def test_wrong_length(self) -> None:
        """A packet that is longer than its frame, or whose header contradicts itself, is dropped and counted."""
        short = [PING[:-1], DATAGRAM[:-1], b"\x44" + PING[1:], b"\x4f" + BARE[1:], PING[:2] + b"\0\x13" + PING[4:]]
        for each, form in product(short, range(4)):
            codec = opened()
            self.assertEqual([PING], fed(codec, [framed(each, form) + framed(PING)]))
            self.assertEqual({DropReason.WRONG_LENGTH: 1}, codec.drops)

    def test_not_ip(self) -> None:
        """A frame without a whole IP header of its protocol's version is dropped and counted."""
        frames = [
            *(header + packet for header, packet in product(HEADERS[4], (b"", PING[:19], DATAGRAM, SHORT))),
            *(header + packet for header, packet in product(HEADERS[6], (b"", DATAGRAM[:39], PING * 3, SHORT * 2))),
            *(b"", b"\xff\x03", b"\xff\x03\x00", b"\x00", b"\x00\x00", b"\xff\x03\x00\x00"),  # no protocol at all
        ]
        for frame in frames:
            codec = opened()
            self.assertEqual([PING], fed(codec, [data_packet(frame) + framed(PING)]), frame)
            self.assertEqual({DropReason.NOT_IP: 1}, codec.drops)

    def test_undelineable(self) -> None:
        """Data that cannot be delineated ends the stream; packets before it are delivered (3.1.5.1)."""
        for wrong in (b"\x11\x00\x00\x08", b"\x10\x00\x00\x03", b"\x10\x01\xf0\x00", b"GET ", b"\x00"):
            codec = opened()
            self.assertEqual([PING, ControlPacket(ECHO)], fed(codec, [framed(PING) + ECHO + wrong + framed(PING)]))
            self.assertEqual(NOT_DELINEATED, codec.end)
            self.assertEqual([], fed(codec, [framed(PING), b""]))

    @given(st.binary(max_size=300), st.booleans())
    def test_anything(self, stream: bytes, gate: bool) -> None:
        """Bytes of any kind, behind a good header or not, raise nothing and give whole IP packets only."""
        for sent in (stream, data_packet(b"\xff\x03\x00" + stream), data_packet(b"\x57" + stream), b"\x10\0" + stream):
            codec = SSTPCodec()
            codec.data_passes = gate
            for each in fed(codec, [sent, sent]):
                if isinstance(each, bytes):
                    self.assertEqual([each], fed(opened(), [framed(each)]))

    @given(
        st.lists(st.tuples(st.sampled_from([*SAMPLE, ECHO, LCP]), st.integers(0, 3), st.binary(max_size=3))),
        st.lists(st.integers(1, 200)),
    )
    def test_any_mixture(self, sent: list[tuple[bytes, int, bytes]], sizes: list[int]) -> None:
        """Any mixture, in pieces of any size, comes out the same and in the same order."""
        stream, expected = b"", list[bytes | ControlPacket | Frame]()
        for each, form, padding in sent:
            if each in (ECHO, LCP):
                stream += each
                expected.append(ControlPacket(each) if each == ECHO else Frame(each[4:]))
            else:
                stream += framed(each, form, padding)
                expected.append(each)
        pieces = []
        for size in sizes:
            pieces.append(stream[:size])
            stream = stream[size:]
        self.assertEqual(expected, fed(opened(), [*pieces, stream]))


class GateTests(SynchronousTestCase):
    """No data before the gate is open, and order between control and data."""

    def test_shut(self) -> None:
        """Until a valid Call Connected was received, all PPP data frames are discarded and counted (3.3.5.2.3)."""
        codec = SSTPCodec()
        data = b"".join(map(framed, SAMPLE)) + REJECTED
        self.assertEqual([Frame(LCP[4:]), ControlPacket(ECHO)], fed(codec, [data + LCP + data + ECHO]))
        self.assertEqual(2 * len(SAMPLE) + 2, codec.drops[DropReason.NOT_CONNECTED])

    def test_opened_in_a_chunk(self) -> None:
        """Data behind the control packet that opens the gate passes, data before it does not (3.3.5.2.3)."""
        for cut in every_cut(framed(PING) + ECHO + framed(DATAGRAM)):
            codec = SSTPCodec()
            came: list[bytes] = []
            for piece in cut:
                came += codec.feed(piece)
                codec.data_passes |= bool(codec.control)
                codec.control.clear()
                if codec.pending:
                    came += codec.feed(b"")
            self.assertEqual(([DATAGRAM], 1), (came, codec.drops[DropReason.NOT_CONNECTED]))

    def test_shut_in_a_chunk(self) -> None:
        """Data in front of the message that shuts the gate passes, data behind it does not (3.3.7.2)."""
        codec = opened()
        self.assertEqual([PING], list(codec.feed(framed(PING) + ECHO + framed(DATAGRAM))))
        self.assertTrue(codec.pending)
        codec.data_passes = False
        codec.control.clear()
        self.assertEqual([], list(codec.feed(b"")))
        self.assertEqual((False, 1), (codec.pending, codec.drops[DropReason.NOT_CONNECTED]))

    def test_stops_at_data(self) -> None:
        """Control packets in a row come at once; data behind them waits, with all that follows it."""
        codec = opened()
        self.assertFalse(codec.feed(ECHO + LCP + ECHO + framed(PING) + ECHO + framed(DATAGRAM)))
        self.assertEqual([ControlPacket(ECHO), Frame(LCP[4:]), ControlPacket(ECHO)], codec.control)
        self.assertTrue(codec.pending)
        codec.control.clear()
        self.assertEqual([PING, ControlPacket(ECHO), DATAGRAM, BARE], fed(codec, [framed(BARE)]))

    def test_other_protocols(self) -> None:
        """A frame of another protocol goes to PPP, which rejects it (RFC 1661 section 5.7)."""
        self.assertEqual([PING, Frame(REJECTED[4:])], fed(opened(), [framed(PING) + REJECTED]))

    def test_unread_flood(self) -> None:
        """Data that a peer puts between many control packets is not copied again for each of them."""
        codec = opened()
        stream = (ECHO + framed(PING)) * 1000
        self.assertFalse(codec.feed(stream))
        held = codec._held
        codec.control.clear()
        codec.feed(b"")
        self.assertIs(held, codec._held)
