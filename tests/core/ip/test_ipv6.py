"""Tests for iphttps.core.ip.ipv6; scapy and ipaddress are the witnesses."""

from __future__ import annotations

from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6, in6_chksum
from scapy.packet import Raw
from scapy.utils6 import in6_getnsma
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip import ipv6
from tests.support import address, packet, udp

ADDRESSES = st.one_of(
    st.binary(min_size=16, max_size=16),
    st.builds(
        lambda head, rest: head + rest, st.sampled_from((b"\xfe\x80", b"\xff\x02")), st.binary(min_size=14, max_size=14)
    ),
)


class AddressTests(SynchronousTestCase):
    """The classes of addresses."""

    @given(ADDRESSES)
    def test_multicast(self, raw: bytes) -> None:
        """An address is multicast if its high-order eight bits are ones (RFC 4291 section 2.7)."""
        self.assertEqual(IPv6Address(raw).is_multicast, ipv6.is_multicast(raw))

    @given(ADDRESSES)
    def test_link_local(self, raw: bytes) -> None:
        """A link-local unicast address begins with the ten bits 1111111010 (RFC 4291 section 2.5.6)."""
        self.assertEqual(IPv6Address(raw).is_link_local, ipv6.is_link_local(raw))

    def test_link_local_borders(self) -> None:
        """The block fe80::/10 ends at febf:: (RFC 4291 section 2.5.6)."""
        found = [text for text in ("fe7f::", "fe80::", "febf::", "fec0::") if ipv6.is_link_local(address(text))]
        self.assertEqual(["fe80::", "febf::"], found)

    @given(ADDRESSES)
    def test_solicited_node(self, raw: bytes) -> None:
        """A solicited-node address is formed from the low-order 24 bits of an address (RFC 4291 section 2.7.1)."""
        formed = ipv6.solicited_node(raw)
        self.assertEqual(in6_getnsma(raw), formed)
        self.assertTrue(ipv6.is_solicited_node(formed))

    def test_not_solicited_node(self) -> None:
        """Solicited-node addresses have the prefix ff02::1:ff00:0/104 (RFC 4291 section 2.7.1)."""
        for text in ("ff02::1", "ff02::1:fe00:1", "ff05::1:ff00:1", "fe80::1:ff00:1"):
            self.assertFalse(ipv6.is_solicited_node(address(text)), text)

    def test_multicast_scope(self) -> None:
        """The scope of a multicast address is its low-order four bits of the second byte (RFC 4291 section 2.7)."""
        scopes = {text: ipv6.multicast_scope(address(text)) for text in ("ff01::1", "ff02::1", "ff12::1", "ff0e::1")}
        self.assertEqual({"ff01::1": 1, "ff02::1": 2, "ff12::1": 2, "ff0e::1": 14}, scopes)

    def test_well_known(self) -> None:
        """The all-nodes address of the link is ff02::1 (RFC 4291 section 2.7.1)."""
        expected = [address(text) for text in ("::", "::1", "ff02::1")]
        self.assertEqual(expected, [ipv6.UNSPECIFIED, ipv6.LOOPBACK, ipv6.ALL_NODES])


class PacketTests(SynchronousTestCase):
    """Headers and checksums."""

    @given(ADDRESSES, ADDRESSES, st.integers(0, 255), st.binary(max_size=100), st.integers(0, 255))
    def test_packet(self, source: bytes, destination: bytes, next_header: int, payload: bytes, hop_limit: int) -> None:
        """The header carries version, Payload Length, Next Header, Hop Limit and addresses (RFC 8200 section 3)."""
        header = IPv6(src=str(IPv6Address(source)), dst=str(IPv6Address(destination)), nh=next_header, hlim=hop_limit)
        expected = bytes(header / Raw(payload))
        self.assertEqual(expected, ipv6.packet(source, destination, next_header, payload, hop_limit))

    @given(ADDRESSES, ADDRESSES, st.integers(1, 255), st.binary(max_size=100))
    def test_checksum(self, source: bytes, destination: bytes, next_header: int, payload: bytes) -> None:
        """The checksum covers the pseudo-header, and zero bytes pad odd lengths (RFC 8200 section 8.1)."""
        header = IPv6(src=str(IPv6Address(source)), dst=str(IPv6Address(destination)))
        expected = in6_chksum(next_header, header, payload)
        self.assertEqual(expected, ipv6.checksum(source, destination, next_header, payload))

    @given(st.binary(max_size=100))
    def test_verification(self, payload: bytes) -> None:
        """Over a payload that carries its right checksum the checksum is zero (RFC 1071 section 1)."""
        source, destination = "2001:db8:2::a", "2001:db8:1::5"
        covered = packet(source, destination, UDP() / payload)[ipv6.HEADER_LENGTH :]
        self.assertEqual(0, ipv6.checksum(address(source), address(destination), ipv6.UDP, covered))

    def test_offsets(self) -> None:
        """Fields stand where the header's picture shows them (RFC 8200 section 3)."""
        sample = udp("2001:db8:2::a", "2001:db8:1::5")
        witness = IPv6(sample)
        self.assertEqual(address(witness.src), sample[ipv6.SOURCE : ipv6.DESTINATION])
        self.assertEqual(address(witness.dst), sample[ipv6.DESTINATION : ipv6.HEADER_LENGTH])
        self.assertEqual([witness.nh, witness.hlim], [sample[ipv6.NEXT_HEADER], sample[ipv6.HOP_LIMIT]])
        self.assertEqual(witness.plen, sample[ipv6.PAYLOAD_LENGTH] * 256 + sample[ipv6.PAYLOAD_LENGTH + 1])
        self.assertEqual(ipv6.ADDRESS_LENGTH, ipv6.DESTINATION - ipv6.SOURCE)
