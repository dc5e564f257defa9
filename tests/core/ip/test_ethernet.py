"""Tests for iphttps.core.ip.ethernet; scapy builds what goes in, and reads what comes out."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRedirectedHdr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6NDOptUnknown,
    IPv6,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import DropReason
from iphttps.core.ip import ipv6
from iphttps.core.ip.ethernet import MAXIMUM_ROUTERS, Answer, Ethernet
from tests.support import (
    ALL_NODES,
    ALL_ROUTERS,
    ROUTER,
    UNSPECIFIED,
    address,
    advertisement,
    behind,
    echo,
    packet,
    probe,
    router_advertisement,
    router_solicitation,
    solicitation,
    solicited_node,
    udp,
)

STATION = "02:00:00:00:00:0a"
NEIGHBORS = "02:49:50:48:54:54"
FOREIGN = "02:00:00:00:00:0b"
A = "fe80::a"
B = "2001:db8:2::b"

NONCE = ICMPv6NDOptUnknown(type=14, len=1, data=b"nonce!")
SOURCE, TARGET = ICMPv6NDOptSrcLLAddr, ICMPv6NDOptDstLLAddr

BARE = {
    "a Router Solicitation": (A, ALL_ROUTERS, ICMPv6ND_RS(), SOURCE),
    "a Router Advertisement": (A, ALL_NODES, ICMPv6ND_RA() / ICMPv6NDOptPrefixInfo() / ICMPv6NDOptMTU(), SOURCE),
    "a Neighbor Solicitation by unicast": (A, B, ICMPv6ND_NS(tgt=B), SOURCE),
    "an advertisement to all": (A, ALL_NODES, ICMPv6ND_NA(tgt=B, S=0), TARGET),
    "an advertisement to the asker": (A, B, ICMPv6ND_NA(tgt=A, S=1), TARGET),
    "a Redirect": (A, B, ICMPv6ND_Redirect(tgt=B, dst=B) / ICMPv6NDOptRedirectedHdr(pkt=IPv6() / "x"), TARGET),
}
"""One of each kind: source, destination, the message as it is on the link, the option that Ethernet adds to it."""


def frame(content: bytes, destination: str = NEIGHBORS, kind: int = 0x86DD) -> bytes:
    """Build a frame as the kernel sends it."""
    return bytes(Ether(src=STATION, dst=destination, type=kind)) + content


def made_anew(whole: bytes) -> bytes:
    """Return the packet with the lengths and checksums that scapy gives it."""
    read = IPv6(whole)
    del read.plen
    for layer in read.iterpayloads():
        if "cksum" in layer.fields:
            del layer.cksum
    return bytes(read)


class EthernetTestCase(SynchronousTestCase):
    """A test of what crosses a TAP device."""

    def setUp(self) -> None:
        """Make the Ethernet of a kernel with the address STATION."""
        self.ethernet = Ethernet(bytes.fromhex(STATION.replace(":", "")))

    def inward(self, content: bytes) -> Packet:
        """Return the frame for a packet, as scapy reads it, after checking the lengths and checksums in it."""
        whole = self.ethernet.inward(content)
        self.assertEqual(made_anew(whole[14:]), whole[14:])
        return Ether(whole)

    def answer(self, question: bytes) -> Packet:
        """Return the frame that answers one from the kernel, as scapy reads it."""
        given = self.ethernet.outward(frame(question, "33:33:ff:00:00:0b"))
        assert isinstance(given, Answer), given
        self.assertEqual(made_anew(given.frame[14:]), given.frame[14:])
        return Ether(given.frame)


class OutwardTests(EthernetTestCase):
    """From the kernel to the link."""

    def test_packet(self) -> None:
        """Of a frame with an IPv6 packet the header is taken off, whomever it is addressed to."""
        for content in (udp(A, B), echo(A, B), udp(A, "ff02::fb", 0)):
            for destination in (NEIGHBORS, FOREIGN, "33:33:00:00:00:fb"):
                self.assertEqual(self.ethernet.outward(frame(content, destination)), content)

    def test_other_protocols(self) -> None:
        """A frame without IPv6, or shorter than its header, is dropped."""
        frames = (
            bytes(Ether(src=STATION, dst=NEIGHBORS) / ARP(psrc="192.0.2.1", hwsrc=STATION)),
            frame(udp(A, B), kind=0x0800),
            bytes(Ether(src=STATION, dst=NEIGHBORS) / Dot1Q(vlan=1) / IPv6(udp(A, B))),
            frame(b"\x45" + udp(A, B)[1:]),
            frame(udp(A, B))[:13],
            frame(udp(A, B))[:14],
            b"",
        )
        for each in frames:
            self.assertIs(self.ethernet.outward(each), DropReason.NOT_IPV6)

    def test_wrong_length(self) -> None:
        """A packet longer or shorter than its Payload Length is dropped (3.1.5.3)."""
        for content in (udp(A, B)[:-1], udp(A, B) + b"\0"):
            self.assertIs(self.ethernet.outward(frame(content)), DropReason.WRONG_LENGTH)

    def test_options_of_ethernet(self) -> None:
        """Link-layer addresses and nonces are taken off; all other options stay (section 3, RFC 7527)."""
        for name, (source, destination, message, option) in BARE.items():
            for other in (message, message / ICMPv6NDOptMTU()):
                sent = packet(source, destination, other / option(lladdr=STATION) / NONCE)
                self.assertEqual(self.ethernet.outward(frame(sent)), packet(source, destination, other), name)
            sent = packet(source, destination, message / NONCE / option(lladdr=STATION) / ICMPv6NDOptMTU())
            expected = packet(source, destination, message / ICMPv6NDOptMTU())
            self.assertEqual(self.ethernet.outward(frame(sent)), expected, name)

    def test_nothing_to_take_off(self) -> None:
        """A message that has none of these options is not touched."""
        for name, (source, destination, message, _) in BARE.items():
            sent = packet(source, destination, message)
            self.assertEqual(self.ethernet.outward(frame(sent)), sent, name)

    def test_header_stays(self) -> None:
        """Traffic Class and Flow Label stay as they are."""
        sent = packet(A, ALL_ROUTERS, ICMPv6ND_RS() / SOURCE(lladdr=STATION), tc=0xC1, fl=0x12345)
        expected = packet(A, ALL_ROUTERS, ICMPv6ND_RS(), tc=0xC1, fl=0x12345)
        self.assertEqual(self.ethernet.outward(frame(sent)), expected)

    def test_probe(self) -> None:
        """A probe for a duplicate address goes to the link, without its nonce (3.2.5.2.2, RFC 7527)."""
        sent = packet(UNSPECIFIED, solicited_node(B), ICMPv6ND_NS(tgt=B) / NONCE)
        self.assertEqual(self.ethernet.outward(frame(sent)), probe(B))

    def test_invalid(self) -> None:
        """An invalid message is not made valid by a new checksum: it passes as it is."""
        wrong_checksum = bytearray(packet(A, B, ICMPv6ND_NS(tgt=B) / SOURCE(lladdr=STATION)))
        wrong_checksum[-1] ^= 1
        wrong_hop_limit = packet(A, B, ICMPv6ND_NS(tgt=B) / SOURCE(lladdr=STATION), hlim=64)
        multicast = packet(A, solicited_node(B), ICMPv6ND_NS(tgt=B) / SOURCE(lladdr=STATION), hlim=64)
        for sent in (bytes(wrong_checksum), wrong_hop_limit, multicast, packet(A, B, ICMPv6ND_NS(tgt=B))[:-1]):
            sent = sent[:4] + (len(sent) - 40).to_bytes(2, "big") + sent[6:]
            self.assertEqual(self.ethernet.outward(frame(sent)), sent)

    def test_behind_extension_headers(self) -> None:
        """A message behind extension headers, which no kernel sends, passes as it is."""
        bare = packet(A, B, ICMPv6ND_NS(tgt=B) / SOURCE(lladdr=STATION))
        sent = behind(bare, (ipv6.DESTINATION_OPTIONS, bytes((0, 1, 4, 0, 0, 0, 0))))
        self.assertEqual(self.ethernet.outward(frame(sent)), sent)

    @given(st.binary(max_size=200))
    def test_anything(self, content: bytes) -> None:
        """Any frame from a program passes or is dropped; nothing is raised."""
        for sent in (content, frame(content)):
            self.assertIsInstance(Ethernet(b"abcdef").outward(sent), DropReason)
        header = udp(A, B)[:6] + b"\x3a\xff" + udp(A, B)[8:40]
        sent = header[:4] + len(content).to_bytes(2, "big") + header[6:] + content
        self.assertEqual(Ethernet(b"abcdef").outward(frame(sent)), sent)


class ResolutionTests(EthernetTestCase):
    """The kernel asks for a neighbour's Ethernet address."""

    def ask(self, target: str = B, **header: Any) -> bytes:
        """Build the question as the kernel sends it (RFC 4861 section 7.2.2)."""
        return packet(A, solicited_node(target), ICMPv6ND_NS(tgt=target) / SOURCE(lladdr=STATION), **header)

    def test_answer(self) -> None:
        """It is told the one address, unsolicited: reachability is not proven (RFC 4861 sections 4.4, 7.2.5)."""
        answer = self.answer(self.ask())
        self.assertEqual((answer.src, answer.dst, answer.type), (NEIGHBORS, "33:33:00:00:00:01", 0x86DD))
        self.assertEqual((answer[IPv6].src, answer[IPv6].dst, answer[IPv6].hlim), (B, ALL_NODES, 255))
        told = answer[ICMPv6ND_NA]
        self.assertEqual((told.tgt, told.R, told.S, told.O), (B, 0, 0, 1))
        self.assertEqual(told[TARGET].lladdr, NEIGHBORS)

    def test_nobody(self) -> None:
        """A question for an address that is no neighbour's is not answered, and crosses the link without options."""
        self.ethernet.knows = lambda target: target == address(B)
        self.assertEqual(B, self.answer(self.ask())[ICMPv6ND_NA].tgt)
        stranger = "2001:db8:2::dead"
        self.assertEqual(solicitation(A, stranger), self.ethernet.outward(frame(self.ask(stranger))))

    def test_own_address(self) -> None:
        """A question for the asker's own address gets no answer, which would look like a conflict."""
        self.assertEqual(self.ethernet.outward(frame(self.ask(A))), solicitation(A, A))

    def test_probe_by_unicast(self) -> None:
        """True if a known neighbour is still there the link must say (RFC 4861 section 7.3.3)."""
        asked = packet(A, B, ICMPv6ND_NS(tgt=B) / SOURCE(lladdr=STATION))
        self.assertEqual(self.ethernet.outward(frame(asked)), solicitation(A, B, B))

    def test_router(self) -> None:
        """A neighbour that advertised itself as router is one in the answer too (RFC 4861 section 7.2.5)."""
        self.inward(router_advertisement(ROUTER))
        self.inward(packet(B, A, ICMPv6ND_NA(tgt=B, R=1)))
        for target, router in ((ROUTER, 1), (B, 1), ("fe80::b", 0)):
            self.assertEqual(self.answer(self.ask(target))[ICMPv6ND_NA].R, router, target)

    def test_router_no_more(self) -> None:
        """A neighbour that says it is no router is none."""
        self.inward(router_advertisement(ROUTER))
        self.inward(advertisement(ROUTER, ROUTER))
        self.inward(advertisement(B, B))
        self.assertEqual(self.answer(self.ask(ROUTER))[ICMPv6ND_NA].R, 0)

    def test_invalid_advertisement(self) -> None:
        """An invalid advertisement makes no router."""
        self.inward(packet(ROUTER, ALL_NODES, ICMPv6ND_RA(), hlim=254))
        self.assertEqual(self.answer(self.ask(ROUTER))[ICMPv6ND_NA].R, 0)

    def test_many_routers(self) -> None:
        """Only so many are remembered, those of whom there was news last."""
        routers = [f"fe80::1:{number:x}" for number in range(MAXIMUM_ROUTERS + 1)]
        for router in (*routers[:-1], routers[0], routers[-1]):
            self.inward(router_advertisement(router))
        forgotten = [router for router in routers if not self.answer(self.ask(router))[ICMPv6ND_NA].R]
        self.assertEqual(forgotten, [routers[1]])


class InwardTests(EthernetTestCase):
    """From the link to the kernel."""

    def test_unicast(self) -> None:
        """A packet comes from the neighbours' address, to the kernel's own."""
        received = self.ethernet.inward(udp(B, A))
        self.assertEqual(received, bytes(Ether(src=NEIGHBORS, dst=STATION, type=0x86DD)) + udp(B, A))

    def test_multicast(self) -> None:
        """One to a multicast address goes to that group's Ethernet address (RFC 2464 section 7)."""
        for destination, group in (("ff02::1:ff34:5678", "33:33:ff:34:56:78"), ("ff0e::fb", "33:33:00:00:00:fb")):
            received = self.inward(udp(B, destination))
            self.assertEqual((received.src, received.dst, received.type), (NEIGHBORS, group, 0x86DD))

    def test_other_station(self) -> None:
        """The kernel's address may change."""
        self.ethernet.station = bytes.fromhex(FOREIGN.replace(":", ""))
        self.assertEqual(self.inward(udp(B, A)).dst, FOREIGN)

    def test_options_of_ethernet(self) -> None:
        """To each message is added the address that the kernel needs in it (RFC 4861 section 4)."""
        for name, (source, destination, message, option) in BARE.items():
            received = self.inward(packet(source, destination, message))
            expected = packet(source, destination, message / option(lladdr=NEIGHBORS))
            self.assertEqual(bytes(received[IPv6]), expected, name)

    def test_foreign_options(self) -> None:
        """Link-layer addresses that the peer has put in are replaced: they are good for nothing here."""
        for name, (source, destination, message, option) in BARE.items():
            foreign = packet(source, destination, message / TARGET(lladdr=FOREIGN) / SOURCE(lladdr=FOREIGN) / NONCE)
            expected = packet(source, destination, message / option(lladdr=NEIGHBORS))
            self.assertEqual(bytes(self.inward(foreign)[IPv6]), expected, name)

    def test_unspecified_source(self) -> None:
        """A message from the unspecified address has no link-layer address option (RFC 4861 sections 4.1, 4.3)."""
        for bare in (probe(B), router_solicitation()):
            self.assertEqual(bytes(self.inward(bare)[IPv6]), bare)

    def test_invalid(self) -> None:
        """An invalid message passes as it is, for the kernel to discard."""
        for bare in (packet(A, B, ICMPv6ND_NS(tgt=B), hlim=64), packet(A, B, ICMPv6ND_NS(tgt="ff02::1"))):
            self.assertEqual(self.ethernet.inward(bare)[14:], bare)

    @given(st.binary(max_size=1240), st.sampled_from((ipv6.ICMPV6, ipv6.UDP, ipv6.HOP_BY_HOP)), st.booleans())
    def test_there_and_back(self, payload: bytes, next_header: int, multicast: bool) -> None:
        """Any packet without these options survives the way in and the way out."""
        destination = bytes.fromhex("ff02" + 28 * "0") if multicast else bytes(16)
        sent = ipv6.packet(bytes(15) + b"\x07", destination, next_header, payload)
        ethernet = Ethernet(bytes(6))
        self.assertEqual(ethernet.outward(ethernet.inward(sent)), sent)

    def test_messages_there_and_back(self) -> None:
        """And so does each message of Neighbor Discovery."""
        for name, (source, destination, message, _) in BARE.items():
            sent = packet(source, destination, message)
            self.assertEqual(self.ethernet.outward(self.ethernet.inward(sent)), sent, name)
