"""Fragmentation of IPv4, judged by scapy's reassembly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, defragment
from scapy.packet import Raw
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip import ipv4
from iphttps.core.ip.ipv4_fragments import fragments, may_be_fragmented
from iphttps.core.ip.ipv6 import internet_checksum

SOURCE, DESTINATION = bytes((198, 51, 100, 1)), bytes((10, 99, 0, 9))


def packet(length: int, options: bytes = b"", flags: int = 0) -> bytes:
    """Build a packet with this length of payload."""
    made = IP(src="198.51.100.1", dst="10.99.0.9", id=77, proto=253, flags=flags >> 13, frag=flags & 0x1FFF)
    payload = bytes(number % 251 for number in range(length))
    if options:
        first = bytes(made / Raw(payload))
        head = bytearray(first[:20] + options)
        head[0] = 0x40 | len(head) // 4
        head[2:4] = (len(head) + length).to_bytes(2)
        head[10:12] = bytes(2)
        head[10:12] = internet_checksum(bytes(head)).to_bytes(2)
        return bytes(head) + payload
    return bytes(made / Raw(payload))


class FragmentTests(SynchronousTestCase):
    """The fragments of a packet."""

    @given(st.integers(80, 4000), st.integers(68, 1400))
    def test_together(self, length: int, mtu: int) -> None:
        """The fragments fit, have right checksums, and make the packet again; only the last has no More Fragments."""
        whole = packet(length)
        if len(whole) <= mtu:
            return
        found = fragments(whole, mtu)
        self.assertTrue(all(len(each) <= mtu and internet_checksum(each[:20]) == 0 for each in found))
        self.assertEqual([bool(each[6] & 0x20) for each in found], [True] * (len(found) - 1) + [False])
        (again,) = defragment([IP(each) for each in found])
        self.assertEqual(bytes(again)[20:], whole[20:])
        self.assertEqual((again.src, again.dst, again.id, again.proto), ("198.51.100.1", "10.99.0.9", 77, 253))

    def test_again(self) -> None:
        """A fragment can be fragmented: the offsets go on from its own, and More Fragments stays."""
        found = [IP(each) for each in fragments(packet(160, flags=0x2000 | 10), 100)]
        self.assertEqual([(each.frag, int(each.flags)) for each in found], [(10, 1), (20, 1)])
        self.assertEqual([len(each.payload) for each in found], [80, 80])

    def test_options(self) -> None:
        """The first fragment has all options, later ones only those to be copied (RFC 791 section 3.1)."""
        record_route, source_route = b"\x07\x07\x04" + bytes(4), b"\x83\x07\x04" + bytes((1, 2, 3, 4))
        whole = packet(200, b"\x01" + record_route + source_route + b"\x00")
        first, *later = fragments(whole, 100)
        self.assertEqual(first[20:36], whole[20:36])
        self.assertEqual([(each[0], each[20:28]) for each in later], [(0x47, source_route + b"\x00")] * len(later))
        self.assertEqual(first[36:] + b"".join(each[28:] for each in later), whole[36:])

    def test_wrong_options(self) -> None:
        """Options with invalid lengths only end the copy."""
        for options in (b"\x01\x01\x01\x83", b"\x83\x00\x83\x01", b"\x83\xff\x01\x01", b"\x07\x00\x00\x00"):
            found = fragments(packet(200, options), 100)
            self.assertTrue(
                all(len(each) <= 100 and internet_checksum(each[: (each[0] & 15) * 4]) == 0 for each in found)
            )

    def test_permitted(self) -> None:
        """Don't Fragment forbids it."""
        self.assertTrue(may_be_fragmented(packet(10)))
        self.assertFalse(may_be_fragmented(ipv4.packet(SOURCE, DESTINATION, 17, b"")))
