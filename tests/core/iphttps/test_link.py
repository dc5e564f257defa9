"""Tests for iphttps.core.iphttps.link: what clients send; what the host sends is in test_link_host."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import ICMPv6MLReport2

from iphttps.core.errors import DropReason
from iphttps.core.ip.batch import Batch
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.core.iphttps.clients import ClientEntry
from iphttps.core.iphttps.link import PROVEN_HEADERS
from tests.support import (
    ALL_NODES,
    PRIVATE_HOST,
    ROUTER,
    SERVER,
    LinkTestCase,
    SmallLink,
    address,
    advertisement,
    delivered,
    echo,
    packet,
    probe,
    router_solicitation,
    solicitation,
    udp,
)

A, B, C = "fe80::a", "fe80::b", "fe80::c"
GLOBAL_A, GLOBAL_B, GLOBAL_C = "2001:db8:2::a", "2001:db8:2::b", "2001:db8:2::c"


class FromClientTests(LinkTestCase):
    """Receiving packets from a client (3.2.5.2.2)."""

    def test_routed(self) -> None:
        """The server acts as a router: packets for other networks go to the host's kernel (3.2.3.1)."""
        packets = [udp(GLOBAL_A, PRIVATE_HOST, size) for size in (1, 1000, 0)]
        self.assertEqual((packets, {}), self.from_a(*packets))

    def test_proven_passes_whole(self) -> None:
        """A batch of nothing but proven flows passes as it is."""
        batch = Batch.of([udp(GLOBAL_A, PRIVATE_HOST), udp(GLOBAL_A, PRIVATE_HOST, 100)])
        self.link.from_client(self.a, batch, 0.0)
        self.assertIs(batch, self.link.from_client(self.a, batch, 1.0).host)

    def test_proven_by_one_client(self) -> None:
        """A header proven for one client is not proven for another: source addresses are exclusive (RFC 6620)."""
        sent = udp(GLOBAL_A, PRIVATE_HOST)
        self.from_a(sent)
        batch = Batch.of([sent])
        self.assertEqual(([], {}), delivered(self.link.from_client(self.b, batch, 0.0)))
        self.assertEqual({DropReason.SOURCE_HELD: 1}, self.drops(self.b))

    def test_proven_is_exact(self) -> None:
        """Proof holds for one Next Header, Hop Limit, source and destination; anything else is looked at."""
        good = udp(GLOBAL_A, PRIVATE_HOST)
        self.from_a(good)
        for other in (udp(GLOBAL_A, "::1"), udp(GLOBAL_B, PRIVATE_HOST), echo(GLOBAL_A, "ff01::1")):
            self.assertEqual(([good, good], {}), self.from_a(good, other, good))

    def test_proof_ends_with_the_address(self) -> None:
        """A client that loses an address over its limit can no longer send from it if another takes it."""
        sent = udp(GLOBAL_A, PRIVATE_HOST)
        self.from_a(sent)
        self.from_a(*[udp(f"2001:db8:2::1:{last:x}", PRIVATE_HOST) for last in range(self.small.cache.limit)])
        self.link.from_client(self.b, Batch.of([sent]), 0.0)
        self.assertEqual(([], {}), self.from_a(sent))

    def test_proofs_are_bounded(self) -> None:
        """A client cannot make the server remember more than so many headers."""
        flows = [udp(GLOBAL_A, f"2001:db8:4::{last:x}") for last in range(PROVEN_HEADERS)]
        self.assertEqual((flows, {}), self.from_a(*flows))
        self.assertEqual(PROVEN_HEADERS, len(self.a.proven))
        more = [flows[0], udp(GLOBAL_A, PRIVATE_HOST), flows[1]]
        self.assertEqual((more, {}), self.from_a(*more))
        self.assertEqual(2, len(self.a.proven))

    def test_counted(self) -> None:
        """A client's packets are counted, and the dropped ones by reason."""
        packets = [udp(GLOBAL_A, PRIVATE_HOST), udp(GLOBAL_A, "::1"), udp(GLOBAL_B, SERVER), udp(GLOBAL_A, "::")]
        self.assertEqual((packets[:1], {}), self.from_a(*packets))
        self.from_a(packets[0])
        self.assertEqual({DropReason.DESTINATION_INVALID: 2, DropReason.SOURCE_HELD: 1}, self.drops(self.a))
        counters = self.a.counters
        self.assertEqual((5, sum(map(len, packets)) + len(packets[0])), (counters.packets_in, counters.bytes_in))
        self.assertEqual({}, self.drops(self.b) | self.drops(self.c) | dict(self.link.counters.drops))

    def test_multicast(self) -> None:
        """Multicast MUST be forwarded to all other clients, and is never sent back (3.2.5.2.2)."""
        packets = [udp(A, "ff02::fb"), udp(A, "ff02::fb", 9)]
        self.assertEqual((packets, {self.b: packets, self.c: packets}), self.from_a(*packets))

    def test_one_write_for_each(self) -> None:
        """Each receiver gets his packets in the order in which they came, in one batch, then what all others get."""
        to_b, to_all, to_c, probing = udp(A, B), udp(A, "ff02::fb"), udp(A, C), probe(B)
        expected = {self.b: [to_b, probing, to_all], self.c: [to_c, to_all]}
        self.assertEqual(([to_all], expected), self.from_a(to_b, to_all, to_c, probing))

    def test_probe_and_answer(self) -> None:
        """A probe reaches the holder only, whose NA reaches the prober only (3.2.5.2.2)."""
        self.assertEqual(([], {self.b: [probe(B)]}), self.from_a(probe(B), now=100.0))
        answer = Batch.of([advertisement(B, B)])
        self.assertEqual(
            (list(answer), {self.a: list(answer)}), delivered(self.link.from_client(self.b, answer, 101.0))
        )

    def test_longer_than_the_mtu(self) -> None:
        """No client is sent by another what is longer than the link's MTU of 1280 (3.2.3.1)."""
        fits, long = udp(A, "ff02::fb", 1280 - 48), udp(A, "ff02::fb", 1281 - 48)
        self.assertEqual(([fits, long], {self.b: [fits], self.c: [fits]}), self.from_a(fits, long))
        self.assertEqual({DropReason.OVERSIZE: 1}, self.drops(self.a))

    def test_longer_than_the_mtu_for_one(self) -> None:
        """A packet longer than the link's MTU reaches no receiver, and no other packet is lost (3.2.3.1)."""
        fits, long, small = udp(A, B, 1280 - 48), udp(A, B, 1281 - 48), udp(A, B)
        self.assertEqual(([], {self.b: [fits, small]}), self.from_a(fits, long, small))
        self.assertEqual({DropReason.OVERSIZE: 1}, self.drops(self.a))

    def test_long_for_other_networks(self) -> None:
        """A packet to another network that is too big is answered by the host's kernel (RFC 4443 section 3.2)."""
        long = udp(GLOBAL_A, PRIVATE_HOST, 1400)
        self.assertEqual(([long], {}), self.from_a(long))
        self.assertEqual({}, self.drops(self.a))

    def test_long_without_receivers(self) -> None:
        """On a link without other clients nothing is too long for them (3.2.3.1)."""
        for other in (self.b, self.c):
            self.link.remove(other)
        long = udp(A, "ff02::fb", 1400)
        self.assertEqual(([long], {}), self.from_a(long))
        self.assertEqual({}, self.drops(self.a))

    def test_router_solicitation(self) -> None:
        """A Router Solicitation is answered over the asking connection, not too often (RFC 4861 section 6.2.6)."""
        sent = router_solicitation(A)
        answer = self.small.router.advertisement.packet(address(ROUTER), address(A))
        self.assertEqual(([], {self.a: [answer], self.b: [sent], self.c: [sent]}), self.from_a(sent, now=100.0))
        self.assertEqual(([], {self.b: [sent], self.c: [sent]}), self.from_a(sent, now=100.1))

    @given(st.lists(st.sampled_from(("host", "b", "c", "all", "bad")), max_size=12), st.data())
    def test_batches_do_not_matter(self, kinds: list[str], data: st.DataObject) -> None:
        """Wherever the stream is cut into batches, the same packets go the same ways (3.2.5.2.2)."""
        destinations = {"host": PRIVATE_HOST, "b": B, "c": C, "all": "ff02::fb", "bad": "ff01::1"}
        packets = [udp(GLOBAL_A if kind == "host" else A, destinations[kind], size) for size, kind in enumerate(kinds)]
        at = data.draw(st.integers(0, len(packets)))
        small = SmallLink(self.mode)
        host: list[bytes] = []
        everyone: list[bytes] = []
        clients: dict[ClientEntry, list[bytes]] = {small.b: [], small.c: []}
        for part in (packets[:at], packets[at:]):
            forwarding = small.link.from_client(small.a, Batch.of(part), 0.0)
            host += forwarding.host
            everyone += forwarding.everyone
            for client, received in forwarding.clients:
                clients[client] += received
        also = {"host": "all"}
        wanted = {
            name: [sent for sent, kind in zip(packets, kinds, strict=True) if kind in (name, also.get(name))]
            for name in destinations
        }
        found = {"host": host, "b": clients[small.b], "c": clients[small.c], "all": everyone, "bad": []}
        self.assertEqual(wanted | {"bad": []}, found)


class ModeNoneTests(LinkTestCase):
    """The rules of mode None, seen by the clients."""

    mode = AuthenticationMode.NONE

    def test_clients_are_kept_apart(self) -> None:
        """Link-local unicast and multicast MUST be dropped: no other client sees any of it (3.2.5.2.2)."""
        packets = [udp(A, B), udp(A, "ff02::fb"), echo(A, ALL_NODES), solicitation(A, B), advertisement(A, A)]
        self.assertEqual(([], {}), self.from_a(*packets))
        self.assertEqual({DropReason.LINK_LOCAL: 1, DropReason.MULTICAST: 4}, self.drops(self.a))

    def test_probe(self) -> None:
        """The NA MUST be sent back over the HTTP connection; an unused target gets none (3.2.5.2.2)."""
        self.assertEqual(([], {self.a: [advertisement(B, B)]}), self.from_a(probe(B)))
        self.assertEqual(([], {}), self.from_a(probe(A)))
        self.assertEqual({}, self.drops(self.a))

    def test_router_solicitation(self) -> None:
        """Router Solicitation packets MUST NOT be dropped: the server answers, nobody else hears (3.2.5.2.2)."""
        answer = self.small.router.advertisement.packet(address(ROUTER), address(ALL_NODES))
        self.assertEqual(([], {self.a: [answer]}), self.from_a(router_solicitation()))

    def test_kernel_noise(self) -> None:
        """Other multicast of the server's kernel at link-up reaches no client (3.2.5.2.1)."""
        report = packet(ROUTER, "ff02::16", ICMPv6MLReport2(), hlim=1)
        noise = [report, router_solicitation(ROUTER), solicitation(ROUTER, B), udp(PRIVATE_HOST, "ff0e::1")]
        self.assertEqual(([], {}), self.from_host(*noise))
        self.assertEqual({DropReason.MULTICAST: 4}, dict(self.link.counters.drops))
