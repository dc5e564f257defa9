"""Tests for iphttps.core.ip.rdnss; the options are scapy's."""

from __future__ import annotations

from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import ICMPv6NDOptDNSSL, ICMPv6NDOptPrefixInfo, ICMPv6NDOptRDNSS
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip.rdnss import MAXIMUM_ENTRIES, NO_NAMES, Names, Resolvers

ONE, OTHER = "2001:db8:1::53", "2001:db8:1::54"


def servers(*addresses: str, lifetime: int = 600) -> bytes:
    """Build a Recursive DNS Server option."""
    return bytes(ICMPv6NDOptRDNSS(dns=list(addresses), lifetime=lifetime))


def domains(*names: str, lifetime: int = 600) -> bytes:
    """Build a DNS Search List option."""
    return bytes(ICMPv6NDOptDNSSL(searchlist=list(names), lifetime=lifetime))


def names(addresses: tuple[str, ...] = (), found: tuple[str, ...] = ()) -> Names:
    """Make what should hold."""
    return Names(tuple(map(IPv6Address, addresses)), found)


class ResolversTests(SynchronousTestCase):
    """The stored DNS settings of routers (RFC 8106)."""

    def setUp(self) -> None:
        """Nothing is known yet."""
        self.resolvers = Resolvers()

    def heard(self, *options: bytes, now: float = 0.0) -> Names:
        """Return what holds after these options."""
        for option in options:
            self.resolvers.heard(option, now)
        return self.resolvers.current(now)

    def test_nothing(self) -> None:
        """At first there is nothing, and nothing is false."""
        self.assertEqual(self.resolvers.current(0), NO_NAMES)
        self.assertFalse(NO_NAMES)
        self.assertIsNone(self.resolvers.next_expiry(0))

    def test_both(self) -> None:
        """Servers and domains hold in the order in which they were announced (5.1, 5.2)."""
        found = self.heard(servers(OTHER, ONE), domains("example.org", "Corp.example"))
        self.assertEqual(found, names((OTHER, ONE), ("example.org", "corp.example")))
        self.assertTrue(found)
        self.assertTrue(names(found=("example.org",)))

    def test_lifetime(self) -> None:
        """Each entry that is not announced again expires with its own lifetime."""
        self.heard(servers(ONE, lifetime=600), domains("example.org", lifetime=300))
        self.assertEqual(self.resolvers.next_expiry(0), 300)
        self.assertEqual(self.resolvers.current(300), names((ONE,)))
        self.assertEqual(self.resolvers.next_expiry(300), 600)
        self.assertEqual(self.resolvers.current(600), NO_NAMES)
        self.assertIsNone(self.resolvers.next_expiry(600))

    def test_again(self) -> None:
        """Announced again, a server holds for the new lifetime, longer or shorter, and keeps its place."""
        self.heard(servers(ONE, OTHER, lifetime=600))
        self.heard(servers(OTHER, ONE, lifetime=100), now=50)
        self.assertEqual(self.resolvers.current(149), names((ONE, OTHER)))
        self.assertEqual(self.resolvers.current(150), NO_NAMES)

    def test_for_ever(self) -> None:
        """A lifetime of all one bits is infinity (5.1)."""
        self.heard(servers(ONE, lifetime=0xFFFFFFFF))
        self.assertEqual(self.resolvers.current(1e12), names((ONE,)))
        self.assertIsNone(self.resolvers.next_expiry(0))

    def test_withdrawn(self) -> None:
        """A lifetime of zero withdraws (5.1, 5.2); for what was not announced it means nothing."""
        self.heard(servers(ONE, OTHER), domains("example.org"))
        found = self.heard(servers(ONE, lifetime=0), domains("example.org", "b.example", lifetime=0))
        self.assertEqual(found, names((OTHER,)))

    def test_bounded(self) -> None:
        """Beyond so many nothing is kept, until something expires."""
        many = [f"2001:db8::{number:x}" for number in range(1, MAXIMUM_ENTRIES + 3)]
        found = self.heard(*(servers(server, lifetime=100) for server in many))
        self.assertEqual(found, names(tuple(many[:MAXIMUM_ENTRIES])))
        self.assertEqual(self.heard(servers(many[-1]), now=100), names((many[-1],)))

    def test_no_servers(self) -> None:
        """An address at which no server can be reached is passed over."""
        odd = ("ff02::1", "::", "::1", "::ffff:192.0.2.1")
        self.assertEqual(self.heard(servers(odd[0], odd[1], ONE, odd[2], odd[3])), names((ONE,)))

    def test_link_local_server(self) -> None:
        """A server on the link itself is one."""
        self.assertEqual(self.heard(servers("fe80::1")), names(("fe80::1",)))

    def test_no_domains(self) -> None:
        """Search domains with unusual characters are ignored."""
        for odd in (b"-f", b"a b", b"a;b", b"a\nb", b"$(a)", b"a\0b", b"\xc3\xa9", b"a-", b"~", b"a/b", b"*"):
            body = bytes((len(odd),)) + odd + b"\0" + b"\1c\0"
            body += bytes(-len(body) % 8)
            option = bytes((31, 1 + len(body) // 8)) + bytes(2) + (600).to_bytes(4, "big") + body
            self.assertEqual(self.heard(option).domains, ("c",), odd)
            self.resolvers.clear()

    def test_long_name(self) -> None:
        """A name is not longer than DNS allows; a pointer is none (RFC 8106 section 5.2)."""
        label = b"\x3f" + b"a" * 63
        for odd in (label * 4 + b"\0", b"\xc0\x0c", b"\1a\xc0\0", b"\1a", b"\7abc"):
            body = odd + bytes(-len(odd) % 8) if odd[0] == 0x3F else odd.ljust(8, b"\xff")
            option = bytes((31, 1 + len(body) // 8)) + bytes(2) + (600).to_bytes(4, "big") + body
            self.assertEqual(self.heard(option), NO_NAMES, odd)

    def test_malformed(self) -> None:
        """An option whose length is wrong, and any other option, says nothing."""
        good = servers(ONE)
        odd = bytes((25, 4)) + good[2:] + bytes(8)  # half an address too much
        for option in (b"", good[:7], good[:-1], good + bytes(8), odd, bytes(ICMPv6NDOptPrefixInfo())):
            self.assertEqual(self.heard(option), NO_NAMES, option)

    @given(st.sampled_from((25, 31)), st.binary(max_size=64))
    def test_anything(self, kind: int, body: bytes) -> None:
        """Parsing any option terminates, and gives valid names or none."""
        body += bytes(-len(body) % 8)
        resolvers = Resolvers()
        resolvers.heard(bytes((kind, 1 + len(body) // 8, 0, 0, 0, 0, 1, 0)) + body, 0)
        for domain in resolvers.current(0).domains:
            self.assertRegex(domain, r"^[0-9a-z_][0-9a-z_.-]*$")

    def test_clear(self) -> None:
        """With the link everything is forgotten."""
        self.heard(servers(ONE), domains("example.org"))
        self.resolvers.clear()
        self.assertEqual(self.resolvers.current(0), NO_NAMES)
