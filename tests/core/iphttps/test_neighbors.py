"""Tests for iphttps.core.iphttps.neighbors: who holds which address; its states are in test_neighbors_states."""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.identity import Identity
from iphttps.core.iphttps.clients import ClientEntry
from iphttps.core.iphttps.neighbors import CLAIM_LIFETIME, NeighborCache
from tests.support import client, holders

X, Y, Z = (bytes(15) + bytes((last,)) for last in range(1, 4))
LAPTOP = Identity("CN=laptop", ("laptop.example",))


class NeighborCacheTests(SynchronousTestCase):
    """The holders of addresses (3.2.5.2.2)."""

    def setUp(self) -> None:
        """Make a cache for three clients, three addresses each."""
        self.cache = NeighborCache(limit=3)
        self.a, self.b, self.c = map(client, (1, 2, 3))

    def holders(self) -> dict[bytes, ClientEntry]:
        """Return who holds which address."""
        return holders(self.cache, self.a, self.b, self.c)

    def test_first_come(self) -> None:
        """The first client to use an address holds it, and no other gets it (RFC 6620 section 3.2)."""
        bound = [self.cache.bind(X, self.a), self.cache.bind(X, self.b), self.cache.bind(X, self.a)]
        self.assertEqual([True, False, True], bound)
        self.assertEqual({X: self.a}, self.holders())
        self.assertEqual([(X,), ()], [self.cache.addresses(self.a), self.cache.addresses(self.b)])

    def test_limit(self) -> None:
        """A client over its limit loses its oldest address and what was proven; nobody else loses anything."""
        self.cache.bind(X, self.b)
        self.a.proven.add(b"a header")
        self.b.proven.add(b"a header")
        addresses = [bytes(15) + bytes((last,)) for last in range(10, 14)]
        for address in addresses[:3]:
            self.cache.bind(address, self.a)
        self.assertEqual({b"a header"}, self.a.proven)
        self.assertTrue(self.cache.bind(addresses[3], self.a))
        self.assertEqual(tuple(addresses[1:]), self.cache.addresses(self.a))
        self.assertEqual((set(), {b"a header"}), (self.a.proven, self.b.proven))
        self.assertEqual({X, *addresses[1:]}, set(self.holders()))
        self.assertTrue(self.cache.bind(addresses[0], self.b))

    def test_release(self) -> None:
        """When a connection terminates the server tears down the state for that client (3.2.5.3)."""
        for address, holder in ((X, self.a), (Y, self.b), (Z, self.a)):
            self.cache.bind(address, holder)
        self.cache.release(self.a)
        self.assertEqual({Y: self.b}, self.holders())
        self.assertEqual((), self.cache.addresses(self.a))
        self.assertTrue(self.cache.bind(X, self.b))

    def test_nothing_remains(self) -> None:
        """A server that runs for months keeps nothing of the clients that have gone (3.2.5.3)."""
        self.cache.bind(Y, self.b)
        before = sys.getrefcount(self.a)
        self.cache.bind(X, self.a)
        self.cache.use(X, 100.0)
        self.cache.claim(Y, self.a, 100.0)
        self.assertGreater(sys.getrefcount(self.a), before)
        self.cache.release(self.a)
        self.assertEqual(before, sys.getrefcount(self.a))

    def test_release_of_a_stranger(self) -> None:
        """A client may go before it ever held an address (3.2.5.3)."""
        self.cache.bind(X, self.a)
        self.cache.release(self.b)
        self.assertEqual({X: self.a}, self.holders())

    def test_concerned(self) -> None:
        """The clients with an entry for an address are its holder, and for a while who probed for it (3.2.5.2.2)."""
        self.assertEqual(frozenset(), self.cache.clients_with_entry(X, 0.0))
        self.cache.bind(X, self.a)
        self.assertEqual({self.a}, self.cache.clients_with_entry(X, 0.0))
        self.cache.claim(X, self.b, 100.0)
        self.assertEqual({self.a, self.b}, self.cache.clients_with_entry(X, 100.0))
        self.assertEqual({self.a, self.b}, self.cache.clients_with_entry(X, 100.0 + CLAIM_LIFETIME - 0.1))
        self.assertEqual({self.a}, self.cache.clients_with_entry(X, 100.0 + CLAIM_LIFETIME))
        self.assertEqual(frozenset(), self.cache.clients_with_entry(Y, 100.0))

    def test_claim_does_not_bind(self) -> None:
        """A prober does not get an address in use (RFC 4862 section 5.4)."""
        self.cache.bind(X, self.a)
        self.cache.claim(X, self.b, 100.0)
        self.assertEqual({X: self.a}, self.holders())

    def test_claimant_leaves(self) -> None:
        """The state of a client that leaves includes its claims (3.2.5.3)."""
        self.cache.bind(X, self.a)
        self.cache.bind(Y, self.a)
        self.cache.claim(X, self.b, 100.0)
        self.cache.claim(Y, self.c, 100.0)
        self.cache.release(self.b)
        self.assertEqual({self.a}, self.cache.clients_with_entry(X, 100.0))
        self.assertEqual({self.a, self.c}, self.cache.clients_with_entry(Y, 100.0))

    def test_holder_leaves(self) -> None:
        """A claim to an address ends with its holder's connection (3.2.5.3)."""
        self.cache.bind(X, self.a)
        self.cache.claim(X, self.b, 100.0)
        self.cache.release(self.a)
        self.cache.bind(X, self.c)
        self.assertEqual({self.c}, self.cache.clients_with_entry(X, 100.0))

    def test_holder_loses(self) -> None:
        """A claim to an address ends when its holder loses it over the limit, so claims are bounded too."""
        self.cache.bind(X, self.a)
        self.cache.claim(X, self.b, 100.0)
        for last in range(10, 13):
            self.cache.bind(bytes(15) + bytes((last,)), self.a)
        self.cache.bind(X, self.c)
        self.assertEqual({self.c}, self.cache.clients_with_entry(X, 100.0))

    def test_claims_are_bounded(self) -> None:
        """There is one claim to an address, its last prober's, however many probe for it (3.2.5.2.2)."""
        self.cache.bind(X, self.a)
        self.cache.claim(X, self.b, 100.0)
        self.cache.claim(X, self.c, 101.0)
        self.assertEqual({self.a, self.c}, self.cache.clients_with_entry(X, 101.0))

    def test_holder(self) -> None:
        """The cache says who holds an address, or that nobody does (3.2.5.2.2)."""
        self.cache.bind(X, self.a)
        self.assertEqual([self.a, None], [self.cache.holder(X), self.cache.holder(Y)])

    def test_limit_of_one(self) -> None:
        """A client that may have one address has the latest (RFC 6620 section 3.2)."""
        cache = NeighborCache(limit=1)
        for address in (X, Y):
            cache.bind(address, self.a)
        self.assertEqual([(Y,), None], [cache.addresses(self.a), cache.holder(X)])


class TakeoverTests(SynchronousTestCase):
    """A client that comes back while its earlier connection is still there (RFC 6620 section 3.2.3)."""

    def setUp(self) -> None:
        """Make a cache, and a client that holds an address."""
        self.cache = NeighborCache(limit=3)
        self.old = client(1, LAPTOP)
        self.cache.bind(X, self.old)

    def test_same_identity(self) -> None:
        """A new connection with the same certificate gets the address at once, and the old one loses it."""
        back = client(2, Identity("CN=laptop", ("laptop.example",)))
        self.old.proven.add(b"a header")
        self.assertTrue(self.cache.bind(X, back))
        self.assertEqual({X: back}, holders(self.cache, self.old, back))
        self.assertEqual(set(), self.old.proven)

    def test_others(self) -> None:
        """Nobody else gets it, neither by another certificate nor by none (RFC 6620 section 3.2)."""
        strangers = (Identity("CN=desktop"), Identity("CN=laptop"), Identity("CN=laptop", ("other.example",)), None)
        for identity in strangers:
            stranger = client(2, identity)
            self.assertFalse(self.cache.bind(X, stranger), identity)
            self.assertEqual({X: self.old}, holders(self.cache, self.old, stranger))

    def test_nobody_is_not_nobody(self) -> None:
        """Two clients without certificates are not the same one, alike as they are (3.2.1)."""
        first, second = client(2), client(3)
        self.cache.bind(Y, first)
        self.assertFalse(self.cache.bind(Y, second))
        self.assertEqual({Y: first}, holders(self.cache, first, second))

    def test_other_addresses_stay(self) -> None:
        """The old connection keeps its other addresses: two devices may share a certificate (RFC 6620)."""
        back = client(2, LAPTOP)
        self.cache.bind(Y, self.old)
        self.cache.bind(X, back)
        self.assertEqual({X: back, Y: self.old}, holders(self.cache, self.old, back))

    def test_claims_end(self) -> None:
        """A claim against the old connection is void against the new one (3.2.5.2.2)."""
        stranger, back = client(2), client(3, LAPTOP)
        self.cache.claim(X, stranger, 100.0)
        self.cache.bind(X, back)
        self.assertEqual({back}, self.cache.clients_with_entry(X, 100.0))

    def test_probing_ends(self) -> None:
        """Unanswered solicitations of the old connection do not count for the new one (RFC 4861 section 7.3.3)."""
        back = client(2, LAPTOP)
        self.cache.claim(X, client(3), 100.0)
        self.assertEqual([(X, self.old)], list(self.cache.solicitations(100.0)))
        self.cache.bind(X, back)
        for now in range(101, 110):
            self.assertEqual([], list(self.cache.solicitations(float(now))))
        self.assertIs(back, self.cache.holder(X))

    def test_end_of_the_old_connection(self) -> None:
        """When the old connection ends at last, the address stays with the new one (3.2.5.3)."""
        back = client(2, LAPTOP)
        self.cache.bind(X, back)
        self.cache.release(self.old)
        self.assertEqual({X: back}, holders(self.cache, self.old, back))
