"""Tests for iphttps.core.sstp.ppp.options."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.ppp import PPP_IPCP_Option_DNS1, PPP_IPCP_Option_IPAddress, PPP_LCP_MRU_Option
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.ppp.options import MAXIMUM_OPTIONS, build, parse

options = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=253)), max_size=MAXIMUM_OPTIONS)


class OptionsTests(SynchronousTestCase):
    """Type, Length and Data (RFC 1661 6)."""

    def test_read(self) -> None:
        """Options are read in order, those without data too."""
        data = bytes(PPP_LCP_MRU_Option(max_recv_unit=1400)) + b"\x07\x02\x08\x02"
        self.assertEqual(((1, b"\x05\x78"), (7, b""), (8, b"")), parse(data))
        self.assertEqual((), parse(b""))

    def test_build(self) -> None:
        """Built options equal those of scapy."""
        expected = bytes(PPP_IPCP_Option_IPAddress(data="10.0.0.2")) + bytes(PPP_IPCP_Option_DNS1(data="10.0.0.1"))
        self.assertEqual(expected, build([(3, b"\x0a\x00\x00\x02"), (129, b"\x0a\x00\x00\x01")]))

    def test_lengths(self) -> None:
        """A Length of 0 or 1, or past the end, makes the packet malformed; 255 does not if the bytes are there."""
        for wrong in (b"\x01", b"\x01\x00", b"\x01\x01", b"\x01\x01\x02", b"\x01\x03", b"\x01\xff" + bytes(252)):
            self.assertIsNone(parse(wrong), wrong)
            self.assertIsNone(parse(b"\x07\x02" + wrong), wrong)
        self.assertEqual(((1, bytes(253)),), parse(b"\x01\xff" + bytes(253)))
        self.assertIsNone(parse(b"\x01\xff" + bytes(253) + b"\x02"))

    def test_count(self) -> None:
        """So many options as no peer has are malformed."""
        self.assertEqual(((7, b""),) * MAXIMUM_OPTIONS, parse(b"\x07\x02" * MAXIMUM_OPTIONS))
        self.assertIsNone(parse(b"\x07\x02" * (MAXIMUM_OPTIONS + 1)))

    @given(options)
    def test_both_ways(self, given: list[tuple[int, bytes]]) -> None:
        """Built options are parsed again; truncated within an option they are malformed."""
        data = build(given)
        self.assertEqual(tuple(given), parse(data))
        ends = {len(build(given[:count])) for count in range(len(given) + 1)}
        for length in range(min(len(data), 600)):
            self.assertEqual(length in ends, parse(data[:length]) is not None)

    @given(st.binary(max_size=300))
    def test_anything(self, data: bytes) -> None:
        """Parsed options are built again as the same bytes."""
        read = parse(data)
        if read is not None:
            self.assertEqual(data, build(read))
