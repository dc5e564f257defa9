"""Tests for iphttps.core.iphttps.liveness, with scapy's packets."""

from __future__ import annotations

from ipaddress import IPv6Address

from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, IPv6
from scapy.packet import Packet
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip.batch import Batch
from iphttps.core.iphttps.liveness import QUESTIONS, RouterWatch

ROUTER, OTHER, OWN = "fe80::1", "fe80::99", "fe80::2"
ADVERTISEMENT = IPv6(src=ROUTER, dst="ff02::1", hlim=255) / ICMPv6ND_RA(routerlifetime=0)
ANSWER = IPv6(src=ROUTER, dst=OWN, hlim=255) / ICMPv6ND_NA(tgt=ROUTER, R=1, S=1, O=0)
DATA = IPv6(src="2001:db8::1", dst="2001:db8::2") / ICMPv6EchoReply()


def address(text: str) -> bytes:
    """Return an address as on the packet path."""
    return IPv6Address(text).packed


class RouterWatchTests(SynchronousTestCase):
    """The router's addresses that the client learns."""

    def setUp(self) -> None:
        """Begin with a link just up."""
        self.watch = RouterWatch()

    def hear(self, *packets: Packet, now: float = 0.0) -> None:
        """Let packets come from the server."""
        self.watch.hear(Batch.of(bytes(packet) for packet in packets), now)

    def ask(self, now: float = 0.0) -> bytes | None:
        """Ask from the host's link-local address."""
        return self.watch.ask(address(OWN), now)

    def test_router(self) -> None:
        """The first Router Advertisement that is valid names the router; then nobody listens."""
        self.assertTrue(self.watch.listening)
        self.hear(DATA, IPv6(src=ROUTER, dst="ff02::1", hlim=64) / ICMPv6ND_RA())
        self.assertIsNone(self.watch.router)
        self.hear(DATA, ADVERTISEMENT, DATA, IPv6(src=OTHER, dst="ff02::1", hlim=255) / ICMPv6ND_RA())
        self.assertEqual(self.watch.router, address(ROUTER))
        self.assertFalse(self.watch.listening)

    def test_question(self) -> None:
        """The question is a Neighbor Solicitation to the router alone, without link-layer address (3)."""
        self.hear(ADVERTISEMENT)
        question = IPv6(self.ask() or b"")
        self.assertEqual((question.src, question.dst, question.hlim, question.plen), (OWN, ROUTER, 255, 24))
        self.assertEqual(question[ICMPv6ND_NS].tgt, ROUTER)

    def test_answer(self) -> None:
        """The answer tells how far away the router is, counted from the first of the questions."""
        self.hear(ADVERTISEMENT)
        self.ask(now=10.0)
        self.ask(now=11.0)
        self.assertTrue(self.watch.waiting)
        self.assertTrue(self.watch.listening)
        self.hear(DATA, ANSWER, ANSWER, now=11.25)
        self.assertEqual((self.watch.round_trip, self.watch.waiting, self.watch.listening), (1.25, False, False))

    def test_no_answer(self) -> None:
        """Only the router's answer to this host counts, and three solicitations are the maximum."""
        self.hear(ADVERTISEMENT)
        questions = [self.ask(now=float(second)) for second in range(QUESTIONS + 1)]
        self.assertEqual([question is None for question in questions], [False, False, False, True])
        for wrong in (
            ADVERTISEMENT,
            DATA,
            IPv6(src=OTHER, dst=OWN, hlim=255) / ICMPv6ND_NA(tgt=OTHER, S=1),
            IPv6(src=ROUTER, dst=OWN, hlim=255) / ICMPv6ND_NA(tgt=ROUTER, S=0),
            IPv6(src=ROUTER, dst=OTHER, hlim=255) / ICMPv6ND_NA(tgt=ROUTER, S=1),
            IPv6(src=ROUTER, dst=OWN, hlim=64) / ICMPv6ND_NA(tgt=ROUTER, S=1),
        ):
            self.hear(wrong, now=5.0)
        self.assertTrue(self.watch.waiting)
        self.watch.give_up()
        self.assertFalse(self.watch.waiting)
        self.hear(ANSWER, now=6.0)
        self.assertIsNone(self.watch.round_trip)
