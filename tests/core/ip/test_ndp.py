"""Tests for iphttps.core.ip.ndp; scapy builds the messages to be recognised, and reads those that are built."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import (
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6NDOptUnknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    PadN,
    RouterAlert,
)
from scapy.packet import Packet, Raw
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import DropReason
from iphttps.core.ip import ipv6, ndp
from iphttps.core.ip.ndp import Kind, Message, neighbor_advertisement, neighbor_solicitation, recognise
from tests.support import (
    ALL_NODES,
    ALL_ROUTERS,
    address,
    advertisement,
    behind,
    echo,
    packet,
    probe,
    redirect,
    router_advertisement,
    router_solicitation,
    solicitation,
    solicited_node,
    udp,
)

A = "fe80::a"
TARGET = "2001:db8:2::b"
LINK_LAYER_ADDRESS = "02:00:00:00:00:0a"

MESSAGES = {
    Kind.ROUTER_SOLICITATION: router_solicitation(A),
    Kind.ROUTER_ADVERTISEMENT: router_advertisement(A),
    Kind.NEIGHBOR_SOLICITATION: solicitation(A, TARGET),
    Kind.NEIGHBOR_ADVERTISEMENT: advertisement(A, TARGET),
    Kind.REDIRECT: redirect(A, "fe80::b", "fe80::1", TARGET),
}

# Extension headers by protocol number, each with its length in its own way, and nothing sensible inside.
GENERIC = st.builds(
    lambda number, units, first: (number, bytes((units, first)) + bytes(5 + 8 * units)),
    st.sampled_from((ipv6.HOP_BY_HOP, ipv6.ROUTING, ipv6.DESTINATION_OPTIONS, ipv6.MOBILITY, ipv6.HIP, ipv6.SHIM6)),
    st.integers(0, 4),
    st.integers(0, 255),
)
AUTHENTICATION = st.builds(
    lambda units: (ipv6.AUTHENTICATION, bytes((units,)) + bytes(6 + 4 * units)), st.integers(0, 9)
)
CHAINS = st.lists(st.one_of(GENERIC, AUTHENTICATION), max_size=8)


class RecogniseTests(SynchronousTestCase):
    """The recognition and parsing of Neighbor Discovery messages."""

    def test_kinds(self) -> None:
        """Neighbor Discovery has five kinds of messages, three of them with a target (RFC 4861 section 4)."""
        source, target = address(A), address(TARGET)
        expected = {
            Kind.ROUTER_SOLICITATION: Message(Kind.ROUTER_SOLICITATION, source, address(ALL_ROUTERS)),
            Kind.ROUTER_ADVERTISEMENT: Message(Kind.ROUTER_ADVERTISEMENT, source, address(ALL_NODES)),
            Kind.NEIGHBOR_SOLICITATION: Message(
                Kind.NEIGHBOR_SOLICITATION, source, address(solicited_node(TARGET)), target
            ),
            Kind.NEIGHBOR_ADVERTISEMENT: Message(Kind.NEIGHBOR_ADVERTISEMENT, source, address(ALL_NODES), target),
            Kind.REDIRECT: Message(Kind.REDIRECT, source, address("fe80::b"), address("fe80::1")),
        }
        self.assertEqual(expected, {kind: recognise(message) for kind, message in MESSAGES.items()})

    def test_probe(self) -> None:
        """A probe is a solicitation with an unspecified source and a solicited-node destination (3.2.5.2.2)."""
        message = recognise(probe(TARGET))
        assert isinstance(message, Message)
        self.assertTrue(message.is_probe)
        for other in (router_solicitation(), solicitation(A, TARGET), advertisement(A, TARGET)):
            message = recognise(other)
            assert isinstance(message, Message)
            self.assertFalse(message.is_probe)

    def test_others(self) -> None:
        """Other packets are none of its business, whatever they carry (RFC 7113 section 3)."""
        hidden = packet(A, ALL_NODES, Raw(MESSAGES[Kind.ROUTER_ADVERTISEMENT][40:]), nh=ipv6.ESP)
        report = packet(A, "ff02::16", ICMPv6MLReport2(), hlim=1)
        for other in (udp(A, ALL_NODES), echo(A, "fe80::1"), hidden, report, packet(A, ALL_NODES, Raw(b""), nh=59)):
            self.assertIsNone(recognise(other))

    def test_options(self) -> None:
        """Options of any type are skipped over by their length (RFC 4861 section 4.6)."""
        options = ICMPv6NDOptSrcLLAddr(lladdr=LINK_LAYER_ADDRESS) / ICMPv6NDOptUnknown(type=253, data=bytes(22))
        message = recognise(packet(A, solicited_node(TARGET), ICMPv6ND_NS(tgt=TARGET) / options))
        self.assertEqual(recognise(MESSAGES[Kind.NEIGHBOR_SOLICITATION]), message)

    def test_send_options(self) -> None:
        """Options of SEND are ignored, huge keys too: it is not possible through this server (5.1, RFC 3971)."""
        nonce = ICMPv6NDOptUnknown(type=14, data=bytes(6))
        for size in (6, 1022, 255 * 8 - 2):
            options = ICMPv6NDOptUnknown(type=11, data=bytes(size)) / ICMPv6NDOptUnknown(type=12, data=bytes(22))
            message = recognise(packet(A, solicited_node(TARGET), ICMPv6ND_NS(tgt=TARGET) / options / nonce))
            self.assertEqual(recognise(MESSAGES[Kind.NEIGHBOR_SOLICITATION]), message)

    def test_solicited(self) -> None:
        """The Solicited flag of an advertisement says that it answers, and confirms (RFC 4861 section 4.4)."""
        for solicited in (False, True):
            message = recognise(advertisement(A, TARGET, "fe80::1", solicited=solicited))
            expected = Message(
                Kind.NEIGHBOR_ADVERTISEMENT, address(A), address("fe80::1"), address(TARGET), solicited=solicited
            )
            self.assertEqual(expected, message)
        # The same bit of a solicitation is reserved: MUST be ignored by the receiver (section 4.3).
        message = recognise(packet(A, TARGET, ICMPv6ND_NS(tgt=TARGET, res=0x40000000)))
        self.assertEqual(Message(Kind.NEIGHBOR_SOLICITATION, address(A), address(TARGET), address(TARGET)), message)


class HeaderChainTests(SynchronousTestCase):
    """Messages behind extension headers."""

    @given(st.sampled_from(Kind), CHAINS)
    def test_any_chain(self, kind: Kind, chain: list[tuple[int, bytes]]) -> None:
        """The whole chain is walked, so a message is recognised as if it were bare (RFC 7113 section 3)."""
        bare = MESSAGES[kind]
        self.assertEqual(recognise(bare), recognise(behind(bare, *chain)))

    def test_scapys_chain(self) -> None:
        """A message behind Hop-by-Hop and Destination Options is recognised (RFC 7113 section 2.1)."""
        chain = IPv6ExtHdrHopByHop(options=[RouterAlert()]) / IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(20))])
        hidden = packet(A, solicited_node(TARGET), chain / ICMPv6ND_NS(tgt=TARGET), hlim=255)
        self.assertEqual(recognise(MESSAGES[Kind.NEIGHBOR_SOLICITATION]), recognise(hidden))

    @given(st.sampled_from(Kind), CHAINS, st.data())
    def test_cut_chain(self, kind: Kind, chain: list[tuple[int, bytes]], data: st.DataObject) -> None:
        """A chain that does not end inside the packet could hide a message, and is dropped (RFC 7113 section 3)."""
        bare = MESSAGES[kind]
        hidden = behind(bare, *chain)
        end = len(hidden) - len(bare) + ipv6.HEADER_LENGTH
        at = data.draw(st.integers(ipv6.HEADER_LENGTH, end))
        self.assertEqual(DropReason.HEADER_CHAIN, recognise(hidden[:at]))

    def test_many_headers(self) -> None:
        """A chain as long as a packet is walked to its end (RFC 8504 section 5.3)."""
        chain = [(ipv6.DESTINATION_OPTIONS, bytes(7))] * 8000
        bare = MESSAGES[Kind.ROUTER_ADVERTISEMENT]
        self.assertEqual(recognise(bare), recognise(behind(bare, *chain)))

    def test_fragments(self) -> None:
        """Messages in fragments are silently ignored, a single atomic fragment too (RFC 6980 section 5)."""
        for more in (0, 1):
            for bare in MESSAGES.values():
                fragment = (ipv6.FRAGMENT, bytes((0, 0, more)) + b"\x01\x02\x03\x04")
                self.assertEqual(DropReason.ND_FRAGMENTED, recognise(behind(bare, fragment)))
                options = (ipv6.DESTINATION_OPTIONS, bytes(7))
                self.assertEqual(DropReason.ND_FRAGMENTED, recognise(behind(bare, options, fragment, options)))

    def test_first_fragment(self) -> None:
        """A first fragment without the upper-layer header could begin one, and is dropped (RFC 7112 section 5)."""
        first = packet(A, ALL_NODES, IPv6ExtHdrFragment(m=1, nh=60) / IPv6ExtHdrDestOpt(nh=58))
        for length in range(40, 57):
            self.assertEqual(DropReason.HEADER_CHAIN, recognise(first[:length]), length)

    def test_other_fragments(self) -> None:
        """Fragments of other packets pass, and so does what is useless without its first one (RFC 8200 section 4.5)."""
        later = packet(A, ALL_NODES, IPv6ExtHdrFragment(offset=1, nh=58) / Raw(bytes((134,)) + bytes(15)))
        first = packet("2001:db8:2::a", "2001:db8:1::5", IPv6ExtHdrFragment(m=1, nh=17) / Raw(bytes(16)))
        self.assertEqual([None, None], [recognise(later), recognise(first)])


class ValidityTests(SynchronousTestCase):
    """The checks that RFC 4861 requires of a receiver."""

    def invalid(self, message: bytes) -> None:
        """Assert that the message breaks RFC 4861."""
        self.assertEqual(DropReason.ND_INVALID, recognise(message))

    def sent(self, source: str, destination: str, message: Packet) -> bytes:
        """Build a packet, to be judged."""
        return packet(source, destination, message)

    def test_hop_limit(self) -> None:
        """The Hop Limit is 255: no router has forwarded the message (RFC 4861 sections 6.1, 7.1 and 8.1)."""
        for bare in MESSAGES.values():
            for hop_limit in (254, 64, 1, 0):
                self.invalid(bare[:7] + bytes((hop_limit,)) + bare[8:])

    def test_checksum(self) -> None:
        """The ICMP checksum is valid (RFC 4861 sections 6.1, 7.1 and 8.1)."""
        for bare in MESSAGES.values():
            for at in range(42, len(bare)):
                self.invalid(bare[:at] + bytes((bare[at] ^ 1,)) + bare[at + 1 :])

    def test_code(self) -> None:
        """The ICMP code is 0 (RFC 4861 sections 6.1, 7.1 and 8.1)."""
        self.invalid(self.sent(A, ALL_ROUTERS, ICMPv6ND_RS(code=1)))
        self.invalid(self.sent(A, ALL_NODES, ICMPv6ND_NA(code=255, tgt=TARGET, R=0)))

    def test_length(self) -> None:
        """The ICMP length is 8, 16, 24, 24 or 40 octets at least, by kind (RFC 4861 sections 6.1, 7.1 and 8.1)."""
        lengths = {133: 8, 134: 16, 135: 24, 136: 24, 137: 40}
        for kind, bare in MESSAGES.items():
            source, destination = bare[8:24], bare[24:40]
            for length in (1, 4, 7, lengths[kind] - 1):
                icmp = bare[40:42] + bytes(2) + bare[44 : 40 + length]
                total = ipv6.checksum(source, destination, ipv6.ICMPV6, icmp[:length])
                icmp = (icmp[:2] + total.to_bytes(2, "big") + icmp[4:])[:length]
                self.invalid(ipv6.packet(source, destination, ipv6.ICMPV6, icmp))

    def test_option_lengths(self) -> None:
        """All included options have a length greater than zero, and end in the packet (RFC 4861 section 4.6)."""
        beyond, one_byte = b"\x01\x02" + bytes(6), b"\x01"
        for options in (b"\x01\x00" + bytes(6), beyond, one_byte, bytes(1200), b"\xfd\x01" + bytes(6) + beyond):
            self.invalid(self.sent(A, solicited_node(TARGET), ICMPv6ND_NS(tgt=TARGET) / Raw(options)))

    def test_many_options(self) -> None:
        """A message of nothing but short options is still valid (RFC 4861 section 4.6)."""
        options = Raw((b"\xfd\x01" + bytes(6)) * 150)
        message = recognise(self.sent(A, solicited_node(TARGET), ICMPv6ND_NS(tgt=TARGET) / options))
        self.assertIsInstance(message, Message)

    def test_multicast_target(self) -> None:
        """The Target Address is not a multicast address (RFC 4861 sections 7.1.1 and 7.1.2)."""
        self.invalid(solicitation(A, "ff02::1", ALL_NODES))
        self.invalid(advertisement(A, "ff02::1"))

    def test_probe_destination(self) -> None:
        """With the unspecified source the destination is a solicited-node address (RFC 4861 section 7.1.1)."""
        for destination in (TARGET, ALL_NODES, "ff05::1:ff00:b"):
            self.invalid(solicitation("::", TARGET, destination))

    def test_unspecified_with_link_layer_address(self) -> None:
        """With the unspecified source there is no source link-layer address option (RFC 4861 6.1.1 and 7.1.1)."""
        option = ICMPv6NDOptSrcLLAddr(lladdr=LINK_LAYER_ADDRESS)
        self.invalid(self.sent("::", solicited_node(TARGET), ICMPv6ND_NS(tgt=TARGET) / option))
        self.invalid(self.sent("::", ALL_ROUTERS, ICMPv6ND_RS() / option))
        self.assertIsInstance(recognise(self.sent(A, ALL_ROUTERS, ICMPv6ND_RS() / option)), Message)

    def test_solicited_multicast(self) -> None:
        """If the destination is multicast the Solicited flag is zero (RFC 4861 section 7.1.2)."""
        self.invalid(advertisement(A, TARGET, solicited=True))
        self.assertIsInstance(recognise(advertisement(A, TARGET, "fe80::b", solicited=True)), Message)

    def test_link_layer_option(self) -> None:
        """An advertisement may contain a target link-layer address option (RFC 4861 section 4.4)."""
        option = ICMPv6NDOptDstLLAddr(lladdr=LINK_LAYER_ADDRESS)
        self.assertIsInstance(recognise(self.sent(A, ALL_NODES, ICMPv6ND_NA(tgt=TARGET, R=0) / option)), Message)

    def test_router_source(self) -> None:
        """The source of advertisements and redirects by routers is link-local (RFC 4861 sections 6.1.2 and 8.1)."""
        for source in (TARGET, "::", ALL_NODES):
            self.invalid(router_advertisement(source))
            self.invalid(redirect(source, "fe80::b", "fe80::1", TARGET))

    def test_redirected(self) -> None:
        """A Redirect is for no multicast destination, by a link-local target or the destination (RFC 4861 8.1)."""
        self.assertIsInstance(recognise(redirect(A, "fe80::b", TARGET, TARGET)), Message)
        self.invalid(redirect(A, "fe80::b", "fe80::1", "ff0e::1"))
        self.invalid(redirect(A, "fe80::b", "2001:db8:2::c", TARGET))


class NeighborAdvertisementTests(SynchronousTestCase):
    """The answer to a probe for an address in use."""

    def test_of_a_client(self) -> None:
        """A multicast NA is created as if by the client, without Router flag or link-layer option (3.2.5.2.2)."""
        expected = IPv6(src=TARGET, dst=ALL_NODES) / ICMPv6ND_NA(tgt=TARGET, R=0, S=0, O=1)
        self.assertEqual(bytes(expected), neighbor_advertisement(address(TARGET), router=False))

    def test_of_the_server(self) -> None:
        """The Router flag is set when the sender is a router (RFC 4861 section 4.4)."""
        expected = IPv6(src="fe80::1", dst=ALL_NODES) / ICMPv6ND_NA(tgt="fe80::1", R=1, S=0, O=1)
        self.assertEqual(bytes(expected), neighbor_advertisement(address("fe80::1"), router=True))

    def test_valid(self) -> None:
        """A built message passes the checks of a receiver (RFC 4861 section 7.1.2)."""
        target = address(TARGET)
        expected = Message(Kind.NEIGHBOR_ADVERTISEMENT, target, address(ALL_NODES), target)
        self.assertEqual(expected, recognise(neighbor_advertisement(target, router=False)))


class NeighborSolicitationTests(SynchronousTestCase):
    """The server's Neighbor Solicitations."""

    def test_multicast(self) -> None:
        """Solicitations go to the solicited-node address, without link-layer option (RFC 4861 4.3, 3)."""
        expected = IPv6(src="fe80::1", dst="ff02::1:ff00:b") / ICMPv6ND_NS(tgt=TARGET)
        built = neighbor_solicitation(address(TARGET), address("fe80::1"), unicast=False)
        self.assertEqual(bytes(expected), built)

    def test_unicast(self) -> None:
        """True if a holder is still there is asked of the address itself (RFC 4861 section 7.3.3)."""
        expected = IPv6(src="fe80::1", dst=TARGET) / ICMPv6ND_NS(tgt=TARGET)
        built = neighbor_solicitation(address(TARGET), address("fe80::1"), unicast=True)
        self.assertEqual(bytes(expected), built)

    def test_valid(self) -> None:
        """A built message passes the checks of a receiver (RFC 4861 section 7.1.1)."""
        for unicast, destination in ((True, TARGET), (False, "ff02::1:ff00:b")):
            built = neighbor_solicitation(address(TARGET), address("fe80::1"), unicast=unicast)
            expected = Message(Kind.NEIGHBOR_SOLICITATION, address("fe80::1"), address(destination), address(TARGET))
            self.assertEqual(expected, recognise(built))


class RouterSolicitationTests(SynchronousTestCase):
    """The client's Router Solicitations."""

    def test_valid(self) -> None:
        """It goes to all routers, without link-layer option (RFC 4861 sections 4.1, 6.1.1)."""
        built = ndp.router_solicitation(address("fe80::2"))
        self.assertEqual(router_solicitation("fe80::2", "ff02::2"), built)
        expected = Message(Kind.ROUTER_SOLICITATION, address("fe80::2"), address("ff02::2"))
        self.assertEqual(expected, recognise(built))
