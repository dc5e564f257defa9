"""Tests for iphttps.core.ip.router_advertisement; scapy is the witness for every option."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6NDOptDNSSL,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPREF64,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptRouteInfo,
    IPv6,
)
from scapy.packet import Packet
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip.ndp import Kind, Message, recognise
from iphttps.core.ip.router_advertisement import PREF64_LENGTHS, RouterAdvertisement, encode_domain
from iphttps.core.iphttps.authentication import AuthenticationMode
from tests.support import ALL_NODES, PREFIX, ROUTER, address

A = "fe80::a"
BEHIND = IPv6Network("2001:db8:1::/48")


def head(router_lifetime: int = 0, hop_limit: int = 64) -> Packet:
    """Return the message without options."""
    return ICMPv6ND_RA(chlim=hop_limit, M=0, O=0, prf=0, routerlifetime=router_lifetime)


def prefix(on_link: int = 0, valid: int = 30 * 86400, preferred: int = 7 * 86400) -> Packet:
    """Return the Prefix Information option."""
    return ICMPv6NDOptPrefixInfo(
        prefix="2001:db8:2::", prefixlen=64, L=on_link, A=1, validlifetime=valid, preferredlifetime=preferred
    )


def route(start: str, bits: int, length: int, lifetime: int = 1800) -> Packet:
    """Return a Route Information option."""
    return ICMPv6NDOptRouteInfo(prefix=start, plen=bits, len=length, prf=0, rtlifetime=lifetime)


class RouterAdvertisementTests(SynchronousTestCase):
    """The content of Router Advertisements."""

    def assert_sent(self, expected: Packet, advertised: RouterAdvertisement, destination: str = ALL_NODES) -> None:
        """Assert that scapy would have written the same bytes."""
        witness = bytes(IPv6(src=ROUTER, dst=destination) / expected)
        self.assertEqual(witness, advertised.packet(address(ROUTER), address(destination)))

    def test_default(self) -> None:
        """The prefix is for autonomous configuration, and the default MTU is 1280 (RFC 4861 section 4.2, 3.2.3.1)."""
        expected = head() / prefix() / ICMPv6NDOptMTU(mtu=1280)
        self.assert_sent(expected, RouterAdvertisement(PREFIX))
        witness = bytes(IPv6(src=ROUTER, dst=ALL_NODES) / expected)
        self.assertEqual(witness, RouterAdvertisement(PREFIX).packet(address(ROUTER)))

    def test_values(self) -> None:
        """Every value of the message and of the prefix can be another (RFC 4861 section 6.2.1)."""
        advertised = RouterAdvertisement(
            PREFIX,
            on_link=True,
            valid_lifetime=600,
            preferred_lifetime=300,
            mtu=1400,
            router_lifetime=9000,
            hop_limit=32,
        )
        expected = head(9000, 32) / prefix(1, 600, 300) / ICMPv6NDOptMTU(mtu=1400)
        self.assert_sent(expected, advertised, A)

    def test_routes(self) -> None:
        """A route's option has a length of 1, 2 or 3 by how much of its prefix counts (RFC 4191 section 2.3)."""
        routes = ("::/0", "2001:db8:1::/48", "2001:db8:3:4::/64", "2001:db8:3:4:5::/80", "2001:db8::6/128")
        expected = head() / prefix() / ICMPv6NDOptMTU(mtu=1280)
        for text, length in zip(routes, (1, 2, 2, 3, 3), strict=True):
            start, _, bits = text.partition("/")
            expected /= route(start, int(bits), length, 900)
        advertised = RouterAdvertisement(PREFIX, routes=tuple(map(IPv6Network, routes)), lifetime=900)
        self.assert_sent(expected, advertised)

    def test_dns_servers(self) -> None:
        """The addresses of all DNS servers stand in one option, with their lifetime (RFC 8106 section 5.1)."""
        servers = ["2001:db8:1::53", "fe80::53", "2001:db8:1::35"]
        for count in (1, 2, 3):
            dns = ICMPv6NDOptRDNSS(dns=servers[:count], lifetime=1800)
            advertised = RouterAdvertisement(PREFIX, dns_servers=tuple(map(IPv6Address, servers[:count])))
            self.assert_sent(head() / prefix() / ICMPv6NDOptMTU(mtu=1280) / dns, advertised)

    def test_search_domains(self) -> None:
        """Search domains are written as DNS does, padded with zeros to units of 8 octets (RFC 8106 section 5.2)."""
        domains = ("corp.example", "example.org.", "a.b.c.example.net")
        for count in (1, 2, 3):
            names = [name.rstrip(".") for name in domains[:count]]
            search = ICMPv6NDOptDNSSL(searchlist=names, lifetime=1800)
            advertised = RouterAdvertisement(PREFIX, search_domains=domains[:count])
            self.assert_sent(head() / prefix() / ICMPv6NDOptMTU(mtu=1280) / search, advertised)

    def test_nat64(self) -> None:
        """PREF64 has the prefix's length as a code, its lifetime in units of 8 s rounded up (RFC 8781 section 4)."""
        lengths = {96: 0, 64: 1, 56: 2, 48: 3, 40: 4, 32: 5}
        self.assertEqual(lengths, PREF64_LENGTHS)
        for bits, code in lengths.items():
            for lifetime, scaled in ((1800, 225), (1801, 226), (1, 1), (0, 0), (65528, 8191), (65529, 8191)):
                option = ICMPv6NDOptPREF64(scaledlifetime=scaled, plc=code, prefix="2001:db8::")
                nat64 = IPv6Network(f"2001:db8::/{bits}")
                advertised = RouterAdvertisement(PREFIX, nat64=nat64, lifetime=lifetime)
                self.assert_sent(head() / prefix() / ICMPv6NDOptMTU(mtu=1280) / option, advertised)

    def test_well_known_nat64(self) -> None:
        """The well-known prefix of NAT64 is 64:ff9b::/96 (RFC 6052 section 2.1)."""
        option = ICMPv6NDOptPREF64(scaledlifetime=225, plc=0, prefix="64:ff9b::")
        advertised = RouterAdvertisement(PREFIX, nat64=IPv6Network("64:ff9b::/96"))
        self.assert_sent(head() / prefix() / ICMPv6NDOptMTU(mtu=1280) / option, advertised)

    def test_final_advertisement(self) -> None:
        """At the end router, routes, DNS and NAT64 have lifetime 0, addresses are deprecated (RFC 4861 6.2.5)."""
        advertised = RouterAdvertisement(
            PREFIX,
            router_lifetime=1800,
            routes=(BEHIND,),
            dns_servers=(IPv6Address("2001:db8:1::53"),),
            search_domains=("example.org",),
            nat64=IPv6Network("64:ff9b::/96"),
        )
        expected = head(router_lifetime=0) / prefix(preferred=0) / ICMPv6NDOptMTU(mtu=1280)
        expected /= route("2001:db8:1::", 48, 2, lifetime=0)
        expected /= ICMPv6NDOptRDNSS(dns=["2001:db8:1::53"], lifetime=0)
        expected /= ICMPv6NDOptDNSSL(searchlist=["example.org"], lifetime=0)
        expected /= ICMPv6NDOptPREF64(scaledlifetime=0, plc=0, prefix="64:ff9b::")
        self.assert_sent(expected, advertised.final())

    def test_valid(self) -> None:
        """A built advertisement passes the checks of a receiver (RFC 4861 section 6.1.2)."""
        advertised = RouterAdvertisement(
            PREFIX,
            routes=(BEHIND, IPv6Network("::/0")),
            dns_servers=(IPv6Address("2001:db8:1::53"),),
            search_domains=("example.org", "a.example"),
            nat64=IPv6Network("64:ff9b::/96"),
        )
        expected = Message(Kind.ROUTER_ADVERTISEMENT, address(ROUTER), address(ALL_NODES))
        for sent in (advertised, advertised.final()):
            self.assertEqual(expected, recognise(sent.packet(address(ROUTER))))


class PrefixTests(SynchronousTestCase):
    """The prefix is on-link or off-link, as the Authentication Mode requires."""

    def setUp(self) -> None:
        """Make an advertisement of one route."""
        self.advertised = RouterAdvertisement(PREFIX, routes=(BEHIND,), router_lifetime=1800)

    def test_certificates(self) -> None:
        """In mode Certificates clients reach each other: the prefix is on-link (3.2.5.2.2, RFC 4861 section 4.6.2)."""
        expected = replace(self.advertised, on_link=True)
        self.assertEqual(expected, self.advertised.with_prefix(on_link=AuthenticationMode.CERTIFICATES.on_link))

    def test_none(self) -> None:
        """In mode None clients are kept apart: the prefix is not on-link, the way is the server (3.2.5.2.2)."""
        expected = replace(self.advertised, on_link=False, routes=(PREFIX, BEHIND))
        self.assertEqual(expected, self.advertised.with_prefix(on_link=AuthenticationMode.NONE.on_link))

    def test_changes(self) -> None:
        """However often the mode changes, the advertisement is that of the last mode (3.2.7.1)."""
        for first in AuthenticationMode:
            for last in AuthenticationMode:
                changed = self.advertised.with_prefix(on_link=first.on_link).with_prefix(on_link=last.on_link)
                self.assertEqual(self.advertised.with_prefix(on_link=last.on_link), changed)


class EncodeDomainTests(SynchronousTestCase):
    """Domain names as DNS writes them."""

    def test_encoded(self) -> None:
        """Labels have their length before them, an empty one ends the name (RFC 1035 section 3.1)."""
        expected = b"\x04corp\x07example\x00"
        self.assertEqual([expected] * 2, [encode_domain(name) for name in ("corp.example", "corp.example.")])

    def test_international(self) -> None:
        """Other than ASCII labels are written in their ASCII form, whatever dot parts them (RFC 3490 section 3.1)."""
        expected = b"\x0dxn--bcher-kva\x07example\x00"
        names = ("b\u00fccher.example", "b\u00fccher\u3002example")
        self.assertEqual([expected] * 2, [encode_domain(name) for name in names])

    def test_longest(self) -> None:
        """A label has at most 63 octets, a name at most 255 (RFC 1035 section 2.3.4)."""
        longest = ".".join(["x" * 63, "y" * 63, "z" * 63, "w" * 61])
        self.assertEqual(255, len(encode_domain(longest)))
        for name in (longest + "w", "x" * 64, "x" * 64 + ".example"):
            self.assertRaises(ValueError, encode_domain, name)

    def test_no_name(self) -> None:
        """A name has no empty labels but its last (RFC 1035 section 3.1)."""
        for name in ("", ".", ".example", "corp..example"):
            self.assertRaises(ValueError, encode_domain, name)
