"""Tests for iphttps.core.ip.router."""

from __future__ import annotations

from scapy.layers.inet6 import ICMPv6ND_RA, IPv6
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip.router import Advertise, Router
from iphttps.core.ip.router_advertisement import RouterAdvertisement
from iphttps.core.iphttps.clients import ClientEntry
from tests.support import ALL_NODES, PREFIX, ROUTER, UNSPECIFIED, RecordingConnection, address

A = "fe80::a"


class RouterTests(SynchronousTestCase):
    """The server's own voice (3.2.3.1)."""

    def setUp(self) -> None:
        """Make a router, and a client that asks it."""
        self.advertisement = RouterAdvertisement(PREFIX, router_lifetime=1800)
        self.router = Router(self.advertisement, address(ROUTER))
        self.client = ClientEntry(1, RecordingConnection(), "192.0.2.1", None, 0.0)

    def answered(self, solicitor: str, *times: float) -> list[float]:
        """Solicit at these times; return at which there was an answer."""
        return [now for now in times if self.router.answer(self.client, address(solicitor), now)]

    def test_answer_by_unicast(self) -> None:
        """A solicitation from an address is answered at this address (RFC 4861 section 6.2.6)."""
        answer = self.router.answer(self.client, address(A), 0.0)
        self.assertEqual(self.advertisement.packet(address(ROUTER), address(A)), answer)
        self.assertEqual((ROUTER, A), (IPv6(answer).src, IPv6(answer).dst))

    def test_answer_by_multicast(self) -> None:
        """A solicitation from the unspecified address is answered to all nodes (RFC 4861 section 6.2.6)."""
        answer = self.router.answer(self.client, address(UNSPECIFIED), 0.0)
        self.assertEqual(self.advertisement.packet(address(ROUTER), address(ALL_NODES)), answer)

    def test_rate_of_multicast(self) -> None:
        """Multicast advertisements come at most one every three seconds (RFC 4861 section 6.2.6)."""
        times = [100.0, 100.1, 102.9, 103.0, 105.9, 106.0]
        self.assertEqual([100.0, 103.0, 106.0], self.answered(UNSPECIFIED, *times))

    def test_rate_of_unicast(self) -> None:
        """A flood of solicitations from an address is answered every half second (RFC 4861 section 6.2.6)."""
        times = [100.0 + tick / 8 for tick in range(10)]
        self.assertEqual([100.0, 100.5, 101.0], self.answered(A, *times))

    def test_rates_are_the_clients_own(self) -> None:
        """One client's solicitations do not silence the router for another (RFC 4861 section 6.2.6)."""
        other = ClientEntry(2, RecordingConnection(), "192.0.2.2", None, 0.0)
        self.assertEqual([0.0], self.answered(UNSPECIFIED, 0.0, 0.1))
        self.assertTrue(self.router.answer(other, address(UNSPECIFIED), 0.1))

    def test_intervals(self) -> None:
        """The first three intervals are at most 16 seconds, later ones 200 to 600 (RFC 4861 section 6.2.4)."""
        intervals = [self.router.unsolicited(chance)[1] for chance in (0.0, 0.5, 1.0, 0.0, 0.5, 1.0)]
        self.assertEqual([16.0, 16.0, 16.0, 200.0, 400.0, 600.0], intervals)

    def test_unsolicited(self) -> None:
        """Unsolicited advertisements go to all nodes from the router's link-local address (RFC 4861 section 4.2)."""
        expected = self.advertisement.packet(address(ROUTER), address(ALL_NODES))
        self.assertEqual(expected, self.router.unsolicited(0.5)[0])

    def test_final_advertisement(self) -> None:
        """The last advertisement goes to all nodes, with a Router Lifetime of zero (RFC 4861 section 6.2.5)."""
        final = self.router.final_advertisement()
        self.assertEqual(self.advertisement.final().packet(address(ROUTER), address(ALL_NODES)), final)
        self.assertEqual(0, IPv6(final)[ICMPv6ND_RA].routerlifetime)

    def test_after_final_advertisement(self) -> None:
        """A restarted router advertises the current content (RFC 4861 section 6.2.8)."""
        self.router.final_advertisement()
        self.assertEqual(self.advertisement.packet(address(ROUTER)), self.router.unsolicited(0.5)[0])

    def test_change(self) -> None:
        """The advertised content can change at any time, with effect at once (RFC 4861 section 6.2.8)."""
        self.router.advertisement = changed = RouterAdvertisement(PREFIX, on_link=True)
        answer = self.router.answer(self.client, address(A), 0.0)
        self.assertEqual(
            [changed.packet(address(ROUTER), address(A)), changed.packet(address(ROUTER))],
            [answer, self.router.unsolicited(0.5)[0]],
        )

    def test_flood(self) -> None:
        """A flood of a thousand solicitations in a second has one answer by multicast (RFC 4861 section 6.2.6)."""
        self.assertEqual([100.0], self.answered(UNSPECIFIED, *[100.0 + tick / 1000 for tick in range(1000)]))

    def test_alternating(self) -> None:
        """A unicast answer does not hold a multicast one back, which alone has a limit (RFC 4861 section 6.2.6)."""
        self.assertEqual([100.0], self.answered(A, 100.0))
        self.assertEqual([100.1], self.answered(UNSPECIFIED, 100.1, 100.5, 103.0))
        self.assertEqual([100.6], self.answered(A, 100.2, 100.6))
        self.assertEqual([103.2], self.answered(UNSPECIFIED, 103.0, 103.2))


class AdvertiseTests(SynchronousTestCase):
    """The sender of Router Advertisements."""

    def test_choices(self) -> None:
        """This program does, a program of the host's, or nobody, and an operator writes it so (RFC 4861 6.2.1)."""
        self.assertEqual(["builtin", "host", "off"], [choice.value for choice in Advertise])
