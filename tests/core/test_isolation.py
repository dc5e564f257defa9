"""Clients that are kept from each other, and what clients may not say in any mode: DHCPv6 servers, `::` as a source."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp6 import DHCP6_Advertise, DHCP6_RelayReply, DHCP6_Solicit
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6MLQuery, ICMPv6ND_NA, IPv6ExtHdrFragment
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import DropReason
from iphttps.core.ip.batch import Batch
from iphttps.core.ip.dhcpv6 import is_server_message
from iphttps.core.ip.mld import is_listener_report
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.core.iphttps.clients import MULTIPLIED_BURST, MULTIPLIED_RATE
from iphttps.core.iphttps.policy import Verdict
from tests.support import (
    ALL_NODES,
    PRIVATE_HOST,
    ROUTER,
    SERVER,
    UNSPECIFIED,
    LinkTestCase,
    PolicyTestCase,
    SmallLink,
    address,
    advertisement,
    behind,
    delivered,
    echo,
    listener_report,
    packet,
    probe,
    router_solicitation,
    solicitation,
    udp,
)

A, B = "fe80::a", "fe80::b"
GLOBAL_A, GLOBAL_B, NOBODY = "2001:db8:2::a", "2001:db8:2::b", "2001:db8:2::d"
HOST = Verdict(host=True)
HOST_AND_OTHERS = Verdict(host=True, others=True)
OPTIONS = (60, bytes((0, 1, 4, 0, 0, 0, 0)))


class IsolationTests(PolicyTestCase):
    """`--isolate yes` in mode Certificates."""

    def setUp(self) -> None:
        """Make a link whose clients are kept apart."""
        self.link = SmallLink(AuthenticationMode.CERTIFICATES)
        self.link.policy.isolate = True

    def test_default(self) -> None:
        """By itself it is on in mode None and off in mode Certificates; the option prevails in both."""
        for mode in AuthenticationMode:
            policy = SmallLink(mode).policy
            self.assertIs(mode is AuthenticationMode.NONE, policy.isolates)
            for wanted in (True, False):
                policy.isolate = wanted
                self.assertIs(wanted, policy.isolates)

    def test_unicast(self) -> None:
        """No unicast reaches another client: link-local, global, Neighbor Discovery, held address or not."""
        sent = (
            udp(A, B), echo(A, B), solicitation(A, B, B), router_solicitation(A, B), advertisement(A, A, B),
            udp(GLOBAL_A, GLOBAL_B), echo(GLOBAL_A, GLOBAL_B), udp(GLOBAL_A, NOBODY), packet(GLOBAL_A, GLOBAL_B, TCP()),
            solicitation(A, GLOBAL_B, GLOBAL_B), behind(udp(GLOBAL_A, GLOBAL_B), OPTIONS),
        )  # fmt: skip
        for each in sent:
            self.assert_verdict(DropReason.ISOLATED, self.link, each)

    def test_none(self) -> None:
        """In mode None, too, global unicast between clients is dropped before the host's kernel sees it."""
        link = SmallLink(AuthenticationMode.NONE)
        self.assert_verdict(DropReason.ISOLATED, link, udp(GLOBAL_A, GLOBAL_B))
        link.policy.isolate = False
        self.assert_verdict(HOST, link, udp(GLOBAL_A, GLOBAL_B))

    def test_multicast(self) -> None:
        """Multicast reaches the host alone: mDNS, LLMNR, reports, solicitations."""
        for each in (
            udp(A, "ff02::fb"),
            udp(A, "ff02::1:3"),
            listener_report(A),
            solicitation(A, B),
            echo(A, ALL_NODES),
        ):
            self.assert_verdict(HOST, self.link, each)
        self.assert_verdict(Verdict(solicits_router=True), self.link, router_solicitation(A))

    def test_probe(self) -> None:
        """The server defends an address for its holder, as in mode None, and tells nobody of a probe for a free one."""
        self.assert_verdict(Verdict(), self.link, probe(GLOBAL_A))
        self.assert_verdict(Verdict(reply=advertisement(GLOBAL_B, GLOBAL_B)), self.link, probe(GLOBAL_B))

    def test_server(self) -> None:
        """The server and what lies behind it are reached as ever."""
        for each in (udp(A, ROUTER), udp(GLOBAL_A, SERVER), solicitation(A, ROUTER, ROUTER)):
            self.assert_verdict(HOST, self.link, each)
        self.assert_verdict(Verdict(host=True, lasting=True), self.link, udp(GLOBAL_A, PRIVATE_HOST))


class RoutedTests(LinkTestCase):
    """Packets that the host's kernel sends back into the link."""

    mode = AuthenticationMode.NONE

    def test_hairpin(self) -> None:
        """A packet routed by the kernel from one client to another is dropped, regardless of the source's holder."""
        for source in (GLOBAL_B, NOBODY):
            self.assertEqual(([], {}), self.from_host(udp(source, "2001:db8:2::c"), now=0.0))
        self.assertEqual({DropReason.ISOLATED: 2}, dict(self.link.counters.drops))
        good = [udp(PRIVATE_HOST, GLOBAL_B), udp(SERVER, GLOBAL_B)]
        self.assertEqual(([], {self.b: good}), self.from_host(*good, now=0.0))

    def test_change(self) -> None:
        """A change holds at once, for headers that have passed before, too."""
        sent = packet(GLOBAL_A, GLOBAL_B, TCP())
        self.link.isolate(False)
        self.assertEqual(([sent], {}), self.from_a(sent))
        self.link.isolate(None)
        self.assertEqual(([], {}), self.from_a(sent))
        self.assertEqual({DropReason.ISOLATED: 1}, self.drops(self.a))


class ShieldTests(PolicyTestCase):
    """DHCPv6-Shield (RFC 7610)."""

    def test_server_messages(self) -> None:
        """Messages of DHCPv6 servers are dropped whoever they go to, behind headers and in fragments (section 5)."""
        offer = UDP(sport=547, dport=546) / DHCP6_Advertise(trid=1)
        for link in self.both():
            link.policy.isolate = False
            for destination in (B, GLOBAL_B, ALL_NODES, PRIVATE_HOST, ROUTER):
                source = A if destination in (B, ALL_NODES, ROUTER) else GLOBAL_A
                sent = packet(source, destination, offer)
                self.assert_verdict(DropReason.DHCP_SERVER, link, sent)
                self.assert_verdict(DropReason.DHCP_SERVER, link, behind(sent, OPTIONS, OPTIONS))
                first = packet(source, destination, IPv6ExtHdrFragment(m=1, id=7) / offer)
                self.assert_verdict(DropReason.DHCP_SERVER, link, first)
        self.assertTrue(is_server_message(packet(A, B, UDP(sport=1, dport=546) / DHCP6_RelayReply())))

    def test_divided_chain(self) -> None:
        """A first fragment that ends before the upper layer hides what is there, so it is dropped (RFC 7112, 7610)."""
        for protocol in (6, 17, 50, 58, 132):
            options = bytes((protocol, 0, 1, 4, 0, 0, 0, 0))
            for fragment in (
                IPv6ExtHdrFragment(m=1, id=7, nh=60) / options,
                IPv6ExtHdrFragment(m=1, id=7, nh=protocol),
            ):
                for link in self.both():
                    link.policy.isolate = False
                    self.assert_verdict(DropReason.HEADER_CHAIN, link, packet(GLOBAL_A, GLOBAL_B, fragment))
        nothing = packet(GLOBAL_A, GLOBAL_B, IPv6ExtHdrFragment(m=0, id=7, nh=59))
        link = SmallLink(AuthenticationMode.CERTIFICATES)
        self.assertIsNone(link.policy.judge(nothing, link.a, 0.0).drop)

    def test_others(self) -> None:
        """A client's own requests pass, later fragments are nobody's, and other protocols have no such port."""
        request = packet(A, "ff02::1:2", UDP(sport=546, dport=547) / DHCP6_Solicit(trid=1))
        later = packet(A, B, IPv6ExtHdrFragment(offset=1, nh=17) / bytes((0, 0, 2, 34)))
        for each in (request, later, packet(A, B, TCP(dport=546)), packet(A, B, UDP(dport=546))[:43]):
            self.assertFalse(is_server_message(each))
        self.assertTrue(is_server_message(behind(packet(A, B, UDP(dport=546)), (51, bytes((1, *bytes(10)))))))

    @given(st.binary(min_size=40, max_size=120))
    def test_anything(self, content: bytes) -> None:
        """No bytes make it fail."""
        is_server_message(content)
        is_listener_report(content)


class UnspecifiedTests(PolicyTestCase):
    """`::` as the source of a packet."""

    def test_allowed(self) -> None:
        """A probe, a Router Solicitation and a report of listeners come from `::` (RFC 4861, 4862, 3590)."""
        link = SmallLink(AuthenticationMode.CERTIFICATES)
        for each in (probe(GLOBAL_A), router_solicitation(UNSPECIFIED), listener_report(UNSPECIFIED)):
            self.assertIsNone(link.policy.judge(each, link.a, 0.0).drop)
        self.assert_verdict(HOST_AND_OTHERS, link, listener_report(UNSPECIFIED))

    def test_refused(self) -> None:
        """Nothing else does: no datagram to all nodes, no echo, no query, no advertisement, and no unicast."""
        report = listener_report(UNSPECIFIED)
        refused = (
            udp(UNSPECIFIED, ALL_NODES), udp(UNSPECIFIED, "ff02::fb"), udp(UNSPECIFIED, B),
            packet(UNSPECIFIED, ALL_NODES, ICMPv6EchoRequest()),
            packet(UNSPECIFIED, ALL_NODES, ICMPv6ND_NA(tgt=GLOBAL_A)),
            behind(packet(UNSPECIFIED, ALL_NODES, ICMPv6MLQuery(), hlim=1), (0, bytes((0, 5, 2, 0, 0, 1, 0)))),
            listener_report(UNSPECIFIED, "ff05::2"), report[:7] + b"\x02" + report[8:], report[:48],
            report[:40] + b"\x11" + report[41:],
        )  # fmt: skip
        for link in self.both():
            for each in refused:
                drop = link.policy.judge(each, link.a, 0.0).drop
                self.assertIn(drop, (DropReason.SOURCE_INVALID, DropReason.ND_INVALID, DropReason.HEADER_CHAIN))


class MultipliedTests(LinkTestCase):
    """Multicast that costs more than its packets."""

    def test_bytes(self) -> None:
        """A client's multicast is limited in bytes, counted per receiver; after a pause one packet passes."""
        self.a.multiplied._tokens = self.a.multiplied._burst = 3000.0
        big = udp(A, "ff02::fb", 1000)
        sent = [self.link.from_client(self.a, Batch.of([big]), 0.0) for _ in range(3)]
        self.assertEqual([1, 0, 0], [len(each.everyone) for each in sent])
        self.assertEqual({DropReason.TOO_MUCH: 2}, self.drops(self.a))
        self.assertEqual([big], list(self.link.from_client(self.a, Batch.of([big]), 1.0).everyone))
        self.assertEqual((1_000_000.0, 4_000_000.0), (MULTIPLIED_RATE, MULTIPLIED_BURST))

    def test_own_questions(self) -> None:
        """Packets to the server only do not count."""
        self.a.multiplied._tokens = 0.0
        self.a.multiplied._filled = 0.0
        sent = solicitation(A, ROUTER, ROUTER)
        self.assertEqual(([sent], {}), delivered(self.link.from_client(self.a, Batch.of([sent]), 0.0)))


class ListenerTests(SynchronousTestCase):
    """Reports are recognised."""

    def test_kinds(self) -> None:
        """Reports and Done of both versions, with Hop Limit 1 behind a Hop-by-Hop header (RFC 2710, 3810)."""
        report = listener_report(UNSPECIFIED)
        self.assertTrue(is_listener_report(report))
        for kind in (131, 132, 143):
            self.assertTrue(is_listener_report(report[:48] + bytes((kind,)) + report[49:]))
        for kind in (130, 128, 135):
            self.assertFalse(is_listener_report(report[:48] + bytes((kind,)) + report[49:]))
        self.assertFalse(is_listener_report(report[:41]))
        self.assertFalse(is_listener_report(udp("2001:db8::1", "2001:db8::2")))
        self.assertEqual(16, len(address(A)))
