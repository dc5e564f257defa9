"""Tests for iphttps.core.iphttps.policy: the two sets of rules of 3.2.5.2.1 and 3.2.5.2.2, clause by clause."""

from __future__ import annotations

from scapy.layers.inet6 import ICMPv6MLReport2, ICMPv6ND_NA

from iphttps.core.errors import DropReason
from iphttps.core.ip import ipv6
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.core.iphttps.clients import ClientEntry
from iphttps.core.iphttps.policy import Verdict
from tests.support import (
    ALL_NODES,
    PRIVATE_HOST,
    ROUTER,
    SERVER,
    UNSPECIFIED,
    PolicyTestCase,
    SmallLink,
    address,
    advertisement,
    behind,
    echo,
    listener_report,
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

HOST = Verdict(host=True)
HOST_AND_OTHERS = Verdict(host=True, others=True)
OPTIONS = (ipv6.DESTINATION_OPTIONS, bytes(7))


def only(*clients: ClientEntry) -> Verdict:
    """Return the verdict that the packet goes to these clients and nowhere else."""
    return Verdict(clients=frozenset(clients))


class NoneTests(PolicyTestCase):
    """Mode None: unauthenticated clients must not abuse the link (3.2.5.2.2)."""

    def setUp(self) -> None:
        """Make a link in mode None."""
        self.link = SmallLink(AuthenticationMode.NONE)

    def test_link_local_unicast(self) -> None:
        """Link-local unicast MUST be dropped unless the destination is the server itself (3.2.5.2.2)."""
        for sent in (udp(A, B), udp(GLOBAL_A, B), echo(A, B), solicitation(A, B, B), router_solicitation(A, B)):
            self.assert_verdict(DropReason.LINK_LOCAL, self.link, sent)
        self.assert_verdict(DropReason.ND_OFF_LINK, self.link, solicitation(A, GLOBAL_B, GLOBAL_B))

    def test_multicast(self) -> None:
        """When a multicast packet is received the server MUST drop it (3.2.5.2.2)."""
        report = packet(A, "ff02::16", ICMPv6MLReport2(), hlim=1)
        nameless = listener_report(UNSPECIFIED)
        datagrams = [udp(A, destination) for destination in ("ff02::fb", "ff02::1:2", "ff05::2", "ff0e::1")]
        own = advertisement(A, A)
        for sent in (
            echo(A, ALL_NODES),
            report,
            nameless,
            *datagrams,
            solicitation(A, B),
            solicitation(A, ROUTER),
            own,
        ):
            self.assert_verdict(DropReason.MULTICAST, self.link, sent)

    def test_router_solicitation(self) -> None:
        """Router Solicitation packets MUST NOT be dropped (3.2.5.2.2)."""
        for sent in (router_solicitation(), router_solicitation(A), behind(router_solicitation(A), OPTIONS)):
            self.assert_verdict(Verdict(solicits_router=True), self.link, sent)

    def test_probe_of_address_in_use(self) -> None:
        """A probe for another client's address MUST NOT be forwarded; an NA as if by him is sent back (3.2.5.2.2)."""
        for target in (B, GLOBAL_B):
            # Multicast, Router flag and Solicited clear, no link-layer option.
            expected = packet(target, ALL_NODES, ICMPv6ND_NA(tgt=target, R=0, S=0, O=1))
            self.assertEqual(ipv6.HEADER_LENGTH + 24, len(expected))
            self.assert_verdict(Verdict(reply=expected), self.link, probe(target))
            self.assertIs(self.link.b, self.link.holder(target))

    def test_probe_of_free_address(self) -> None:
        """A probe for an unused address gets no NA, goes nowhere, and binds the address (3.2.5.2.2)."""
        for _ in range(2):
            self.assert_verdict(Verdict(), self.link, probe(GLOBAL_A))
        self.assertEqual((address(GLOBAL_A),), self.link.cache.addresses(self.link.a))

    def test_denial(self) -> None:
        """A client that claims every address gets no probes to answer (3.2.5.2.2)."""
        self.assert_verdict(Verdict(), self.link, probe(GLOBAL_A))
        self.assert_verdict(DropReason.ND_TARGET_HELD, self.link, advertisement(B, GLOBAL_A), self.link.b)

    def test_own_multicast(self) -> None:
        """The server MUST NOT send or forward any multicast but Router Advertisements (3.2.5.2.1)."""
        report = packet(ROUTER, "ff02::16", ICMPv6MLReport2(), hlim=1)
        routed = udp(PRIVATE_HOST, "ff0e::1")
        broken = router_advertisement(ROUTER)[:7] + b"\xfe" + router_advertisement(ROUTER)[8:]
        for sent in (report, routed, broken, router_solicitation(ROUTER), solicitation(ROUTER, B), probe(ROUTER)):
            self.assertEqual(Verdict(DropReason.MULTICAST), self.link.policy.judge_own(sent, 0.0))


class CertificatesTests(PolicyTestCase):
    """Mode Certificates: the link is a link (3.2.5.2.2)."""

    def setUp(self) -> None:
        """Make a link in mode Certificates."""
        self.link = SmallLink(AuthenticationMode.CERTIFICATES)

    def test_link_local_unicast(self) -> None:
        """The link is symmetric: a packet for a client's link-local address reaches this client only (3)."""
        for sent in (udp(A, B), echo(A, B), solicitation(A, B, B), router_solicitation(A, B)):
            self.assert_verdict(only(self.link.b), self.link, sent)

    def test_unreachability_detection(self) -> None:
        """The link has unreachable neighbor detection, for on-link global addresses too (3)."""
        self.assert_verdict(only(self.link.b), self.link, solicitation(A, GLOBAL_B, GLOBAL_B))
        self.assert_verdict(only(self.link.b), self.link, advertisement(A, A, GLOBAL_B, solicited=True))

    def test_no_neighbor(self) -> None:
        """A packet to an address held by nobody or by its sender reaches no other client (3)."""
        for destination in ("fe80::d", A):
            self.assert_verdict(DropReason.NO_NEIGHBOR, self.link, udp(A, destination))

    def test_multicast(self) -> None:
        """When a multicast packet is received the server MUST forward it to all other clients (3.2.5.2.2)."""
        report = packet(A, "ff02::16", ICMPv6MLReport2(), hlim=1)
        nameless = listener_report(UNSPECIFIED)
        datagrams = [udp(A, destination) for destination in ("ff02::fb", "ff05::2", "ff0e::1")]
        for sent in (echo(A, ALL_NODES), report, nameless, *datagrams, solicitation(A, B)):
            self.assert_verdict(HOST_AND_OTHERS, self.link, sent)

    def test_router_solicitation(self) -> None:
        """A Router Solicitation is answered, and as multicast goes to all other clients (3.2.5.2.2)."""
        for sent in (router_solicitation(), router_solicitation(A)):
            self.assert_verdict(Verdict(solicits_router=True, others=True), self.link, sent)

    def test_probe_of_free_address(self) -> None:
        """A probe whose target has no entry in the Neighbor Cache goes to all other clients (3.2.5.2.2)."""
        self.assert_verdict(Verdict(others=True), self.link, probe(GLOBAL_A))
        # Now there is one, the prober's own: the question concerns nobody else.
        self.assert_verdict(Verdict(), self.link, probe(GLOBAL_A))
        self.assertEqual((address(GLOBAL_A),), self.link.cache.addresses(self.link.a))

    def test_probe_of_address_in_use(self) -> None:
        """A probe whose target has an entry SHOULD NOT be forwarded to a client without one (3.2.5.2.2)."""
        self.assert_verdict(only(self.link.b), self.link, probe(B))
        self.assertIs(self.link.b, self.link.holder(B))

    def test_answer_to_probe(self) -> None:
        """The holder's multicast NA goes to the prober, who has an entry for the target, not to others (3.2.5.2.2)."""
        judge = self.link.policy.judge
        judge(probe(B), self.link.a, 100.0)
        answer = advertisement(B, B)
        self.assertEqual(Verdict(host=True, clients=frozenset({self.link.a})), judge(answer, self.link.b, 100.5))
        self.assertEqual(HOST, judge(answer, self.link.b, 200.0))

    def test_advertisement_of_unknown_target(self) -> None:
        """A multicast NA whose target has no entry in the Neighbor Cache goes to all other clients (3.2.5.2.2)."""
        for source, target in ((A, A), (A, GLOBAL_A)):
            self.assert_verdict(HOST_AND_OTHERS, self.link, advertisement(source, target))
            self.assertIs(self.link.a, self.link.holder(target))
            self.assert_verdict(HOST, self.link, advertisement(source, target))

    def test_denial(self) -> None:
        """A client that claims every address cannot take one that another has just bound (RFC 6620)."""
        self.assert_verdict(Verdict(others=True), self.link, probe(GLOBAL_A))
        self.assert_verdict(DropReason.ND_TARGET_HELD, self.link, advertisement(B, GLOBAL_A), self.link.b)

    def test_own_multicast(self) -> None:
        """The server's own multicast reaches all clients: the link has multicast capabilities (3)."""
        report = packet(ROUTER, "ff02::16", ICMPv6MLReport2(), hlim=1)
        for sent in (solicitation(ROUTER, B), report, udp(PRIVATE_HOST, "ff0e::1"), router_solicitation(ROUTER)):
            self.assertEqual(Verdict(others=True), self.link.policy.judge_own(sent, 0.0))


class OwnUnicastTests(PolicyTestCase):
    """The kernel's unicast to a client, in both modes (3.2.5.2.1)."""

    def test_unicast(self) -> None:
        """A packet of the server goes to the client that holds the destination (3.2.5.2.1)."""
        for link in self.both():
            for sent in (udp(ROUTER, B), solicitation(ROUTER, B, B), echo(SERVER, GLOBAL_B)):
                self.assertEqual(only(link.b), link.policy.judge_own(sent, 0.0))

    def test_no_neighbor(self) -> None:
        """A packet for an address that nobody holds goes nowhere: there is nobody to be asked (3.2.5.2.1)."""
        for link in self.both():
            self.assertEqual(Verdict(DropReason.NO_NEIGHBOR), link.policy.judge_own(udp(ROUTER, "fe80::d"), 0.0))

    def test_redirect(self) -> None:
        """The server's kernel redirects nobody: there is no shorter way between two clients (RFC 4861 8.2)."""
        for link in self.both():
            sent = redirect(ROUTER, B, C, "2001:db8:2::c")
            self.assertEqual(Verdict(DropReason.REDIRECT), link.policy.judge_own(sent, 0.0))
