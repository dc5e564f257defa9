"""Tests for iphttps.core.iphttps.link: what the host sends to clients, and what the server sends of its own accord."""

from __future__ import annotations

from iphttps.core.errors import DropReason
from iphttps.core.ip.batch import EMPTY, Batch
from iphttps.core.ip.router import MAXIMUM_INTERVAL, Advertise
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.core.iphttps.link import Forwarding, OwnAddresses, ServerLink
from tests.support import (
    ALL_NODES,
    PRIVATE_HOST,
    ROUTER,
    SERVER,
    LinkTestCase,
    SmallLink,
    address,
    delivered,
    redirect,
    router_advertisement,
    router_solicitation,
    solicitation,
    udp,
)

A, B, C = "fe80::a", "fe80::b", "fe80::c"
GLOBAL_A, GLOBAL_B, GLOBAL_C = "2001:db8:2::a", "2001:db8:2::b", "2001:db8:2::c"
NOBODY = "2001:db8:2::d"


class FromHostTests(LinkTestCase):
    """Sending packets to clients (3.2.5.2.1)."""

    def test_one_receiver(self) -> None:
        """A batch for one client passes as it is."""
        batch = Batch.of([udp(PRIVATE_HOST, GLOBAL_B), udp(PRIVATE_HOST, GLOBAL_B, 100)])
        forwarding = self.link.from_host(batch, 0.0)
        self.assertEqual(EMPTY, forwarding.host)
        ((client, same),) = forwarding.clients
        self.assertIs(self.b, client)
        self.assertIs(batch, same)

    def test_several_receivers(self) -> None:
        """Each packet goes to the client behind whose connection its destination lives, in order (3)."""
        to_b = [udp(PRIVATE_HOST, GLOBAL_B, size) for size in (1, 2)]
        to_c = [udp(SERVER, GLOBAL_C, size) for size in (3, 4)]
        self.assertEqual(([], {self.b: to_b, self.c: to_c}), self.from_host(to_b[0], to_c[0], to_b[1], to_c[1]))

    def test_nothing(self) -> None:
        """No packets make no writes."""
        self.assertEqual(([], {}), self.from_host())

    def test_no_neighbor(self) -> None:
        """Packets to an address without a holder are dropped and counted; none is queued (RFC 6583 section 7.1)."""
        good = udp(PRIVATE_HOST, GLOBAL_B)
        self.assertEqual(([], {self.b: [good]}), self.from_host(good, udp(PRIVATE_HOST, GLOBAL_A), udp(ROUTER, A)))
        self.assertEqual({DropReason.NO_NEIGHBOR: 2}, dict(self.link.counters.drops))

    def test_own_packets(self) -> None:
        """The server's own link-local packets reach their receiver; its redirects do not (RFC 4861 section 8.2)."""
        good = [udp(ROUTER, B), solicitation(ROUTER, B, B)]
        sent = redirect(ROUTER, B, C, GLOBAL_C)
        self.assertEqual(([], {self.b: good}), self.from_host(good[0], sent, good[1]))
        self.assertEqual({DropReason.REDIRECT: 1}, dict(self.link.counters.drops))

    def test_unwanted(self) -> None:
        """Forbidden messages of the server's kernel are dropped without an error (RFC 6105, RFC 4861 8.2)."""
        for advertise in (Advertise.BUILTIN, Advertise.OFF):
            link = SmallLink(AuthenticationMode.NONE, advertise).link
            sent = Batch.of([router_advertisement(ROUTER, B), redirect(ROUTER, B, C, GLOBAL_C)])
            self.assertEqual(([], {}), delivered(link.from_host(sent, 0.0)))
            expected = {DropReason.ROUTER_ADVERTISEMENT: 1, DropReason.REDIRECT: 1}
            self.assertEqual(expected, dict(link.counters.drops))

    def test_multicast(self) -> None:
        """In mode Certificates the server's multicast reaches all clients (3)."""
        sent = udp(ROUTER, ALL_NODES)
        self.assertEqual(([], {self.a: [sent], self.b: [sent], self.c: [sent]}), self.from_host(sent))


class AdvertiseTests(LinkTestCase):
    """The periodic Router Advertisement (3.2.3.1)."""

    def test_not_built_in(self) -> None:
        """If a program of the host's advertises, or nobody, the server is silent (RFC 4861 section 6.2.1)."""
        for advertise in (Advertise.HOST, Advertise.OFF):
            link = SmallLink(self.mode, advertise).link
            self.assertEqual((Forwarding(), MAXIMUM_INTERVAL), link.advertise(0.5, 100.0))
            self.assertEqual(Forwarding(), link.final_advertisement())

    def test_final_advertisement(self) -> None:
        """When it stops advertising, the router tells all clients so: its lifetime is zero (RFC 4861 section 6.2.5)."""
        for mode in AuthenticationMode:
            small = SmallLink(mode)
            sent = small.router.advertisement.final().packet(address(ROUTER))
            self.assertEqual(
                ([], {client: [sent] for client in small.table}),
                delivered(small.link.final_advertisement(), *small.table),
            )

    def test_host_advertises(self) -> None:
        """A Router Advertisement by a program of the host's reaches all clients, in both modes (3.2.5.2.1)."""
        for mode in AuthenticationMode:
            small = SmallLink(mode, Advertise.HOST)
            sent = Batch.of([router_advertisement(ROUTER)])
            everybody = {client: list(sent) for client in small.table}
            self.assertEqual(([], everybody), delivered(small.link.from_host(sent, 0.0), *small.table))

    def test_host_is_asked(self) -> None:
        """Then a Router Solicitation is the host's to answer, and the server does not (RFC 4861 section 6.2.6)."""
        for advertise in (Advertise.HOST, Advertise.OFF):
            small = SmallLink(AuthenticationMode.NONE, advertise)
            sent = Batch.of([router_solicitation(A)])
            self.assertEqual((list(sent), {}), delivered(small.link.from_client(small.a, sent, 0.0)))

    def test_without_a_router(self) -> None:
        """A link may have no router: who solicits one is not answered (RFC 4861 section 6.2.2)."""
        small = self.small
        own = OwnAddresses(address(ROUTER), address(SERVER))
        link = ServerLink(small.table, small.cache, small.policy, None, own)
        forwarding = link.from_client(small.a, Batch.of([router_solicitation(A, ROUTER)]), 0.0)
        self.assertEqual(([], {}), delivered(forwarding))

    def test_all_clients(self) -> None:
        """Router Advertisements are multicast to the clients, in both modes (3.2.5.2.1)."""
        for mode in AuthenticationMode:
            small = SmallLink(mode)
            forwarding, interval = small.link.advertise(0.5, 100.0)
            sent = small.router.advertisement.packet(address(ROUTER), address(ALL_NODES))
            self.assertEqual(([], {client: [sent] for client in small.table}), delivered(forwarding, *small.table))
            self.assertEqual(16.0, interval)

    def test_counts_as_answer(self) -> None:
        """A solicitation is not answered by multicast right after an advertisement (RFC 4861 section 6.2.6)."""
        self.link.advertise(0.5, 100.0)
        self.assertNotIn(self.a, self.from_a(router_solicitation(), now=101.0)[1])
        self.assertIn(self.a, self.from_a(router_solicitation(), now=103.0)[1])


class RemoveTests(LinkTestCase):
    """The end of a client's connection."""

    def test_state_is_torn_down(self) -> None:
        """The server MUST remove the entry and tears down the state: the addresses are free (3.2.5.3, 3.2.7.2)."""
        self.link.remove(self.b)
        self.assertEqual([self.a, self.c], list(self.small.table))
        self.assertEqual(([], {}), self.from_host(udp(PRIVATE_HOST, GLOBAL_B)))
        sent = [udp(GLOBAL_B, PRIVATE_HOST), udp(A, "ff02::fb")]
        self.assertEqual((sent, {self.c: sent[1:]}), self.from_a(*sent))


class ChangeModeTests(LinkTestCase):
    """The Authentication Mode can be changed (3.2.7.1)."""

    def test_rules(self) -> None:
        """The rules of the new mode hold from then on, both ways (3.2.5.2.2)."""
        sent = udp(A, "ff02::fb")
        to_all = ([sent], {self.b: [sent], self.c: [sent]})
        for mode, expected in ((AuthenticationMode.NONE, ([], {})), (AuthenticationMode.CERTIFICATES, to_all)):
            self.link.change_mode(mode)
            self.assertEqual(expected, self.from_a(sent))

    def test_advertisement(self) -> None:
        """The prefix is on-link in mode Certificates and not in mode None, as is advertised (3.2.5.2.2)."""
        original = self.small.router.advertisement
        for mode in AuthenticationMode:
            self.link.change_mode(mode)
            self.assertEqual(original.with_prefix(on_link=mode.on_link), self.small.router.advertisement)

    def test_without_a_router(self) -> None:
        """If the host advertises, there is nothing else to be changed (3.2.7.1)."""
        small = SmallLink(AuthenticationMode.CERTIFICATES, Advertise.HOST)
        original = small.router.advertisement
        small.link.change_mode(AuthenticationMode.NONE)
        self.assertEqual((AuthenticationMode.NONE, original), (small.policy.mode, small.router.advertisement))
