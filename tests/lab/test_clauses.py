"""The rules of the server's link, 3.2.5.2.1 and 3.2.5.2.2, by clients that speak by hand."""

from typing import Any

from scapy.layers.inet import UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
)

from iphttps.lab.laboratory import INTERFACE, TUNNEL_SERVER
from iphttps.lab.network import PRIVATE_HOST
from tests.lab.raw import RawCase, RawClient

A, B, C = "2001:db8:2::a", "2001:db8:2::b", "2001:db8:2::c"
LOCAL_A, LOCAL_B = "fe80::a", "fe80::b"
NEW = "2001:db8:2::11"
NEW_NODES = "ff02::1:ff00:11"


def probe(target: str, group: str) -> Any:
    """Make a Duplicate Address Detection probe."""
    return IPv6(src="::", dst=group, hlim=255) / ICMPv6ND_NS(tgt=target)


class LinkCase(RawCase):
    """A server and three raw clients, each of which holds an address."""

    authentication = "certificates"

    def setUp(self) -> None:
        """Open the sessions, and have each address learned by a first packet."""
        super().setUp()
        self.program = self.server(authentication=self.authentication)
        self.a, self.b, self.c = (self.session(name=name) for name in "abc")
        self.clients_by_address = {A: self.a, B: self.b, C: self.c}
        for address, raw in self.clients_by_address.items():
            raw.ping(address)

    def received(self, raw: RawClient) -> list[Any]:
        """Return the unread packets that a client has been sent because of what any client has sent so far.

        First the other clients ping the server, which so has handled all that they sent before; then the client
        pings it, and reads up to the reply.
        """
        for address, other in self.clients_by_address.items():
            if other is not raw:
                other.unread(other.ping(address))
        return next(other.ping(address) for address, other in self.clients_by_address.items() if other is raw)

    def heard(self, raw: RawClient) -> list[Any]:
        """Return the same without what the server's own host sends at any time."""
        own = (ICMPv6ND_RA, ICMPv6MLReport2)
        return [packet for packet in self.received(raw) if not any(layer in packet for layer in own)]


class NoneClauseTests(LinkCase):
    """Mode None."""

    authentication = "none"

    def test_multicast_to_clients(self) -> None:
        """The server sends and forwards no multicast but Router Advertisements (3.2.5.2.1)."""
        for group in ("ff02::1", "ff02::fb", NEW_NODES):
            self.lab.gateway.run("ping", "-c", "1", "-W", "1", f"{group}%{INTERFACE}", check=False)
        for packet in self.received(self.c):
            self.assertIn(ICMPv6ND_RA, packet, packet.summary())

    def test_multicast_from_clients(self) -> None:
        """Multicast from a client is dropped: nobody gets it, the host's kernel included (3.2.5.2.2)."""
        for packet in (
            IPv6(src=LOCAL_A, dst="ff02::1") / ICMPv6EchoRequest(),
            IPv6(src=LOCAL_A, dst="ff02::fb") / UDP(sport=5353, dport=5353),
            IPv6(src=LOCAL_A, dst="ff02::16", hlim=1) / IPv6ExtHdrHopByHop() / ICMPv6MLReport2(),
            IPv6(src=A, dst="ff02::1:ff00:b", hlim=255) / ICMPv6ND_NS(tgt=B),
            IPv6(src=A, dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt=A),
            IPv6(src=A, dst="ff0e::1") / UDP(dport=9),
        ):
            self.a.send(packet)
        for raw in (self.a, self.b, self.c):
            self.assertEqual([], self.heard(raw))

    def test_link_local(self) -> None:
        """Link-local unicast is dropped unless the destination is the server itself (3.2.5.2.2)."""
        self.b.send(IPv6(src=LOCAL_B, dst="fe80::1") / ICMPv6EchoRequest())
        self.b.expect(ICMPv6EchoReply)
        self.a.send(IPv6(src=LOCAL_A, dst=LOCAL_B) / ICMPv6EchoRequest())
        self.assertEqual([], self.heard(self.b))
        self.a.ping(LOCAL_A, "fe80::1")

    def test_solicitation(self) -> None:
        """Router Solicitations are not dropped, with an address or without one (3.2.5.2.2)."""
        fresh = self.session()
        fresh.send(IPv6(src="::", dst="ff02::2", hlim=255) / ICMPv6ND_RS())
        self.assertEqual("ff02::1", fresh.expect(ICMPv6ND_RA).dst)
        fresh = self.session()
        fresh.send(IPv6(src="fe80::d", dst="ff02::2", hlim=255) / ICMPv6ND_RS())
        next(packet for packet in fresh.packets() if ICMPv6ND_RA in packet and packet.dst == "fe80::d")

    def test_probe(self) -> None:
        """A probe for an address in use is answered as the holder would, to the asker alone (3.2.5.2.2)."""
        self.b.send(probe(A, "ff02::1:ff00:a"))
        answer = self.b.expect(ICMPv6ND_NA)
        advertisement = answer[ICMPv6ND_NA]
        self.assertEqual((A, "ff02::1", 255, 24), (answer.src, answer.dst, answer.hlim, answer.plen))
        self.assertEqual((A, 0, 0), (advertisement.tgt, advertisement.R, advertisement.S))
        # The holder gets a unicast question whether it is still there, and no probe.
        for packet in self.heard(self.a):
            self.assertEqual(("fe80::1", A), (packet.src, packet.dst))
        self.assertEqual([], self.heard(self.c))

    def test_probe_of_a_free_address(self) -> None:
        """A probe for an address that nobody uses is not answered, and not forwarded (3.2.5.2.2)."""
        self.b.send(probe(NEW, NEW_NODES))
        for raw in (self.a, self.b, self.c):
            self.assertEqual([], self.heard(raw))

    def test_unknown_destination(self) -> None:
        """A packet from the private network for an address that nobody holds is answered, not multicast (RFC 4443)."""
        # With TAP the kernel itself asks for the neighbour first, three times (RFC 4861 section 7.2.2).
        done = self.lab.private.run("ping", "-n", "-c", "1", "-W", "6", "2001:db8:2::dead", check=False)
        self.assertIn("Address unreachable", done.stdout)
        self.assertEqual([], self.heard(self.a))


class CertificatesClauseTests(LinkCase):
    """Mode Certificates."""

    def test_multicast(self) -> None:
        """Multicast from a client goes to all other clients, and not back (3.2.5.2.2)."""
        for group in ("ff02::1", "ff02::fb"):
            self.a.send(IPv6(src=LOCAL_A, dst=group) / UDP(sport=9, dport=9))
            for raw in (self.b, self.c):
                self.assertEqual((LOCAL_A, group), (lambda p: (p.src, p.dst))(raw.expect(UDP)))
            self.assertEqual([], self.heard(self.a))

    def test_probe_of_a_held_address(self) -> None:
        """A probe whose target is in the Neighbor Cache goes to who has such an entry, and nobody else (3.2.5.2.2)."""
        self.b.send(probe(A, "ff02::1:ff00:a"))
        asked = next(packet for packet in self.a.packets() if ICMPv6ND_NS in packet and packet.src == "::")
        self.assertEqual(A, asked[ICMPv6ND_NS].tgt)
        self.assertEqual([], self.heard(self.c))
        self.a.send(IPv6(src=A, dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt=A, R=0, S=0))
        self.assertEqual(A, self.b.expect(ICMPv6ND_NA)[ICMPv6ND_NA].tgt)
        self.assertEqual([], self.heard(self.c))

    def test_probe_of_a_free_address(self) -> None:
        """A probe whose target is in no entry goes to all other clients (3.2.5.2.2)."""
        self.b.send(probe(NEW, NEW_NODES))
        for raw in (self.a, self.c):
            self.assertEqual(NEW, raw.expect(ICMPv6ND_NS)[ICMPv6ND_NS].tgt)
        self.assertEqual([], self.heard(self.b))

    def test_link_local(self) -> None:
        """Link-local unicast between clients reaches the one that holds the address, and nobody else (3)."""
        self.b.send(IPv6(src=LOCAL_B, dst="fe80::1") / ICMPv6EchoRequest())
        self.b.expect(ICMPv6EchoReply)
        self.a.send(IPv6(src=LOCAL_A, dst=LOCAL_B) / UDP(dport=9))
        self.assertEqual(LOCAL_A, self.b.expect(UDP).src)
        self.assertEqual([], self.heard(self.c))

    def test_unknown_destination(self) -> None:
        """An address that nobody holds is looked for by a few solicitations, then reported (RFC 4861 section 7.2.2)."""
        done = self.lab.private.run("ping", "-n", "-w", "6", "-i", "0.2", "2001:db8:2::dead", check=False)
        self.assertIn("Address unreachable", done.stdout)
        asked = [p for p in self.received(self.a) if ICMPv6ND_NS in p and p[ICMPv6ND_NS].tgt == "2001:db8:2::dead"]
        self.assertEqual(3, len(asked))


class SourceClauseTests(LinkCase):
    """Packets that a client may not send, in either mode."""

    def test_sources(self) -> None:
        """A packet from an address not bound to the client goes nowhere (RFC 7039)."""
        for source in (B, "2001:db8:9::1", "::1", "ff02::1", "::ffff:192.0.2.1", TUNNEL_SERVER, "fe80::1", "::"):
            self.a.send(IPv6(src=source, dst=PRIVATE_HOST) / ICMPv6EchoRequest())
            self.a.send(IPv6(src=source, dst=TUNNEL_SERVER) / ICMPv6EchoRequest())
        for raw in (self.a, self.b, self.c):
            self.assertEqual([], self.heard(raw))
        self.a.ping(A, PRIVATE_HOST)

    def test_router_guard(self) -> None:
        """Router Advertisements and Redirects of a client reach nobody, hidden or not (RFC 6105, 7113)."""
        header = IPv6(src=LOCAL_A, dst="ff02::1", hlim=255)
        for packet in (
            header / ICMPv6ND_RA(),
            header / IPv6ExtHdrDestOpt() / ICMPv6ND_RA(),
            header / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / ICMPv6ND_RA(),
            header / IPv6ExtHdrFragment(nh=58) / ICMPv6ND_RA(),
            header / ICMPv6ND_Redirect(tgt=LOCAL_A, dst=PRIVATE_HOST),
            header / IPv6ExtHdrFragment(nh=60),
        ):
            self.a.send(packet)
        for raw in (self.b, self.c):
            for packet in self.received(raw):
                self.assertNotEqual(LOCAL_A, packet.src, packet.summary())

    def test_invalid_messages(self) -> None:
        """Neighbor Discovery that breaks RFC 4861 sections 6.1 and 7.1 is dropped and teaches nothing."""
        solicitation = ICMPv6ND_NS(tgt=NEW)
        for packet in (
            IPv6(src="::", dst=NEW_NODES, hlim=254) / solicitation,
            IPv6(src="::", dst=NEW_NODES, hlim=255) / ICMPv6ND_NS(tgt=NEW, cksum=1),
            IPv6(src="::", dst=NEW_NODES, hlim=255) / ICMPv6ND_NS(tgt=NEW, code=1),
            IPv6(src="::", dst=NEW, hlim=255) / solicitation,
            IPv6(src=A, dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt=NEW, S=1),
        ):
            self.a.send(packet)
        self.assertEqual([], self.heard(self.b))
        self.b.ping(NEW)  # the address is still free

    def test_strict(self) -> None:
        """With --strict a client's Router Advertisement goes to the others, as the letter says (3.2.5.2.2)."""
        self.program.stop()
        self.server("--strict")
        a, b = self.session(name="a"), self.session(name="b")
        a.send(IPv6(src=LOCAL_A, dst="ff02::1", hlim=255) / ICMPv6ND_RA())
        next(packet for packet in b.packets() if ICMPv6ND_RA in packet and packet.src == LOCAL_A)

    def test_errors_are_limited(self) -> None:
        """Address Unreachable errors are limited in rate (RFC 4443 section 2.4 (f))."""
        for number in range(100):
            self.a.send(IPv6(src=A, dst=f"2001:db8:2::5:{number:x}") / UDP(dport=9))
        errors = [packet for packet in self.received(self.a) if ICMPv6DestUnreach in packet]
        self.assertLess(len(errors), 40)
