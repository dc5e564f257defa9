"""Tests for iphttps.core.sstp.ppp.frame."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.ppp import HDLC, PPP
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.ppp.frame import ProtocolNumber, build, header, parse

PACKET = b"packet"


class ParseTests(SynchronousTestCase):
    """Frames of a peer."""

    def test_four_forms(self) -> None:
        """Address and Control may be absent (RFC 1661 6.6), and the first octet of the Protocol too (6.5)."""
        for before in (b"\xff\x03\x00\x21", b"\xff\x03\x21", b"\x00\x21", b"\x21"):
            self.assertEqual((ProtocolNumber.IPV4, len(before)), parse(before + PACKET))
        for before in (b"\xff\x03\xc0\x21", b"\xc0\x21"):
            self.assertEqual((ProtocolNumber.LCP, len(before)), parse(before + PACKET))

    def test_part_of_bytes(self) -> None:
        """A frame is found where it lies, and nothing outside it is looked at."""
        data = b"\xff" + b"\xff\x03\x00\x57" + PACKET + b"\xff\x03\x00\x21"
        self.assertEqual((ProtocolNumber.IPV6, 5), parse(data, 1, 11))
        self.assertIsNone(parse(data, 1, 3))
        self.assertIsNone(parse(data, 1, 4))
        self.assertEqual((0xFF, 2), parse(data, 1, 2))

    def test_too_short(self) -> None:
        """A frame that ends within its Protocol field is dropped; one whose Information is empty is not."""
        for short in (b"", b"\x00", b"\xff\x03", b"\xff\x03\xc0"):
            self.assertIsNone(parse(short), short)
        self.assertEqual((ProtocolNumber.LCP, 4), parse(b"\xff\x03\xc0\x21"))
        self.assertEqual((ProtocolNumber.IPV4, 1), parse(b"\x21"))

    def test_unknown(self) -> None:
        """Any number is returned, even one with a wrong parity, which is an unrecognized protocol (RFC 1661 2)."""
        self.assertEqual((0xC22C, 2), parse(b"\xc2\x2c"))
        self.assertEqual((0x0000, 2), parse(b"\x00\x00"))
        self.assertEqual((0xFF, 1), parse(b"\xff\x04"))

    @given(st.binary(max_size=20))
    def test_anything(self, data: bytes) -> None:
        """For any input the Information field starts within the frame, at offset four at most."""
        parsed = parse(data)
        if parsed is None:
            self.assertLess(len(data), 4)
        else:
            self.assertIn(parsed[1], range(1, min(4, len(data)) + 1))


class BuildTests(SynchronousTestCase):
    """Frames for a peer."""

    def test_uncompressed(self) -> None:
        """Without ACFC and PFC a frame has all fields; scapy reads the same from it."""
        for number in ProtocolNumber:
            frame = HDLC(build(number, PACKET))
            self.assertEqual((0xFF, 3, number), (frame.address, frame.control, frame[PPP].proto))
            self.assertEqual(PACKET, bytes(frame[PPP].payload)[-len(PACKET) :])

    def test_compressed(self) -> None:
        """ACFC leaves out Address and Control, PFC the first octet of a Protocol below 0100 (RFC 1661 6.5, 6.6)."""
        self.assertEqual(b"\x00\x21", header(ProtocolNumber.IPV4, acfc=True))
        self.assertEqual(b"\xff\x03\x21", header(ProtocolNumber.IPV4, pfc=True))
        self.assertEqual(b"\x57", header(ProtocolNumber.IPV6, acfc=True, pfc=True))
        self.assertEqual(b"\x80\x21", header(ProtocolNumber.IPCP, acfc=True, pfc=True))

    def test_lcp(self) -> None:
        """A frame of LCP is never compressed (RFC 1661 6.5, 6.6)."""
        self.assertEqual(b"\xff\x03\xc0\x21", header(ProtocolNumber.LCP, acfc=True, pfc=True))

    @given(st.sampled_from(ProtocolNumber), st.binary(), st.booleans(), st.booleans())
    def test_both_ways(self, number: ProtocolNumber, packet: bytes, acfc: bool, pfc: bool) -> None:
        """Every frame that is built is read again, however compressed."""
        frame = build(number, packet, acfc=acfc, pfc=pfc)
        parsed = parse(frame)
        assert parsed
        self.assertEqual((number, packet), (parsed[0], frame[parsed[1] :]))
