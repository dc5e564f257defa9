"""Tests for iphttps.core.ip.ipv4; scapy is the witness."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.packet import Raw
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip import ipv4

ADDRESSES = st.binary(min_size=4, max_size=4)
NEAR, FAR = (IPv4Address(text).packed for text in ("192.0.2.1", "192.0.2.2"))


class HeaderTests(SynchronousTestCase):
    """The header of RFC 791 section 3.1."""

    @given(ADDRESSES, ADDRESSES, st.integers(0, 0xFFFF), st.binary(max_size=100))
    def test_packet(self, source: bytes, destination: bytes, identification: int, payload: bytes) -> None:
        """A packet is what scapy makes, its header's checksum too."""
        made = ipv4.packet(source, destination, 253, payload, 63, identification=identification)
        header = IP(
            src=str(IPv4Address(source)), dst=str(IPv4Address(destination)), proto=253, ttl=63, id=identification,
            flags="DF",
        )  # fmt: skip
        self.assertEqual(bytes(header / Raw(payload)), made)

    def test_offsets(self) -> None:
        """Each field stands where its name says."""
        made = bytes(IP(src="192.0.2.1", dst="192.0.2.2", ttl=7, id=0x1234, flags="DF") / ICMP())
        self.assertEqual((ipv4.VERSION, NEAR, FAR), (made[0] >> 4, made[12:16], made[16:20]))
        self.assertEqual((NEAR, FAR), (made[ipv4.SOURCE : ipv4.DESTINATION], made[ipv4.DESTINATION :][:4]))
        self.assertEqual((7, 1), (made[ipv4.TIME_TO_LIVE], made[ipv4.PROTOCOL]))
        self.assertEqual(b"\x12\x34\x40\x00", made[ipv4.IDENTIFICATION : ipv4.TIME_TO_LIVE])

    def test_length(self) -> None:
        """The Total Length is the packet's, options included, wherever the packet begins."""
        plain, long = bytes(IP() / Raw(b"hello")), bytes(IP(options=[IPOption_NOP()] * 4) / Raw(bytes(1000)))
        self.assertEqual((25, 1024), (ipv4.length(plain), ipv4.length(plain + long, 25)))

    def test_contradictions(self) -> None:
        """A header is at least 20 bytes long, and not longer than its packet."""
        for first, total, expected in ((0x44, 100, None), (0x40, 100, None), (0x45, 19, None), (0x45, 20, 20),
                                       (0x46, 23, None), (0x46, 24, 24), (0x4F, 59, None), (0x4F, 60, 60)):  # fmt: skip
            self.assertEqual(expected, ipv4.length(bytes((first, 0)) + total.to_bytes(2, "big") + bytes(16)))

    @given(ADDRESSES, ADDRESSES, st.binary(max_size=99), st.sampled_from((TCP, UDP)))
    def test_checksum(self, source: bytes, destination: bytes, payload: bytes, layer: type[TCP] | type[UDP]) -> None:
        """The checksum of TCP and UDP is scapy's; over a payload that carries it the result is zero."""
        whole = bytes(IP(src=str(IPv4Address(source)), dst=str(IPv4Address(destination))) / layer() / payload)
        self.assertEqual(0, ipv4.checksum(source, destination, whole[ipv4.PROTOCOL], whole[20:]))
