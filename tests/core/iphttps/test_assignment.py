"""Tests for iphttps.core.iphttps.assignment, and of what the link does by it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import DropReason
from iphttps.core.identity import Identity
from iphttps.core.ip.ndp import neighbor_advertisement
from iphttps.core.iphttps.assignment import Assignment
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.core.iphttps.policy import Verdict
from tests.support import (
    PRIVATE_HOST,
    PolicyTestCase,
    SmallLink,
    address,
    advertisement,
    probe,
    udp,
)

FIXED, OTHER, FREE = "2001:db8:2::f", "2001:db8:2::e", "2001:db8:2::d"
ALICE = Identity("CN=alice", ("alice@example.org",))
BOB = Identity("CN=bob", ("bob@example.org",))
ASSIGNMENT = Assignment({"CN=alice": [address(FIXED)], "bob@example.org": [address(OTHER)]})


class AssignmentTests(SynchronousTestCase):
    """The assignment of addresses to identities."""

    def assert_permitted(self, identity: Identity | None, *expected: str) -> None:
        """Check which of the addresses an identity may use."""
        there = (FIXED, OTHER, FREE, "fe80::d")
        permitted = [text for text in there if ASSIGNMENT.permits(identity, address(text))]
        self.assertEqual(list(expected), permitted)

    def test_owners(self) -> None:
        """An owner, by subject or by another name, has its addresses and link-local ones."""
        self.assert_permitted(ALICE, FIXED, "fe80::d")
        self.assert_permitted(BOB, OTHER, "fe80::d")
        self.assert_permitted(Identity("CN=alice", ("bob@example.org",)), FIXED, OTHER, "fe80::d")

    def test_others(self) -> None:
        """Everybody else has all but what is assigned."""
        self.assert_permitted(Identity("CN=carol"), FREE, "fe80::d")
        self.assert_permitted(Identity("", ("alice",)), FREE, "fe80::d")
        self.assert_permitted(None, FREE, "fe80::d")

    def test_nothing_assigned(self) -> None:
        """By default nothing is assigned."""
        self.assertTrue(Assignment().permits(ALICE, address(FIXED)))


class LinkTests(PolicyTestCase):
    """The forwarding of packets from assigned addresses; `a` is alice in mode Certificates."""

    def assigned(self, link: SmallLink, identity: Identity | None = None) -> SmallLink:
        """Assign the addresses, and let `a` be somebody."""
        link.cache.assign(ASSIGNMENT)
        link.a.identity = identity
        return link

    def test_owner(self) -> None:
        """The owner's packets from its address pass, and nobody else's do."""
        link = self.assigned(SmallLink(AuthenticationMode.CERTIFICATES), ALICE)
        self.assert_verdict(Verdict(host=True, lasting=True), link, udp(FIXED, PRIVATE_HOST))
        self.assert_verdict(DropReason.SOURCE_HELD, link, udp(OTHER, PRIVATE_HOST))
        self.assert_verdict(DropReason.SOURCE_HELD, link, udp(FREE, PRIVATE_HOST))
        self.assertEqual(link.a, link.holder(FIXED))

    def test_others(self) -> None:
        """Packets of others from an assigned address are dropped, whether or not its owner is there."""
        for link in self.both():
            self.assigned(link)
            self.assert_verdict(DropReason.SOURCE_HELD, link, udp(FIXED, PRIVATE_HOST))
            self.assert_verdict(DropReason.ND_TARGET_HELD, link, advertisement("2001:db8:2::b", FIXED), link.b)
            self.assertIsNone(link.holder(FIXED))

    def test_probe_of_an_absent_owners_address(self) -> None:
        """A prober is told that the address is in use, over its own connection only (3.2.5.2.2)."""
        for link in self.both():
            self.assigned(link)
            expected = Verdict(reply=neighbor_advertisement(address(FIXED), router=False))
            self.assert_verdict(expected, link, probe(FIXED))

    def test_probe_of_a_present_owners_address(self) -> None:
        """In mode Certificates its owner is asked, as for any address that somebody holds (3.2.5.2.2)."""
        link = self.assigned(SmallLink(AuthenticationMode.CERTIFICATES), ALICE)
        link.cache.bind(address(FIXED), link.a)
        self.assert_verdict(Verdict(clients=frozenset((link.a,))), link, probe(FIXED), link.b)

    def test_probes_of_an_owner(self) -> None:
        """An owner's probe for its own address is like any other; one for a free address finds it in use."""
        link = self.assigned(SmallLink(AuthenticationMode.CERTIFICATES), ALICE)
        self.assert_verdict(Verdict(others=True), link, probe(FIXED))
        expected = Verdict(reply=neighbor_advertisement(address(FREE), router=False))
        self.assert_verdict(expected, link, probe(FREE))

    def test_assigned_later(self) -> None:
        """A holder loses an address that is assigned to another client, and its proven headers."""
        link = SmallLink(AuthenticationMode.CERTIFICATES)
        link.b.proven.add(b"a header")
        link.cache.assign(Assignment({"CN=alice": [address("2001:db8:2::b")]}))
        self.assertEqual((None, set()), (link.holder("2001:db8:2::b"), link.b.proven))
        self.assertEqual(link.b, link.holder("fe80::b"))
        self.assertEqual(link.c, link.holder("2001:db8:2::c"))
