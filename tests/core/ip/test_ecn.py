"""Tests for iphttps.core.ip.ecn; scapy is the independent witness."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, IPOption
from scapy.layers.inet6 import IPv6
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip.ecn import CE, ECT_0, ECT_1, NOT_ECT, codepoint, marked
from iphttps.core.ip.ipv6 import internet_checksum

DSCP = st.integers(0, 63)
ECT = st.sampled_from((ECT_0, ECT_1))


def ipv4(service: int, identification: int = 1, options: bytes = b"") -> bytes:
    """Return an IPv4 packet with this Type of Service."""
    header = IP(
        src="192.0.2.1",
        dst="198.51.100.2",
        tos=service,
        id=identification,
        options=[IPOption(options)] if options else [],
    )
    return bytes(header / TCP(dport=443) / b"data")


def ipv6(traffic_class: int, label: int = 0xABCDE) -> bytes:
    """Return an IPv6 packet with this Traffic Class."""
    return bytes(IPv6(src="2001:db8::1", dst="2001:db8::2", tc=traffic_class, fl=label) / TCP(dport=443) / b"data")


class ECNTests(SynchronousTestCase):
    """The ECN field of both families."""

    def test_codepoints(self) -> None:
        """The codepoints are the last two bits of Type of Service and Traffic Class (RFC 3168 section 5)."""
        self.assertEqual((0, 1, 2, 3), (NOT_ECT, ECT_1, ECT_0, CE))
        for service in range(256):
            for packet in (ipv4(service), ipv6(service)):
                self.assertEqual(service & 3, codepoint(packet))
                self.assertEqual(service & 3, codepoint(b"in front" + packet, 8))

    def test_not_capable(self) -> None:
        """A packet of a transport without ECN is never marked (RFC 3168 section 5)."""
        for service in range(0, 256, 4):
            self.assertIsNone(marked(ipv4(service)))
            self.assertIsNone(marked(ipv6(service)))

    def test_marked_before(self) -> None:
        """A packet that has CE keeps it and is passed on unchanged (RFC 3168 section 5)."""
        for service in range(3, 256, 4):
            for packet in (ipv4(service), ipv6(service)):
                self.assertEqual(packet, marked(packet))

    @given(DSCP, ECT, st.integers(0, 0xFFFF), st.sampled_from((b"", b"\x01\x01\x01\x01")))
    def test_ipv4(self, dscp: int, ect: int, identification: int, options: bytes) -> None:
        """Only the codepoint and the checksum change, which is valid again (RFC 3168 section 5, RFC 1624 section 3)."""
        packet = marked(ipv4(dscp << 2 | ect, identification, options))
        self.assertEqual(ipv4(dscp << 2 | CE, identification, options), packet)

    @given(DSCP, ECT, st.integers(0, 0xFFFFF))
    def test_ipv6(self, dscp: int, ect: int, label: int) -> None:
        """Only the codepoint changes: neither the other six bits of the class, nor the label (RFC 3168 section 5)."""
        self.assertEqual(ipv6(dscp << 2 | CE, label), marked(ipv6(dscp << 2 | ect, label)))

    def test_every_checksum(self) -> None:
        """The update is right for every checksum, also where a sum carries (RFC 1624 section 3)."""
        for identification in range(0x10000):
            header = bytearray(ipv4_header(identification))
            after = marked(bytes(header))
            assert after
            self.assertEqual(0, internet_checksum(after), identification)
            self.assertNotEqual(b"\xff\xff", after[10:12])  # a valid header never has it (RFC 1624 section 3)

    def test_invalid_checksum(self) -> None:
        """A wrong checksum stays wrong: the update does not hide it (RFC 1624 section 3)."""
        packet = bytearray(ipv4(ECT_0))
        packet[11] ^= 0x40
        after = marked(bytes(packet))
        assert after
        self.assertNotEqual(0, internet_checksum(after[:20]))


def ipv4_header(identification: int) -> bytes:
    """Return an IPv4 header of an ECN-capable transport with a valid checksum."""
    header = (
        bytes((0x45, ECT_0, 0, 20))
        + identification.to_bytes(2)
        + bytes(2)
        + b"\x40\x06\0\0"
        + bytes.fromhex("c0000201c6336402")
    )
    return header[:10] + internet_checksum(header).to_bytes(2) + header[12:]
