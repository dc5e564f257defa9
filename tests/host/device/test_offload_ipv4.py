"""Segmentation offload of IPv4: what is cut, what is joined and what is not; scapy is the witness.

The kernel's place takes a pair of sockets, which shows each superpacket with its virtio-net header.
"""

from __future__ import annotations

import socket
import struct
from array import array
from itertools import accumulate, pairwise

from scapy.layers.inet import IP, TCP, UDP, IPOption_NOP
from scapy.packet import Packet, Raw
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip import ipv4
from iphttps.core.ip.ipv6 import MINIMUM_MTU as LONGEST
from iphttps.host.device import _offload

from .flows import (
    ACK,
    CWR,
    ECE,
    FIN,
    GSO_TCPV4,
    GSO_TCPV6,
    GSO_UDP_L4,
    MORE_FRAGMENTS,
    PSH,
    tcp,
    udp,
    with_header,
    with_options,
)  # fmt: skip

HINT = struct.Struct("=BBHHHH")  # linux/virtio_net.h: flags, type, header, segment, checksum's start, its offset
NEEDS_CSUM, SINGLE = 1, 0
HEADER = 20 + 20
NEAR, FAR = "192.0.2.1", "192.0.2.2"


class PairCase(SynchronousTestCase):
    """A device and a kernel."""

    def setUp(self) -> None:
        """Make both."""
        self.kernel, self.device = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.kernel, self.device):
            self.addCleanup(end.close)
            end.setblocking(False)

    def read(self, hint: bytes, packet: bytes, *, carried: bool = True) -> tuple[list[bytes], list[int]]:
        """Return what one read gives: packets, and the drops for version, length and size."""
        self.kernel.send(hint + packet)
        data, raw, *drops = _offload.read(self.device.fileno(), 1, carried, LONGEST)
        return [data[start:end] for start, end in pairwise(memoryview(raw).cast("I"))], drops

    def written(self, packets: list[bytes]) -> list[tuple[int, bytes]]:
        """Write packets, and return what the kernel gets: the type of each, and the superpacket or packet."""
        bounds = array("I", accumulate(map(len, packets), initial=0)).tobytes()
        self.assertEqual((0, 0), _offload.write(self.device.fileno(), b"".join(packets), bounds, True))
        found: list[tuple[int, bytes]] = []
        while True:
            try:
                got = self.kernel.recv(1 << 17)
            except BlockingIOError:
                return found
            found.append((HINT.unpack_from(got)[1], got[HINT.size :]))


def superpacket(layer: Packet, size: int, *, options: int = 0, identification: int = 0xFFFE) -> tuple[bytes, int, int]:
    """Build what the kernel hands over: the sum of the pseudo-header where the checksum is to be; and two offsets."""
    header = IP(src=NEAR, dst=FAR, id=identification, flags="DF", options=[IPOption_NOP()] * options)
    whole = bytes(header / layer / Raw(bytes(range(256)) * (size // 256)))
    start, at = 20 + options, 16 if isinstance(layer, TCP) else 6
    pseudo = struct.pack("!4s4sHH", whole[12:16], whole[16:20], whole[9], len(whole) - start)
    total = sum(struct.unpack("!6H", pseudo))
    total = (total & 0xFFFF) + (total >> 16)
    return whole[: start + at] + total.to_bytes(2, "big") + whole[start + at + 2 :], start, at


def remade(packet: bytes) -> bytes:
    """Return the packet with lengths and checksums as scapy makes them."""
    parsed = IP(packet)
    layer = TCP if TCP in parsed else UDP
    for each, field in ((IP, "len"), (IP, "chksum"), (layer, "chksum"), *(((UDP, "len"),) if layer is UDP else ())):
        delattr(parsed[each], field)
    return bytes(parsed)


class CutTests(PairCase):
    """Packets from the kernel."""

    def cut(self, layer: Packet, kind: int, size: int, *, options: int = 0) -> list[bytes]:
        """Return the segments of a superpacket of 4 kB."""
        packet, start, at = superpacket(layer, 4096, options=options)
        packets, drops = self.read(HINT.pack(NEEDS_CSUM, kind, start + len(layer), size, start, at), packet)
        self.assertEqual([0, 0, 0], drops)
        self.assertEqual(-(-4096 // size), len(packets))
        for each in packets:
            self.assertEqual(remade(each), each)
        payload = b"".join(each[start + len(layer) :] for each in packets)
        self.assertEqual(bytes(range(256)) * 16, payload)
        return packets

    def test_tcp(self) -> None:
        """Identification and sequence number count up and wrap; PSH and FIN are the last one's, CWR the first one's."""
        for options in (0, 8, 40):
            layer = TCP(sport=1, dport=2, seq=2**32 - 1000, ack=7, flags=ACK | PSH | FIN | ECE | CWR)
            packets = [IP(each) for each in self.cut(layer, GSO_TCPV4, 1000, options=options)]
            self.assertEqual([0xFFFE, 0xFFFF, 0, 1, 2], [each.id for each in packets])
            self.assertEqual([2**32 - 1000, 0, 1000, 2000, 3000], [each[TCP].seq for each in packets])
            middle = ACK | ECE
            expected = [middle | CWR, middle, middle, middle, middle | PSH | FIN]
            self.assertEqual(expected, [int(each[TCP].flags) for each in packets])
            self.assertEqual({"DF"}, {str(each.flags) for each in packets})

    def test_udp(self) -> None:
        """Each datagram has its own length and Identification."""
        packets = [IP(each) for each in self.cut(UDP(sport=1, dport=2), GSO_UDP_L4, 1000)]
        self.assertEqual([1008] * 4 + [104], [each[UDP].len for each in packets])
        self.assertEqual([0xFFFE, 0xFFFF, 0, 1, 2], [each.id for each in packets])

    def test_single(self) -> None:
        """A single packet has its checksum finished, and is else as it was."""
        for layer in (TCP(sport=1, dport=2), UDP(sport=1, dport=2)):
            packet, start, at = superpacket(layer, 512, options=4)
            packets, _ = self.read(HINT.pack(NEEDS_CSUM, SINGLE, 0, 0, start, at), packet)
            self.assertEqual([remade(packet)], packets)

    def test_not_carried(self) -> None:
        """A device of IPv6 alone drops IPv4 by its version, however long it is."""
        packet, start, at = superpacket(TCP(sport=1, dport=2), 4096)
        for hint in (HINT.pack(NEEDS_CSUM, GSO_TCPV4, HEADER, 1000, start, at), HINT.pack(0, SINGLE, 0, 0, 0, 0)):
            self.assertEqual(([], [1, 0, 0]), self.read(hint, packet, carried=False))

    def test_longest(self) -> None:
        """No packet is longer than the link's MTU (3.2.3.1), its headers included."""
        packet, start, at = superpacket(TCP(sport=1, dport=2), 4096)
        for size, dropped in ((LONGEST - HEADER, 0), (LONGEST - HEADER + 1, 1), (0xFFFF, 1)):
            packets, drops = self.read(HINT.pack(NEEDS_CSUM, GSO_TCPV4, HEADER, size, start, at), packet)
            self.assertEqual([0, 0, dropped], drops)
            self.assertLessEqual(max(map(len, packets), default=0), LONGEST)
        self.assertEqual(([], [0, 0, 1]), self.read(HINT.pack(0, SINGLE, 0, 0, 0, 0), packet))

    def test_contradictions(self) -> None:
        """A header that contradicts the packet or the hint is dropped for its length."""
        packet, start, at = superpacket(TCP(sport=1, dport=2), 1024)
        hint = HINT.pack(NEEDS_CSUM, GSO_TCPV4, HEADER, 500, start, at)
        for what, wrong in (
            (hint, b"\x44" + packet[1:]),  # shorter than a header can be
            (hint, packet[:2] + b"\0\x14" + packet[4:]),
            (hint, packet + b"x"),
            (hint, b"\x4f" + packet[1:]),  # longer than where the transport starts
            (HINT.pack(NEEDS_CSUM, GSO_TCPV6, HEADER, 500, start, at), packet),  # the other version
            (HINT.pack(NEEDS_CSUM, GSO_TCPV4, HEADER, 0, start, at), packet),
            (HINT.pack(NEEDS_CSUM, GSO_TCPV4, HEADER, 500, 19, at), packet),
            (HINT.pack(0, GSO_TCPV4, HEADER, 500, start, at), packet),
        ):
            self.assertEqual(([], [0, 1, 0]), self.read(what, wrong))
        header = b"\x4f\0\0\x14" + bytes(16)  # of 60 bytes, in a packet of 20
        self.assertEqual(([], [0, 1, 0]), self.read(HINT.pack(0, SINGLE, 0, 0, 0, 0), header))


class JoinTests(PairCase):
    """Packets to the kernel."""

    def segments(self, number: int = 3, fragment: int = ipv4.DONT_FRAGMENT) -> list[bytes]:
        """Build consecutive segments."""
        return [
            tcp(1, 500 * each, ACK, bytes(500), version=4, identification=0xFFFE + each, fragment=fragment)
            for each in range(number)
        ]

    def datagrams(self) -> list[bytes]:
        """Build consecutive datagrams."""
        return [udp(1, bytes(500), version=4, identification=0xFFFE + each) for each in range(3)]

    def test_joined(self) -> None:
        """Consecutive segments or datagrams are one superpacket, its header's length and checksum right."""
        for packets, kind, headers in (
            (self.segments(), GSO_TCPV4, 40),
            (self.segments(fragment=0), GSO_TCPV4, 40),
            (self.datagrams(), GSO_UDP_L4, 28),
        ):
            ((found, whole),) = self.written(packets)
            self.assertEqual((kind, headers + 1500), (found, len(whole)))
            self.assertEqual(remade(whole)[:20], whole[:20])
            self.assertEqual(0xFFFE, IP(whole).id)

    def test_cut_again(self) -> None:
        """A joined superpacket is cut into the original packets, wrapped Identifications included."""
        for packets in (self.segments(9), self.segments(9, fragment=0), self.datagrams()):
            bounds = array("I", accumulate(map(len, packets), initial=0)).tobytes()
            _offload.write(self.device.fileno(), b"".join(packets), bounds, True)
            found, drops = self.read(b"", self.kernel.recv(1 << 17))
            self.assertEqual((packets, [0, 0, 0]), (found, drops))

    def test_full(self) -> None:
        """A superpacket is no longer than the Total Length can tell, 65535 bytes, and of no more than 64 packets."""
        packets = [
            tcp(1, 1240 * each, ACK, bytes(1240), version=4, identification=each, options=b"\1" * 20)
            for each in range(70)
        ]
        for _, whole in self.written(packets):
            self.assertLessEqual(len(whole), 0xFFFF)
            self.assertEqual(len(whole), int.from_bytes(whole[2:4], "big"))

    def test_not_joined(self) -> None:
        """A packet whose header would not come out of a superpacket as it went in is written by itself."""
        first, second, third = self.segments()
        for name, odd in {
            "Identification": with_header(second, ipv4.IDENTIFICATION, b"\xff\xfe"),
            "skipped": with_header(second, ipv4.IDENTIFICATION, b"\0\0"),
            "Don't Fragment": with_header(second, ipv4.FLAGS, b"\0\0"),
            "reserved flag": with_header(second, ipv4.FLAGS, b"\xc0\0"),
            "more fragments": with_header(second, ipv4.FLAGS, MORE_FRAGMENTS.to_bytes(2, "big")),
            "fragment": with_header(second, ipv4.FLAGS, b"\0\1"),
            "Time to Live": with_header(second, ipv4.TIME_TO_LIVE, b"\x3f"),
            "Type of Service": with_header(second, 1, b"\x03"),
            "options": with_options(second),
            "header's checksum": second[:10] + bytes((second[10] ^ 1,)) + second[11:],
            "TCP's checksum": second[:-1] + b"\1",
            "Total Length": with_header(second, 2, (len(second) - 1).to_bytes(2, "big")),
        }.items():
            found = [packet for _, packet in self.written([first, odd, third])]
            self.assertEqual([first, odd, third], found, name)

    def test_all_alike(self) -> None:
        """Fragments, and packets with options, are written by themselves, though they are alike among themselves."""
        for flags in (MORE_FRAGMENTS, 1, 0x8000):
            packets = self.segments(fragment=flags)
            self.assertEqual([(SINGLE, packet) for packet in packets], self.written(packets))
        packets = list(map(with_options, self.segments()))
        self.assertEqual([(SINGLE, packet) for packet in packets], self.written(packets))

    def test_order(self) -> None:
        """No packet overtakes one of its flow, nor a fragment or one with options, which might be of its flow."""
        first, second, third = self.segments()
        other = tcp(2, 0, ACK, bytes(500), version=4)
        fragment = with_header(tcp(9, 0, ACK, bytes(500), version=4), ipv4.FLAGS, b"\0\1")
        last = tcp(1, 500, ACK | FIN, b"", version=4)
        for between in (fragment, with_options(second), last, second[:24]):
            found = [packet for _, packet in self.written([first, second, other, between, third])]
            kept = [packet for packet in found if packet != other]
            self.assertEqual([1000 + HEADER, len(between), len(third)], list(map(len, kept)))
            self.assertEqual([between, third], kept[1:])

    def test_other_flow(self) -> None:
        """Packets of other flows, of either version, keep nothing from being joined."""
        others = [tcp(2, 500 * each, ACK, bytes(500), version=6) for each in range(3)]
        mixed = [packet for pair in zip(self.segments(), others, strict=True) for packet in pair]
        self.assertEqual({GSO_TCPV4, GSO_TCPV6}, {kind for kind, _ in self.written(mixed)})
        self.assertEqual(2, len(self.written(mixed)))

    def test_no_checksum(self) -> None:
        """Datagrams without a checksum, as IPv4 may have them (RFC 768), are not joined."""
        bare = [packet[:26] + b"\0\0" + packet[28:] for packet in self.datagrams()]
        self.assertEqual([(SINGLE, packet) for packet in bare], self.written(bare))
