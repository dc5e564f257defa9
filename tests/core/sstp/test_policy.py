"""Tests for iphttps.core.sstp.policy."""

from __future__ import annotations

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Packet
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import DropReason
from iphttps.core.ip import ipv6
from iphttps.core.ip.batch import Batch
from iphttps.core.ip.ndp import neighbor_advertisement
from iphttps.core.sstp.policy import MAXIMUM_ADDRESSES, PROVEN_HEADERS, Forwarding, Policy, Sources, Verdict
from iphttps.core.sstp.table import Table
from tests.support import (
    ALL_NODES,
    PRIVATE_HOST,
    ROUTER,
    SERVER,
    UNSPECIFIED,
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

A, B = "2001:db8:2::a", "2001:db8:2::b"
LINK_LOCAL_A, LINK_LOCAL_B = "fe80::a:0:0:a", "fe80::b:0:0:b"
A4, B4, SERVER4, HOST4 = "192.0.2.2", "192.0.2.3", "192.0.2.1", "198.51.100.1"
HOST, LASTING, SETTLED = Verdict(host=True), Verdict(host=True, lasting=True), Verdict()
SOLICITS = Verdict(solicits_router=True)


def raw(text: str) -> bytes:
    """Return an IPv4 address as the core has it, 4 raw bytes."""
    return bytes(map(int, text.split(".")))


def ip(source: str, destination: str, message: Packet | None = None) -> bytes:
    """Return an IPv4 packet."""
    return bytes(IP(src=source, dst=destination) / (message or UDP()))


def tcp(source: str, destination: str) -> bytes:
    """Return an IPv6 packet with TCP."""
    return packet(source, destination, TCP())


class LinkTestCase(SynchronousTestCase):
    """A link with two sessions, `a` and `b`, each with its addresses."""

    def setUp(self) -> None:
        """Make the link."""
        self.table: Table[str] = Table()
        own = frozenset((address(ROUTER), address(SERVER), raw(SERVER4)))
        self.reserved = {address("2001:db8:2::f"): "b"}
        self.policy = Policy(
            self.table, own, address(SERVER)[:8], lambda key, wanted: self.reserved.get(wanted, key) == key
        )
        self.a, self.b = Sources("a"), Sources("b")
        for sources, ipv4, link_local in ((self.a, A4, LINK_LOCAL_A), (self.b, B4, LINK_LOCAL_B)):
            self.policy.assign_ipv4(sources, raw(ipv4))
            self.policy.assign_interface_id(sources, address(link_local)[8:])
        self.policy.judge(udp(B, PRIVATE_HOST), self.b)

    def permits(self, key: str, wanted: bytes) -> bool:
        """Tell whether an address is not reserved for another session."""
        return self.reserved.get(wanted, key) == key

    def assert_verdict(self, expected: Verdict | DropReason, *packets: bytes) -> None:
        """Assert what becomes of packets from `a`."""
        verdict = Verdict(expected) if isinstance(expected, DropReason) else expected
        for sent in packets:
            self.assertEqual(verdict, self.policy.judge(sent, self.a))


class IPv4Tests(LinkTestCase):
    """IPv4 from a client."""

    def test_source(self) -> None:
        """The source is the address that IPCP has assigned, and no other (RFC 2827)."""
        self.assert_verdict(LASTING, ip(A4, HOST4), ip(A4, B4), ip(A4, SERVER4), ip(A4, HOST4, TCP()))
        for source in (B4, SERVER4, HOST4, "0.0.0.0", "127.0.0.1", "224.0.0.1", "192.0.2.255"):
            self.assert_verdict(DropReason.SOURCE_FOREIGN, ip(source, HOST4))

    def test_unassigned(self) -> None:
        """Without an assigned address nothing passes (RFC 1332 section 2)."""
        self.policy.assign_ipv4(self.a, b"")
        self.assert_verdict(DropReason.SOURCE_FOREIGN, ip(A4, HOST4), ip("0.0.0.0", HOST4))
        self.assertIsNone(self.table.holder(raw(A4)))

    def test_destinations(self) -> None:
        """Multicast and broadcast are not needed; some destinations are never sent (RFC 1122 section 3.2.1.3)."""
        for destination in ("224.0.0.251", "239.255.255.250", "255.255.255.255"):
            self.assert_verdict(DropReason.MULTICAST, ip(A4, destination))
        for destination in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "240.0.0.1", "255.255.255.254"):
            self.assert_verdict(DropReason.DESTINATION_INVALID, ip(A4, destination))

    def test_icmp(self) -> None:
        """ICMP passes, looked at each time; Redirect and Router Advertisement do not (RFC 792, RFC 1256)."""
        bare = bytes(IP(src=A4, dst=HOST4, proto=1))
        self.assert_verdict(HOST, ip(A4, HOST4, ICMP()), ip(A4, HOST4, ICMP(type=3)), bare)
        self.assert_verdict(DropReason.REDIRECT, ip(A4, SERVER4, ICMP(type=5)))
        self.assert_verdict(DropReason.ROUTER_ADVERTISEMENT, ip(A4, SERVER4, ICMP(type=9)))


class IPv6Tests(LinkTestCase):
    """IPv6 from a client."""

    def test_bound(self) -> None:
        """An address in the prefix is bound to the session that first sends from it (RFC 6620)."""
        self.assert_verdict(LASTING, tcp(A, PRIVATE_HOST), udp(A, PRIVATE_HOST), tcp(A, B), tcp(A, SERVER))
        self.assertEqual("a", self.table.holder(address(A)))
        self.assertEqual(Verdict(DropReason.SOURCE_HELD), self.policy.judge(udp(A, PRIVATE_HOST), self.b))
        self.assert_verdict(DropReason.SOURCE_HELD, udp(B, PRIVATE_HOST), udp(SERVER, PRIVATE_HOST))

    def test_foreign(self) -> None:
        """Addresses outside the prefix, and link-local ones of other interface identifiers, are no client's."""
        for source in ("2001:db8:3::a", "2001:db8:2:1::a", PRIVATE_HOST, LINK_LOCAL_B, "fe80::a", "fe80:0:0:1:a:0:0:a"):
            self.assert_verdict(DropReason.SOURCE_FOREIGN, udp(source, SERVER))

    def test_link_local(self) -> None:
        """The link-local address is fe80:: and the negotiated interface identifier (RFC 5072 section 5)."""
        self.assert_verdict(HOST, udp(LINK_LOCAL_A, ROUTER), echo(LINK_LOCAL_A, ROUTER))
        self.assert_verdict(DropReason.SOURCE_HELD, udp(ROUTER, SERVER))
        self.assert_verdict(DropReason.BEYOND_SCOPE, udp(LINK_LOCAL_A, PRIVATE_HOST))
        self.assertEqual("a", self.table.holder(address(LINK_LOCAL_A)))

    def test_invalid(self) -> None:
        """Some addresses are no source of anything (RFC 4291 sections 2.5.2, 2.5.3, 2.5.5, 2.6.1, 2.7)."""
        for source in (ALL_NODES, "::1", "::ffff:192.0.2.2", UNSPECIFIED):
            self.assert_verdict(DropReason.SOURCE_INVALID, udp(source, PRIVATE_HOST), udp(source, "ff02::1"))
        self.assert_verdict(DropReason.SOURCE_INVALID, router_solicitation(UNSPECIFIED, ROUTER))
        self.assert_verdict(DropReason.SOURCE_HELD, udp("2001:db8:2::", PRIVATE_HOST))
        for destination in ("::", "::1", "ff01::1", "ff00::1"):
            self.assert_verdict(DropReason.DESTINATION_INVALID, udp(A, destination))

    def test_no_prefix(self) -> None:
        """Without a prefix a client has its link-local address only."""
        self.policy = Policy(self.table, frozenset((address(ROUTER),)))
        self.assert_verdict(DropReason.SOURCE_FOREIGN, udp(A, PRIVATE_HOST))
        self.assert_verdict(HOST, echo(LINK_LOCAL_A, ROUTER))

    def test_reserved(self) -> None:
        """A reserved address is bound to the session that it is reserved for, and no other."""
        self.assert_verdict(DropReason.SOURCE_HELD, udp("2001:db8:2::f", PRIVATE_HOST))
        self.assertEqual(LASTING, self.policy.judge(udp("2001:db8:2::f", PRIVATE_HOST), self.b))

    def test_limit(self) -> None:
        """A session holds 16 addresses at most; the next one takes the place of the oldest, which is proven no more."""
        sent = [udp(f"2001:db8:2::1:{number:x}", PRIVATE_HOST) for number in range(1, MAXIMUM_ADDRESSES + 2)]
        batch = Batch.of(sent)
        self.assertEqual(Forwarding(batch), self.policy.from_client(self.a, batch))
        self.assertEqual((MAXIMUM_ADDRESSES, 1), (len(self.a.bound), len(self.a.proven)))
        self.assertIsNone(self.table.holder(address("2001:db8:2::1:1")))
        self.assertEqual(LASTING, self.policy.judge(udp("2001:db8:2::1:1", PRIVATE_HOST), self.b))

    def test_release(self) -> None:
        """At the end of a session all its addresses are free (RFC 6620)."""
        self.assert_verdict(LASTING, udp(A, PRIVATE_HOST))
        self.policy.release(self.a)
        held = [self.table.holder(each) for each in (raw(A4), address(A), address(LINK_LOCAL_A))]
        self.assertEqual([None] * 3, held)
        self.assertEqual(LASTING, self.policy.judge(udp(A, PRIVATE_HOST), self.b))
        self.assert_verdict(DropReason.SOURCE_FOREIGN, ip(A4, HOST4), udp(LINK_LOCAL_A, ROUTER))
        self.assert_verdict(DropReason.SOURCE_HELD, udp("2001:db8:2::e", PRIVATE_HOST))

    def test_guard(self) -> None:
        """Router Advertisements, Redirects and DHCPv6 server messages are dropped (RFC 6105, RFC 7610)."""
        options = (ipv6.DESTINATION_OPTIONS, bytes(7))
        for source in (LINK_LOCAL_A, LINK_LOCAL_B):
            for sent in (router_advertisement(source), router_advertisement(source, ROUTER)):
                self.assert_verdict(DropReason.ROUTER_ADVERTISEMENT, sent, behind(sent, options))
            self.assert_verdict(DropReason.REDIRECT, redirect(source, ROUTER, source, PRIVATE_HOST))
        dhcp = packet(A, PRIVATE_HOST, UDP(sport=547, dport=546))
        self.assert_verdict(DropReason.DHCP_SERVER, dhcp, behind(dhcp, options))
        self.assert_verdict(DropReason.ND_FRAGMENTED, behind(probe(A), (ipv6.FRAGMENT, bytes(7))))

    def test_looked_at_each_time(self) -> None:
        """Packets that may contain Neighbor Discovery or DHCPv6 are checked each time (RFC 7113, RFC 7610)."""
        options = (ipv6.DESTINATION_OPTIONS, bytes(7))
        self.assert_verdict(HOST, echo(A, PRIVATE_HOST), behind(udp(A, PRIVATE_HOST), options), udp(A, B))

    def test_multicast(self) -> None:
        """Of multicast only Router Solicitations and probes are needed (RFC 4861 section 6.3.7, RFC 4862)."""
        self.assert_verdict(SOLICITS, router_solicitation(LINK_LOCAL_A), router_solicitation(UNSPECIFIED))
        self.assert_verdict(SOLICITS, router_solicitation(LINK_LOCAL_A, ROUTER))
        for sent in (udp(A, "ff02::1:3"), udp(A, "ff0e::1"), listener_report(LINK_LOCAL_A)):
            self.assert_verdict(DropReason.MULTICAST, sent)
        for sent in (solicitation(A, B), advertisement(A, A)):
            self.assert_verdict(DropReason.MULTICAST, sent)

    def test_probe(self) -> None:
        """A probe binds an address that is free, and is answered for one that another holds (RFC 4862 section 5.4)."""
        self.assert_verdict(SETTLED, probe(A), probe(A), probe(LINK_LOCAL_A))
        self.assertEqual("a", self.table.holder(address(A)))
        for target, router in ((B, False), (SERVER, True), (ROUTER, True), ("2001:db8:2::f", False)):
            reply = neighbor_advertisement(address(target), router=router)
            self.assert_verdict(Verdict(reply=reply), probe(target))
        self.assert_verdict(DropReason.SOURCE_FOREIGN, probe("2001:db8:3::a"), probe("fe80::b"))

    def test_neighbor_advertisement(self) -> None:
        """A client advertises none but its own addresses, to the server (RFC 4861 section 7.2.4)."""
        self.assert_verdict(HOST, advertisement(LINK_LOCAL_A, LINK_LOCAL_A, ROUTER, solicited=True))
        self.assert_verdict(DropReason.ND_TARGET_HELD, advertisement(LINK_LOCAL_A, B, ROUTER, solicited=True))

    def test_between_clients(self) -> None:
        """Nothing link-local passes between clients, nor Neighbor Discovery beyond the link (RFC 4861 section 3.1)."""
        self.assert_verdict(DropReason.LINK_LOCAL, udp(LINK_LOCAL_A, LINK_LOCAL_B), echo(A, LINK_LOCAL_B))
        self.assert_verdict(DropReason.ND_OFF_LINK, solicitation(A, B, B))


class BatchTests(LinkTestCase):
    """Batches from a client."""

    def test_proven(self) -> None:
        """A batch with accepted headers passes as it is."""
        batch = Batch.of([ip(A4, HOST4), tcp(A, PRIVATE_HOST), udp(A, PRIVATE_HOST)] * 2)
        self.assertEqual(Forwarding(batch), self.policy.from_client(self.a, batch))
        self.assertIs(batch, self.policy.from_client(self.a, batch).host)

    def test_proven_for_one(self) -> None:
        """A header accepted from one client is not so from another."""
        batch = Batch.of([ip(A4, HOST4), udp(A, PRIVATE_HOST)])
        self.policy.from_client(self.a, batch)
        drops = {DropReason.SOURCE_FOREIGN: 1, DropReason.SOURCE_HELD: 1}
        self.assertEqual(Forwarding(drops=drops), self.policy.from_client(self.b, batch))

    def test_forgotten(self) -> None:
        """A header is accepted no more once the address is another's."""
        batch = Batch.of([ip(A4, HOST4)])
        self.policy.from_client(self.a, batch)
        self.policy.assign_ipv4(self.a, raw("192.0.2.4"))
        self.assertEqual({DropReason.SOURCE_FOREIGN: 1}, self.policy.from_client(self.a, batch).drops)

    def test_icmp_between_proven(self) -> None:
        """ICMP between addresses that are proven is looked at all the same (RFC 792)."""
        known, bad = ip(A4, SERVER4), ip(A4, SERVER4, ICMP(type=5))
        for _ in range(2):
            forwarding = self.policy.from_client(self.a, Batch.of([known, bad, known]))
            self.assertEqual(Forwarding(Batch.of([known] * 2), drops={DropReason.REDIRECT: 1}), forwarding)

    def test_all_ways(self) -> None:
        """The packets of one batch go to the host, back, or nowhere, and each drop is counted."""
        solicits = router_solicitation(LINK_LOCAL_A)
        sent = [probe(B), ip(A4, HOST4), solicits, udp(B, PRIVATE_HOST), udp(B, PRIVATE_HOST), ip(B4, HOST4)]
        expected = Forwarding(
            Batch.of([sent[1]]),
            Batch.of([neighbor_advertisement(address(B), router=False)]),
            (address(LINK_LOCAL_A),),
            {DropReason.SOURCE_HELD: 2, DropReason.SOURCE_FOREIGN: 1},
        )
        self.assertEqual(expected, self.policy.from_client(self.a, Batch.of(sent)))

    def test_bounded(self) -> None:
        """Remembered headers are bounded, and a scan costs only that they are learned again."""
        for number in range(PROVEN_HEADERS + 1):
            self.policy.from_client(self.a, Batch.of([tcp(A, f"2001:db8:9::{number:x}")]))
        self.assertEqual(1, len(self.a.proven))
