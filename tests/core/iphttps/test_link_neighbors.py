"""Tests for iphttps.core.iphttps.link: destinations that nobody holds, and holders that do not answer."""

from __future__ import annotations

from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6TimeExceeded, IPv6
from scapy.packet import Raw

from iphttps.core.errors import DropReason
from iphttps.core.ip.batch import Batch
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.core.iphttps.clients import ClientEntry
from iphttps.core.iphttps.link import ERROR_BURST, ERROR_RATE
from iphttps.core.iphttps.neighbors import SEARCHES, Reachability
from tests.support import (
    PRIVATE_HOST,
    ROUTER,
    SERVER,
    LinkTestCase,
    SmallLink,
    address,
    advertisement,
    delivered,
    neighbor_state,
    packet,
    probe,
    solicitation,
    udp,
)

A, B, C = "fe80::a", "fe80::b", "fe80::c"
GLOBAL_A, GLOBAL_B, GLOBAL_C = "2001:db8:2::a", "2001:db8:2::b", "2001:db8:2::c"
NOBODY = "2001:db8:2::d"


def unreachable(sent: bytes, source: str = PRIVATE_HOST) -> bytes:
    """Return the error for a packet from `source` to an address that nobody has."""
    return bytes(IPv6(src=SERVER, dst=source, hlim=64) / ICMPv6DestUnreach(code=3) / Raw(sent))


class SearchTests(LinkTestCase):
    """Unknown destinations in mode Certificates, where the server may ask (RFC 4861 section 7.2.2)."""

    def solicited(self, now: float) -> tuple[list[bytes], dict[ClientEntry, list[bytes]]]:
        """Return the solicitations that are due."""
        return delivered(self.link.solicit(now), *self.small.table)

    def test_search(self) -> None:
        """All clients are asked for the address three times, a second apart (RFC 4861 section 7.2.2)."""
        self.assertEqual(([], {}), self.from_host(udp(PRIVATE_HOST, NOBODY), now=100.0))
        asked = solicitation(ROUTER, NOBODY)
        everybody = {client: [asked] for client in self.small.table}
        for now, expected in ((100.0, everybody), (100.5, {}), (101.0, everybody), (102.0, everybody), (103.0, {})):
            self.assertEqual(([], expected), self.solicited(now), now)

    def test_unreachable(self) -> None:
        """After failed resolution packets get Address Unreachable (RFC 4861 section 7.2.2)."""
        sent = udp(PRIVATE_HOST, NOBODY)
        for now in (100.0, 101.0, 102.0):
            self.assertEqual(([], {}), self.from_host(sent, now=now))
            self.solicited(now)
        self.assertEqual(([], {}), self.from_host(sent, now=102.9))
        self.assertEqual(([unreachable(sent)], {}), self.from_host(sent, now=103.0))
        self.assertEqual({DropReason.NO_NEIGHBOR: 5}, dict(self.link.counters.drops))

    def test_found(self) -> None:
        """The client that answers gets the packets sent from then on (RFC 4861 section 7.2.5)."""
        sent = udp(PRIVATE_HOST, NOBODY)
        self.from_host(sent, now=100.0)
        self.solicited(100.0)
        answer = advertisement(NOBODY, NOBODY, ROUTER, solicited=True)
        self.assertEqual(([answer], {}), self.from_a(answer, now=100.5))
        self.assertEqual(([], {self.a: [sent]}), self.from_host(sent, now=100.6))
        self.assertEqual(([], {}), self.solicited(101.0))
        self.assertIs(Reachability.REACHABLE, neighbor_state(self.small.cache, address(NOBODY), 101.0))

    def test_scan(self) -> None:
        """A scan of the prefix asks clients for so many addresses, and is answered so often (RFC 6583 section 7)."""
        scan = [udp(PRIVATE_HOST, f"2001:db8:2::1:{last:x}") for last in range(1000)]
        errors, clients = self.from_host(*scan, now=100.0)
        self.assertEqual(([unreachable(sent) for sent in scan[SEARCHES:]][: int(ERROR_BURST)], {}), (errors, clients))
        _, asked = self.solicited(100.0)
        self.assertEqual([SEARCHES] * 3, [len(packets) for packets in asked.values()])
        self.assertEqual({DropReason.NO_NEIGHBOR: 1000}, dict(self.link.counters.drops))
        good = udp(PRIVATE_HOST, GLOBAL_B)
        self.assertEqual(([], {self.b: [good]}), self.from_host(good, now=100.0))

    def test_kernel_asks(self) -> None:
        """The kernel's solicitations on a TAP device are replaced by the server's, which are limited."""
        scan = [solicitation(ROUTER, f"2001:db8:2::1:{last:x}") for last in range(1000)]
        self.assertEqual(([], {}), self.from_host(*scan, now=100.0))
        self.assertEqual({DropReason.TOO_MUCH: 1000 - SEARCHES}, dict(self.link.counters.drops))
        _, asked = self.solicited(100.0)
        self.assertEqual([scan[:SEARCHES]] * 3, list(asked.values()))
        held, probed = solicitation(ROUTER, GLOBAL_B), probe(NOBODY)
        everybody = {client: [held, probed] for client in self.small.table}
        self.assertEqual(([], everybody), self.from_host(held, probed, now=100.0))

    def test_link_local(self) -> None:
        """The server looks for link-local addresses too, for itself (RFC 4861 section 7.2.2)."""
        self.assertEqual(([], {}), self.from_host(udp(ROUTER, A), now=100.0))
        asked = solicitation(ROUTER, A)
        self.assertEqual(([], {client: [asked] for client in self.small.table}), self.solicited(100.0))

    def test_change_of_mode(self) -> None:
        """Searches under way when mode None begins ask nobody: it MUST NOT multicast but RAs (3.2.5.2.1)."""
        self.from_host(udp(PRIVATE_HOST, NOBODY), now=100.0)
        self.link.change_mode(AuthenticationMode.NONE)
        for now in (100.0, 101.0, 102.0):
            self.assertEqual(([], {}), self.solicited(now))


class UnreachableTests(LinkTestCase):
    """Unknown destinations in mode None, where the server may not ask (3.2.5.2.1)."""

    mode = AuthenticationMode.NONE

    def test_at_once(self) -> None:
        """The sender is told at once, and no client is asked (3.2.5.2.1, RFC 4443 section 3.1)."""
        good, lost = udp(PRIVATE_HOST, GLOBAL_B), udp(PRIVATE_HOST, NOBODY)
        self.assertEqual(([unreachable(lost)], {self.b: [good]}), self.from_host(good, lost, now=100.0))
        for now in range(100, 105):
            self.assertEqual(([], {}), delivered(self.link.solicit(float(now))))
        self.assertIsNone(neighbor_state(self.small.cache, address(NOBODY), 100.0))

    def test_rate(self) -> None:
        """The rate of errors MUST be limited: so many at once, then so many in a second (RFC 4443 2.4 (f))."""
        self.assertEqual((10.0, 10.0), (ERROR_RATE, ERROR_BURST))
        flood = [udp(PRIVATE_HOST, f"2001:db8:2::1:{last:x}") for last in range(1000)]
        self.assertEqual(([unreachable(sent) for sent in flood[:10]], {}), self.from_host(*flood, now=100.0))
        self.assertEqual(([], {}), self.from_host(*flood, now=100.05))
        self.assertEqual(([unreachable(sent) for sent in flood[:5]], {}), self.from_host(*flood, now=100.55))
        self.assertEqual({DropReason.NO_NEIGHBOR: 3000}, dict(self.link.counters.drops))

    def test_no_error_for_errors(self) -> None:
        """An error that cannot be delivered is not answered, and spends nothing (RFC 4443 section 2.4 (e.1))."""
        error = packet(PRIVATE_HOST, NOBODY, ICMPv6TimeExceeded() / Raw(udp(NOBODY, PRIVATE_HOST)))
        self.assertEqual(([], {}), self.from_host(*[error] * 100, now=100.0))
        lost = udp(PRIVATE_HOST, NOBODY)
        self.assertEqual(([unreachable(lost)] * 10, {}), self.from_host(*[lost] * 100, now=100.0))

    def test_from_inside(self) -> None:
        """A client that scans the prefix gets its errors the way of all packets, by the host (RFC 6583 section 7)."""
        self.small.policy.isolate = False
        lost = udp(GLOBAL_B, NOBODY)
        error = unreachable(lost, GLOBAL_B)
        self.assertEqual(([error], {}), self.from_host(lost, now=100.0))
        self.assertEqual(([], {self.b: [error]}), self.from_host(error, now=100.0))

    def test_sign_of_life(self) -> None:
        """Any packet from an address shows that its holder lives, and keeps the address for it (RFC 6620)."""
        cache, probed = self.small.cache, address(GLOBAL_B)
        data = Batch.of([udp(GLOBAL_B, PRIVATE_HOST)])
        self.link.from_client(self.b, data, 99.0)
        cache.claim(probed, self.a, 100.0)
        for now in (100.0, 101.0, 102.0):
            self.assertEqual(
                ([], {self.b: [solicitation(ROUTER, GLOBAL_B, GLOBAL_B)]}), delivered(self.link.solicit(now))
            )
        self.assertEqual(list(data), list(self.link.from_client(self.b, data, 102.9).host))
        self.assertEqual(([], {}), delivered(self.link.solicit(103.0)))
        self.assertIs(self.b, cache.holder(probed))
        self.assertIs(Reachability.STALE, neighbor_state(cache, probed, 103.0))

    def test_others_are_no_sign(self) -> None:
        """A packet from another address of the same client says nothing of this one."""
        self.small.cache.claim(address(GLOBAL_B), self.a, 100.0)
        for now in (100.0, 101.0, 102.0):
            self.link.solicit(now)
            self.link.from_client(self.b, Batch.of([udp(B, ROUTER)]), now)
        self.link.solicit(103.0)
        self.assertIsNone(self.small.cache.holder(address(GLOBAL_B)))

    def test_not_solicited(self) -> None:
        """A solicitation that was dropped here does not count: silence after it says nothing (RFC 4861 7.3.3)."""
        self.small.cache.claim(address(GLOBAL_B), self.a, 100.0)
        for now in range(100, 120):
            ((holder, sent),) = self.link.solicit(float(now)).own
            self.assertIs(self.b, holder)
            self.link.not_solicited(sent)
        self.link.not_solicited(Batch.of([solicitation(ROUTER, NOBODY, NOBODY)]))
        self.assertIs(self.b, self.small.cache.holder(address(GLOBAL_B)))
        for now in range(120, 124):
            self.link.solicit(float(now))
        self.assertIsNone(self.small.cache.holder(address(GLOBAL_B)))

    def test_multicast_is_no_miss(self) -> None:
        """Multicast that is dropped is answered by no error (RFC 4443 section 2.4 (e.3))."""
        self.assertEqual(([], {}), self.from_host(udp(PRIVATE_HOST, "ff0e::1"), now=100.0))


class UnreachabilityTests(LinkTestCase):
    """True if a client still answers, in both modes (RFC 4861 section 7.3)."""

    def test_walk(self) -> None:
        """A silent holder is solicited by unicast, then forgotten: nothing more is sent to it (3, RFC 4861 7.3.3)."""
        for mode in AuthenticationMode:
            small = SmallLink(mode)
            sent = Batch.of([udp(PRIVATE_HOST, GLOBAL_B)])
            small.link.from_host(sent, 100.0)
            asked = solicitation(ROUTER, GLOBAL_B, GLOBAL_B)
            for now, expected in ((104.0, []), (105.0, [asked]), (106.0, [asked]), (107.0, [asked]), (108.0, [])):
                found = {small.b: expected} if expected else {}
                self.assertEqual(([], found), delivered(small.link.solicit(now), *small.table), now)
            self.assertEqual((None, small.b), (small.holder(GLOBAL_B), small.holder(B)))

    def test_answer(self) -> None:
        """A holder that answers keeps its address, and is left alone for 30 seconds (RFC 4861 section 7.3.3)."""
        for mode in AuthenticationMode:
            small = SmallLink(mode)
            sent = Batch.of([udp(PRIVATE_HOST, GLOBAL_B)])
            small.link.from_host(sent, 100.0)
            small.link.solicit(105.0)
            answer = Batch.of([advertisement(GLOBAL_B, GLOBAL_B, ROUTER, solicited=True)])
            self.assertEqual((list(answer), {}), delivered(small.link.from_client(small.b, answer, 105.1)))
            for now in range(106, 135):
                small.link.from_host(sent, float(now))
                self.assertEqual(([], {}), delivered(small.link.solicit(float(now))))
            self.assertIs(small.b, small.holder(GLOBAL_B))

    def test_over_limit(self) -> None:
        """A client that others have made exceed its limits lives, and its answers have none (RFC 4861 7.2.4)."""
        cache, drops = self.small.cache, self.b.counters.drops
        cache.bind(address(A), self.a)
        answers = Batch.of([advertisement(GLOBAL_B, GLOBAL_B, A, solicited=True)] * 300)
        self.assertEqual(300, len(self.link.from_client(self.b, answers, 0.0).clients[0][1]))
        chatter = Batch.of([udp(GLOBAL_B, "ff02::fb")])
        cache.claim(address(GLOBAL_B), self.a, 100.0)
        for now in range(100, 110):
            self.link.solicit(float(now))
            while self.b.link_traffic.take(float(now)):
                pass
            self.link.from_client(self.b, chatter, float(now))
        self.assertEqual(10, drops[DropReason.TOO_MUCH])
        self.assertIs(self.b, cache.holder(address(GLOBAL_B)))

    def test_unsolicited(self) -> None:
        """An advertisement that answers nothing says nothing of the way to its sender (RFC 4861 section 7.2.5)."""
        for solicited, state in ((False, Reachability.STALE), (True, Reachability.REACHABLE)):
            small = SmallLink(self.mode)
            said = Batch.of([advertisement(B, B, ROUTER, solicited=solicited)])
            small.link.from_client(small.b, said, 100.0)
            self.assertIs(state, neighbor_state(small.cache, address(B), 100.0))

    def test_server_is_asked(self) -> None:
        """The server's kernel answers a client's probes, one a second for hours, in both modes (3, RFC 4861 7.3)."""
        for mode in AuthenticationMode:
            small = SmallLink(mode)
            asked = Batch.of([solicitation(B, ROUTER, ROUTER)])
            answer = Batch.of([advertisement(ROUTER, ROUTER, B, solicited=True)])
            for now in range(3600):
                self.assertEqual((list(asked), {}), delivered(small.link.from_client(small.b, asked, float(now))))
                self.assertEqual(([], {small.b: list(answer)}), delivered(small.link.from_host(answer, float(now))))
