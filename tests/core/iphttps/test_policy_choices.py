"""Tests for iphttps.core.iphttps.policy: what an operator chooses, how much is taken, and what is asked first."""

from __future__ import annotations

from scapy.layers.inet6 import ICMPv6MLReport2

from iphttps.core.errors import DropReason
from iphttps.core.identity import Identity
from iphttps.core.ip import ipv6
from iphttps.core.ip.router import Advertise
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.core.iphttps.clients import LINK_TRAFFIC_BURST, LINK_TRAFFIC_RATE
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
    client,
    echo,
    holders,
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

CERTIFICATES, NONE = AuthenticationMode.CERTIFICATES, AuthenticationMode.NONE
HOST = Verdict(host=True)
HOST_AND_OTHERS = Verdict(host=True, others=True)
OPTIONS = (ipv6.DESTINATION_OPTIONS, bytes(7))


class StrictTests(PolicyTestCase):
    """The letter of 3.2.5.2.2, for who wants it."""

    def test_multicast(self) -> None:
        """Then RAs and Redirects of clients are multicast like others: MUST be forwarded to all (3.2.5.2.2)."""
        link = SmallLink(CERTIFICATES, strict=True)
        sent = (router_advertisement(A), behind(router_advertisement(A), OPTIONS), redirect(A, ALL_NODES, A, A))
        for message in sent:
            self.assert_verdict(HOST_AND_OTHERS, link, message)

    def test_unicast(self) -> None:
        """Those to one client go to this client, those to the server to its kernel (3)."""
        link = SmallLink(CERTIFICATES, strict=True)
        for build in (router_advertisement, lambda source, to: redirect(source, to, A, PRIVATE_HOST)):
            self.assert_verdict(Verdict(clients=frozenset((link.b,))), link, build(A, B))
            self.assert_verdict(HOST, link, build(A, ROUTER))
            self.assert_verdict(DropReason.ND_OFF_LINK, link, build(A, PRIVATE_HOST))

    def test_none(self) -> None:
        """In mode None the letter itself drops them: MUST drop all multicast but two kinds (3.2.5.2.2)."""
        link = SmallLink(NONE, strict=True)
        self.assert_verdict(DropReason.ROUTER_ADVERTISEMENT, link, router_advertisement(A))
        self.assert_verdict(DropReason.REDIRECT, link, redirect(A, B, A, PRIVATE_HOST))

    def test_still_checked(self) -> None:
        """Strict is not careless: source, target and validity are asked of them as of others (RFC 4861 6.1.2)."""
        link = SmallLink(CERTIFICATES, strict=True)
        sent = router_advertisement(A)
        self.assert_verdict(DropReason.SOURCE_HELD, link, router_advertisement(B))
        self.assert_verdict(DropReason.SOURCE_HELD, link, router_advertisement(ROUTER))
        self.assert_verdict(DropReason.ND_INVALID, link, sent[:7] + b"\xfe" + sent[8:])
        self.assert_verdict(DropReason.ND_TARGET_HELD, link, advertisement(A, B))


class AdvertiseTests(PolicyTestCase):
    """The source of the Router Advertisements that clients get."""

    def links(self, *advertise: Advertise) -> list[SmallLink]:
        """Return a link in each mode for each of these."""
        return [SmallLink(mode, choice) for mode in AuthenticationMode for choice in advertise]

    def test_of_the_host(self) -> None:
        """Router Advertisements sent by the server SHOULD be allowed to be multicast to clients (3.2.5.2.1)."""
        for link in self.links(Advertise.HOST):
            self.assertEqual(Verdict(others=True), link.policy.judge_own(router_advertisement(ROUTER), 0.0))
            to_one = link.policy.judge_own(router_advertisement(ROUTER, B), 0.0)
            self.assertEqual(Verdict(clients=frozenset((link.b,))), to_one)

    def test_one_voice(self) -> None:
        """If they are built in, or unwanted, those of the host's kernel or a stray radvd are dropped (RFC 6105)."""
        for link in self.links(Advertise.BUILTIN, Advertise.OFF):
            for destination in (ALL_NODES, B):
                sent = router_advertisement(ROUTER, destination)
                self.assertEqual(Verdict(DropReason.ROUTER_ADVERTISEMENT), link.policy.judge_own(sent, 0.0))

    def test_clients_are_no_host(self) -> None:
        """A client's Router Advertisements are dropped in every setting (RFC 6105)."""
        for link in self.links(*Advertise):
            self.assert_verdict(DropReason.ROUTER_ADVERTISEMENT, link, router_advertisement(A))

    def test_solicitation(self) -> None:
        """Router Solicitations MUST NOT be dropped: if not answered here, the host has them (3.2.5.2.2)."""
        for link in self.links(Advertise.HOST, Advertise.OFF):
            others = link.policy.mode is CERTIFICATES
            for source in (UNSPECIFIED, A):
                self.assert_verdict(Verdict(host=True, others=others), link, router_solicitation(source))
            self.assert_verdict(HOST, link, router_solicitation(A, ROUTER))
            self.assert_verdict(HOST, link, router_solicitation(GLOBAL_A, SERVER))


class RateTests(PolicyTestCase):
    """The rate limit on one client's link traffic."""

    def taken(self, link: SmallLink, sent: bytes, count: int, now: float) -> int:
        """Send something so many times; return how often it was not too much."""
        verdicts = [link.policy.judge(sent, link.a, now) for _ in range(count)]
        return sum(verdict.drop is not DropReason.TOO_MUCH for verdict in verdicts)

    def test_link_traffic(self) -> None:
        """Multicast and Neighbor Discovery of one client are taken at a limited rate (RFC 6583, RFC 4861 11.1)."""
        self.assertEqual((100.0, 200.0), (LINK_TRAFFIC_RATE, LINK_TRAFFIC_BURST))
        report = packet(A, "ff02::16", ICMPv6MLReport2(), hlim=1)
        for sent in (udp(A, "ff02::fb"), report, solicitation(A, B), probe(A), advertisement(A, A, ROUTER)):
            for link in self.both():
                self.assertEqual([200, 0], [self.taken(link, sent, count, 100.0) for count in (1000, 1)])
                self.assertEqual(50, self.taken(link, sent, 1000, 100.5))

    def test_one_budget(self) -> None:
        """It is one rate for all kinds: who has spent it on one has nothing left for another (RFC 6583)."""
        for link in self.both():
            self.taken(link, udp(A, "ff02::fb"), 1000, 100.0)
            self.assert_too_much(link, solicitation(A, B), probe(A), advertisement(A, A), echo(A, ALL_NODES))

    def assert_too_much(self, link: SmallLink, *packets: bytes) -> None:
        """Assert that packets from `a` are beyond its rate."""
        self.assertEqual([0] * len(packets), [self.taken(link, sent, 1, 100.0) for sent in packets])

    def test_other_traffic(self) -> None:
        """Unicast is not touched by it (3.2.3.1)."""
        for link in self.both():
            self.taken(link, udp(A, "ff02::fb"), 1000, 100.0)
            for sent in (udp(GLOBAL_A, PRIVATE_HOST), echo(GLOBAL_A, SERVER), udp(A, ROUTER)):
                self.assertEqual(1000, self.taken(link, sent, 1000, 100.0))

    def test_others(self) -> None:
        """Each client has a rate of its own: one that floods silences nobody else (RFC 6583)."""
        for link in self.both():
            self.taken(link, udp(A, "ff02::fb"), 1000, 100.0)
            verdict = link.policy.judge(solicitation(B, ROUTER, ROUTER), link.b, 100.0)
            self.assertEqual(HOST, verdict)

    def test_router_solicitations(self) -> None:
        """Router Solicitation packets MUST NOT be dropped in mode None, however many they are (3.2.5.2.2)."""
        link = SmallLink(NONE)
        for source in (UNSPECIFIED, A):
            for _ in range(1000):
                self.assert_verdict(Verdict(solicits_router=True), link, router_solicitation(source))
        # Nor do they spend what other packets need.
        self.assertEqual(200, self.taken(link, probe(A), 1000, 0.0))

    def test_router_solicitations_of_the_known(self) -> None:
        """In mode Certificates they burden all other clients, and count as multicast does (3.2.5.2.2)."""
        self.assertEqual(200, self.taken(SmallLink(CERTIFICATES), router_solicitation(A), 1000, 100.0))

    def test_random_sources(self) -> None:
        """A flood of solicitations from ever new addresses takes no address from others (RFC 6620)."""
        for link in self.both():
            before = {held: who for held, who in holders(link.cache, *link.table).items() if who is not link.a}
            for number in range(1000):
                link.policy.judge(solicitation(f"fe80::1:{number:x}", ROUTER, ROUTER), link.a, 100.0)
            found = holders(link.cache, *link.table)
            self.assertEqual(before, {held: who for held, who in found.items() if who is not link.a})
            last = int(LINK_TRAFFIC_BURST) - 1
            expected = [address(f"fe80::1:{number:x}") for number in range(last - 31, last + 1)]
            self.assertEqual(expected, list(link.cache.addresses(link.a)))

    def test_listener_reports(self) -> None:
        """Reports for any number of groups leave no state behind (RFC 3810 section 10)."""
        for link in self.both():
            before = holders(link.cache, *link.table)
            for number in range(100):
                link.policy.judge(listener_report(UNSPECIFIED, f"ff02::1:{number:x}"), link.a, 0.0)
            self.assertEqual((before, set()), (holders(link.cache, *link.table), link.a.proven))


class OrderTests(PolicyTestCase):
    """The order of the checks, so that a dropped packet changes as little state as possible."""

    def test_invalid_spends_nothing(self) -> None:
        """An invalid message is dropped before it is counted by the rate limit (RFC 4861 sections 6.1 and 7.1)."""
        for link in self.both():
            message = solicitation(A, ROUTER, ROUTER)
            for _ in range(1000):
                self.assert_verdict(DropReason.ND_INVALID, link, message[:7] + b"\xfe" + message[8:])
            self.assert_verdict(HOST, link, message)

    def test_too_much_teaches_nothing(self) -> None:
        """A packet beyond the rate limit binds no address (RFC 6620)."""
        for link in self.both():
            for _ in range(int(LINK_TRAFFIC_BURST)):
                link.policy.judge(udp(A, "ff02::fb"), link.a, 0.0)
            for sent in (probe(GLOBAL_A), solicitation(GLOBAL_A, ROUTER), advertisement(A, GLOBAL_A)):
                self.assert_verdict(DropReason.TOO_MUCH, link, sent)
            self.assertEqual((address(A),), link.cache.addresses(link.a))

    def test_bad_destination_teaches_nothing(self) -> None:
        """A packet to an invalid destination binds no address (RFC 4291 section 2.5.3)."""
        for link in self.both():
            self.assert_verdict(DropReason.DESTINATION_INVALID, link, udp(A, "::1"))
            self.assertEqual((), link.cache.addresses(link.a))

    def test_source_before_message(self) -> None:
        """A message with a foreign source binds no target address (RFC 6620)."""
        for link in self.both():
            self.assert_verdict(DropReason.SOURCE_HELD, link, advertisement(B, GLOBAL_A))
            self.assert_verdict(DropReason.SOURCE_FOREIGN, link, advertisement(PRIVATE_HOST, GLOBAL_A, ROUTER))
            self.assertIsNone(link.holder(GLOBAL_A))

    def test_known_before_it_is_learned(self) -> None:
        """A target is known if it was before the packet itself told of it (3.2.5.2.2)."""
        link = SmallLink(CERTIFICATES)
        self.assert_verdict(HOST_AND_OTHERS, link, advertisement(A, A))
        self.assert_verdict(HOST, link, advertisement(A, A))


class ReturnTests(PolicyTestCase):
    """A client that comes back while its earlier connection is still there (RFC 6620 section 3.2.3)."""

    def test_probe(self) -> None:
        """Its probe for its own address is not answered by the old connection: it has the address (RFC 4862 5.4)."""
        for link in self.both():
            old, back = client(8, Identity("CN=laptop")), client(9, Identity("CN=laptop"))
            link.policy.judge(udp(A, ROUTER), old, 0.0)
            self.assert_verdict(Verdict(), link, probe(A), back)
            self.assertIs(back, link.cache.holder(address(A)))

    def test_packet(self) -> None:
        """So has it by its first packet, and whatever is sent there from then on (RFC 6620)."""
        for link in self.both():
            old, back = client(8, Identity("CN=laptop")), client(9, Identity("CN=laptop"))
            link.policy.judge(udp(GLOBAL_A, SERVER), old, 0.0)
            self.assert_verdict(HOST, link, udp(GLOBAL_A, SERVER), back)
            own = link.policy.judge_own(udp(ROUTER, GLOBAL_A), 0.0)
            self.assertEqual(Verdict(clients=frozenset((back,))), own)

    def test_stranger(self) -> None:
        """Another's probe is answered, by the holder or for him; another's packet is dropped (3.2.5.2.2)."""
        for link in self.both():
            old, stranger = client(8, Identity("CN=laptop")), client(9, Identity("CN=desktop"))
            link.policy.judge(udp(A, ROUTER), old, 0.0)
            verdict = link.policy.judge(probe(A), stranger, 0.0)
            self.assertTrue(old in verdict.clients or verdict.reply == advertisement(A, A))
            self.assert_verdict(DropReason.SOURCE_HELD, link, udp(A, ROUTER), stranger)
