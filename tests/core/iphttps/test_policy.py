"""Tests for iphttps.core.iphttps.policy.

What holds in both Authentication Modes; the clauses are in test_policy_modes.
"""

from __future__ import annotations

from scapy.layers.inet import TCP
from scapy.layers.inet6 import ICMPv6ND_NA

from iphttps.core.errors import DropReason
from iphttps.core.ip import ipv6
from iphttps.core.iphttps.policy import Verdict
from tests.support import (
    ALL_NODES,
    PRIVATE_HOST,
    ROUTER,
    SERVER,
    UNSPECIFIED,
    PolicyTestCase,
    address,
    advertisement,
    behind,
    echo,
    holders,
    packet,
    probe,
    redirect,
    router_advertisement,
    router_solicitation,
    solicitation,
    udp,
)

A, B, C = "fe80::a", "fe80::b", "fe80::c"
GLOBAL_A, GLOBAL_B = "2001:db8:2::a", "2001:db8:2::b"
OFF_LINK = "2001:db8:3::a"

HOST = Verdict(host=True)
FRAGMENT = (ipv6.FRAGMENT, bytes(7))
OPTIONS = (ipv6.DESTINATION_OPTIONS, bytes(7))


class SourceTests(PolicyTestCase):
    """The source addresses of clients, in both modes."""

    def test_first_packet(self) -> None:
        """An address inside the link's prefix, or link-local, is bound to who first sends from it (RFC 6620)."""
        for link in self.both():
            for source in (GLOBAL_A, A):
                link.policy.judge(udp(source, SERVER), link.a, 0.0)
            self.assertEqual((address(GLOBAL_A), address(A)), link.cache.addresses(link.a))

    def test_foreign(self) -> None:
        """A source address from outside the link is dropped (RFC 2827)."""
        for link in self.both():
            for source in (OFF_LINK, "2001:db8:2:1::a", PRIVATE_HOST, "fec0::a"):
                self.assert_verdict(DropReason.SOURCE_FOREIGN, link, udp(source, PRIVATE_HOST))

    def test_of_another_client(self) -> None:
        """The source address of another client is dropped (RFC 6620)."""
        for link in self.both():
            self.assert_verdict(DropReason.SOURCE_HELD, link, udp(GLOBAL_B, PRIVATE_HOST))
            self.assert_verdict(DropReason.SOURCE_HELD, link, solicitation(B, C, C))

    def test_of_the_server(self) -> None:
        """The server's own addresses are no client's (RFC 4862 section 5.4)."""
        for link in self.both():
            for source in (ROUTER, SERVER):
                self.assert_verdict(DropReason.SOURCE_HELD, link, udp(source, PRIVATE_HOST))
            self.assertEqual((), link.cache.addresses(link.a))

    def test_invalid(self) -> None:
        """Multicast, loopback and IPv4-mapped addresses are no source addresses (RFC 4291 sections 2.5.3, 2.7)."""
        for link in self.both():
            for source in (ALL_NODES, "::1", "::ffff:192.0.2.1"):
                self.assert_verdict(DropReason.SOURCE_INVALID, link, udp(source, PRIVATE_HOST))

    def test_unspecified(self) -> None:
        """The unspecified address is a source only where an address is sought, on the link (RFC 4291 2.5.2)."""
        for link in self.both():
            for destination in (PRIVATE_HOST, SERVER, GLOBAL_B, "ff0e::1"):
                self.assert_verdict(DropReason.SOURCE_INVALID, link, udp(UNSPECIFIED, destination))
            self.assert_verdict(DropReason.SOURCE_INVALID, link, router_solicitation(UNSPECIFIED, ROUTER))

    def test_invalid_teaches_nothing(self) -> None:
        """An invalid message is silently dropped, and the cache unchanged (RFC 4861 sections 6.1, 7.1 and 8.1)."""
        messages = (
            solicitation(A, B),
            probe("fe80::d"),
            advertisement(A, A),
            router_solicitation(A),
            router_advertisement(A),
            redirect(A, B, A, PRIVATE_HOST),
        )
        for link in self.both():
            before = holders(link.cache, *link.table)
            for message in messages:
                for hop_limit in (254, 64, 1):
                    self.assert_verdict(DropReason.ND_INVALID, link, message[:7] + bytes((hop_limit,)) + message[8:])
                bad_checksum = message[:42] + bytes((message[42] ^ 1,)) + message[43:]
                self.assert_verdict(DropReason.ND_INVALID, link, bad_checksum)
            self.assertEqual(before, holders(link.cache, *link.table))


class DestinationTests(PolicyTestCase):
    """The forwarding of unicast, in both modes."""

    def test_never_leaves_a_host(self) -> None:
        """Packets to ::, ::1 and multicast of scope 0 or 1 leave no host (RFC 4291 sections 2.5.2, 2.5.3, 2.7)."""
        for link in self.both():
            for destination in ("::", "::1", "ff01::1", "ff00::1", "ff11::1"):
                self.assert_verdict(DropReason.DESTINATION_INVALID, link, udp(GLOBAL_A, destination))

    def test_private_host(self) -> None:
        """The server acts as a router to other networks, and learns it once for each flow (3.2.3.1)."""
        for link in self.both():
            self.assert_verdict(Verdict(host=True, lasting=True), link, udp(GLOBAL_A, PRIVATE_HOST))

    def test_looked_at_each_time(self) -> None:
        """Packets of a kind behind which Neighbor Discovery can hide are looked at one by one (RFC 7113)."""
        for link in self.both():
            self.assert_verdict(HOST, link, echo(GLOBAL_A, PRIVATE_HOST))
            self.assert_verdict(HOST, link, behind(udp(GLOBAL_A, PRIVATE_HOST), OPTIONS))
            self.assert_verdict(HOST, link, behind(udp(GLOBAL_A, PRIVATE_HOST), FRAGMENT))

    def test_between_clients(self) -> None:
        """Global unicast between clients goes through the host's kernel, so that its firewall sees it (3.2.3.1)."""
        for link in self.both():
            link.policy.isolate = False
            tcp = packet(GLOBAL_A, GLOBAL_B, TCP())
            self.assert_verdict(Verdict(host=True, lasting=True), link, tcp)
            # Each datagram between clients is looked at: a DHCPv6 server could hide behind one that was harmless.
            self.assert_verdict(HOST, link, udp(GLOBAL_A, GLOBAL_B))

    def test_server(self) -> None:
        """Packets to the server itself reach it, link-local ones too (3.2.5.2.2)."""
        for link in self.both():
            for sent in (udp(A, ROUTER), echo(A, ROUTER), udp(GLOBAL_A, SERVER), solicitation(A, ROUTER, ROUTER)):
                self.assert_verdict(HOST, link, sent)

    def test_solicitation_by_unicast(self) -> None:
        """A Router Solicitation to the server is answered by the server's router (RFC 4861 section 6.2.6)."""
        for link in self.both():
            self.assert_verdict(Verdict(solicits_router=True), link, router_solicitation(A, ROUTER))

    def test_beyond_scope(self) -> None:
        """A packet from a link-local address does not go beyond the link (RFC 4007 section 9)."""
        for link in self.both():
            for destination in (PRIVATE_HOST, GLOBAL_B):
                self.assert_verdict(DropReason.BEYOND_SCOPE, link, udp(A, destination))

    def test_neighbor_discovery_beyond_link(self) -> None:
        """Neighbor Discovery messages are not forwarded by a router (RFC 4861 section 3.1)."""
        for link in self.both():
            for sent in (solicitation(A, PRIVATE_HOST, PRIVATE_HOST), advertisement(A, A, PRIVATE_HOST)):
                self.assert_verdict(DropReason.ND_OFF_LINK, link, sent)


class GuardTests(PolicyTestCase):
    """The messages forbidden to clients, in both modes."""

    def test_router_advertisement(self) -> None:
        """Router Advertisements from clients are dropped, multicast or not (RFC 6105)."""
        for link in self.both():
            for destination in (ALL_NODES, B, ROUTER):
                self.assert_verdict(DropReason.ROUTER_ADVERTISEMENT, link, router_advertisement(A, destination))

    def test_redirect(self) -> None:
        """Redirects from clients are dropped: they are no routers (RFC 4861 section 8.2)."""
        for link in self.both():
            for destination in (B, ROUTER, ALL_NODES):
                self.assert_verdict(DropReason.REDIRECT, link, redirect(A, destination, A, PRIVATE_HOST))

    def test_hidden(self) -> None:
        """A Router Advertisement behind extension headers is filtered as if it were bare (RFC 7113)."""
        for link in self.both():
            for count in (1, 8):
                hidden = behind(router_advertisement(A), *[OPTIONS] * count)
                self.assert_verdict(DropReason.ROUTER_ADVERTISEMENT, link, hidden)

    def test_hidden_advertisement(self) -> None:
        """A Neighbor Advertisement behind extension headers is filtered as if it were bare (RFC 7113)."""
        for link in self.both():
            for count in (1, 8):
                hidden = behind(advertisement(A, B), *[OPTIONS] * count)
                self.assert_verdict(DropReason.ND_TARGET_HELD, link, hidden)

    def test_fragmented(self) -> None:
        """A Neighbor Discovery message in fragments is dropped (RFC 6980 section 5)."""
        for link in self.both():
            for message in (router_advertisement(A), probe("fe80::d"), advertisement(A, A), router_solicitation(A)):
                self.assert_verdict(DropReason.ND_FRAGMENTED, link, behind(message, FRAGMENT))
            self.assertEqual((), link.cache.addresses(link.a))

    def test_endless_chain(self) -> None:
        """A packet whose header chain does not end in it could hide a message, and is dropped (RFC 7112)."""
        for link in self.both():
            hidden = behind(router_advertisement(A), (ipv6.DESTINATION_OPTIONS, b"\xff" + bytes(6)))
            self.assert_verdict(DropReason.HEADER_CHAIN, link, hidden)

    def test_advertisement_for_another(self) -> None:
        """An advertisement for an address held by another client or the server is dropped (RFC 6620)."""
        for link in self.both():
            for target in (B, GLOBAL_B, ROUTER, SERVER, OFF_LINK):
                self.assert_verdict(DropReason.ND_TARGET_HELD, link, advertisement(A, target))
                self.assert_verdict(DropReason.ND_TARGET_HELD, link, advertisement(A, target, C))

    def test_own_address_is_defended(self) -> None:
        """The server defends its own address against a probe, as a router (RFC 4862 5.4.3)."""
        for link in self.both():
            for target in (ROUTER, SERVER):
                reply = packet(target, ALL_NODES, ICMPv6ND_NA(tgt=target, R=1, S=0, O=1))
                self.assert_verdict(Verdict(reply=reply), link, probe(target))

    def test_address_from_elsewhere(self) -> None:
        """A probe for an off-link address is answered as in use (RFC 4862 5.4.3)."""
        for link in self.both():
            self.assert_verdict(Verdict(reply=advertisement(OFF_LINK, OFF_LINK)), link, probe(OFF_LINK))
            self.assertIsNone(link.holder(OFF_LINK))

    def test_address_of_nobody(self) -> None:
        """Nobody probes for ::, ::1 or ::ffff:0:0/96, and no answer comes from them (RFC 4291 section 2.5)."""
        for link in self.both():
            for target in (UNSPECIFIED, "::1", "::ffff:192.0.2.1"):
                self.assert_verdict(DropReason.ND_INVALID, link, probe(target))
                self.assertIsNone(link.holder(target))

    def test_same_link_local_address(self) -> None:
        """Of two clients with one address the second gets the conflict; if he ignores it he is not heard (RFC 6620)."""
        for link in self.both():
            link.policy.judge(probe(A), link.a, 0.0)
            conflict = link.policy.judge(probe(A), link.b, 0.0)
            self.assertTrue(conflict.reply or link.a in conflict.clients)
            for sent in (udp(A, ROUTER), advertisement(A, A), router_solicitation(A), solicitation(A, ROUTER, ROUTER)):
                self.assert_verdict(DropReason.SOURCE_HELD, link, sent, link.b)
            self.assertIs(link.a, link.holder(A))
