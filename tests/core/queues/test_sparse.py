"""Tests for iphttps.core.queues.sparse; scapy builds the packets."""

from __future__ import annotations

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.packet import Packet
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.queues.sparse import INTERVAL, MOST_FLOWS, QUANTUM, SparseFlows, flow

ONE, OTHER = "192.0.2.1", "192.0.2.2"
ONE6, OTHER6 = "2001:db8::1", "2001:db8::2"


def numbered(number: int, size: int = 100) -> bytes:
    """Return a packet of the flow with this number."""
    head = IPv6(src=ONE6, dst=OTHER6) / UDP(sport=number // 60000 + 1, dport=number % 60000 + 1)
    return bytes(head / bytes(size - len(head)))


class FlowTests(SynchronousTestCase):
    """The fields that identify a flow."""

    def test_same(self) -> None:
        """Packets with the same addresses, protocol and ports are of one flow, whatever else is in them."""
        pairs: list[tuple[Packet, Packet]] = [
            (IP(src=ONE, dst=OTHER, id=1, ttl=3) / TCP(seq=1) / b"a", IP(src=ONE, dst=OTHER) / TCP(seq=5, flags="S")),
            (IPv6(src=ONE6, dst=OTHER6, fl=1) / UDP() / b"a", IPv6(src=ONE6, dst=OTHER6, hlim=3) / UDP()),
            (IPv6(src=ONE6, dst=OTHER6) / ICMPv6EchoRequest(seq=1), IPv6(src=ONE6, dst=OTHER6) / ICMPv6EchoRequest()),
            (IP(src=ONE, dst=OTHER) / ICMP(seq=1), IP(src=ONE, dst=OTHER) / ICMP(seq=2)),
            (IP(src=ONE, dst=OTHER, options=[IPOption(b"\x01")]) / UDP(), IP(src=ONE, dst=OTHER) / UDP()),
            (IP(src=ONE, dst=OTHER, flags="MF") / UDP(sport=1), IP(src=ONE, dst=OTHER, frag=9) / UDP(sport=2)),
        ]
        for one, other in pairs:
            self.assertEqual(flow(bytes(one)), flow(bytes(other)), one)

    def test_different(self) -> None:
        """Another address, protocol or port is another flow."""
        packets: list[Packet] = [
            IP(src=ONE, dst=OTHER) / TCP(sport=1),
            IP(src=ONE, dst=OTHER) / TCP(sport=2),
            IP(src=ONE, dst=OTHER) / UDP(sport=1),
            IP(src=ONE, dst=ONE) / UDP(sport=1),
            IP(src=ONE, dst=OTHER, frag=1) / UDP(sport=1),
            IPv6(src=ONE6, dst=OTHER6) / TCP(dport=1),
            IPv6(src=ONE6, dst=OTHER6) / TCP(dport=2),
            IPv6(src=OTHER6, dst=OTHER6) / TCP(dport=2),
            IPv6(src=ONE6, dst=OTHER6) / ICMPv6EchoRequest(),
        ]
        self.assertEqual(len(packets), len({flow(bytes(packet)) for packet in packets}))


class SparseFlowsTests(SynchronousTestCase):
    """The flows that are sparse (RFC 8290 section 4.2)."""

    def test_busy(self) -> None:
        """A flow is sparse until it has sent QUANTUM bytes, and another one remains so."""
        flows = SparseFlows()
        found = [flows.has(numbered(1, 1000), 10.0) for _ in range(5)]
        self.assertEqual([True] * (QUANTUM // 1000) + [False] * (5 - QUANTUM // 1000), found)
        self.assertTrue(flows.has(numbered(2), 10.0))

    def test_remains_busy(self) -> None:
        """A busy flow is not sparse at the beginning of the next interval either, only after a pause."""
        flows = SparseFlows()
        for tick in range(100):
            flows.has(numbered(1, 1000), 10.0 + tick / 50)
        self.assertFalse(any(flows.has(numbered(1, 1000), 12.0 + tick / 50) for tick in range(100)))
        self.assertTrue(flows.has(numbered(1, 1000), 14.0 + 2 * INTERVAL))

    def test_ping(self) -> None:
        """A flow of 100 bytes, twenty times a second, is sparse for ever."""
        flows = SparseFlows()
        self.assertTrue(all(flows.has(numbered(1), 10.0 + tick / 20) for tick in range(200)))

    def test_bounded(self) -> None:
        """Of any number of flows only so many are sparse, and remembered."""
        flows = SparseFlows()
        self.assertEqual(MOST_FLOWS, sum(flows.has(numbered(number), 10.0) for number in range(2 * MOST_FLOWS)))
        self.assertTrue(flows.has(numbered(1), 10.0))
        self.assertEqual(MOST_FLOWS, len(flows._now))
