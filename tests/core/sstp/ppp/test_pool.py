"""Tests for iphttps.core.sstp.ppp.pool."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.core.sstp.ppp.pool import AddressFault, AddressPool

NETWORK = IPv4Network("192.0.2.0/29")
A, B, C, D, E = (IPv4Address(f"192.0.2.{number}") for number in range(2, 7))
ELSEWHERE = IPv4Address("198.51.100.7")


class PoolTests(SynchronousTestCase):
    """The assignment of addresses."""

    def setUp(self) -> None:
        """Have a pool of five addresses."""
        self.pool = AddressPool(NETWORK)

    def test_server(self) -> None:
        """The server takes the first address; network and broadcast address are no one's."""
        self.assertEqual(IPv4Address("192.0.2.1"), self.pool.server)
        self.assertEqual([A, B, C, D, E], [self.pool.take(f"user {number}") for number in range(5)])
        self.assertEqual(5, len(self.pool))

    def test_fixed_late(self) -> None:
        """An address that a database of users gives at the login is taken as a fixed one, if it is a client's."""
        self.assertEqual(C, self.pool.take("alice", C))
        self.assertEqual(AddressFault.FIXED_IN_USE, self.pool.take("bob", C))
        self.assertEqual(ELSEWHERE, self.pool.take("bob", ELSEWHERE))
        for address in (self.pool.server, NETWORK.network_address, NETWORK.broadcast_address):
            self.assertEqual(AddressFault.NOT_A_CLIENTS, self.pool.take("carol", address))

    def test_outside(self) -> None:
        """Addresses outside the network, which need routes, are told of while they are held; some are no host's."""
        self.pool.take("bob", ELSEWHERE)
        self.pool.take("carol")
        self.assertEqual((ELSEWHERE,), self.pool.outside)
        self.pool.free(ELSEWHERE)
        self.assertEqual((), self.pool.outside)
        for text in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.5", "255.255.255.255"):
            self.assertEqual(AddressFault.NOT_A_CLIENTS, self.pool.take("bob", IPv4Address(text)))
            self.assertRaises(ConfigError, self.pool.reserve, {"bob": IPv4Address(text)})

    def test_exhausted(self) -> None:
        """When all addresses are held the next one gets the reason; a freed one makes room."""
        for number in range(5):
            self.pool.take(f"user {number}")
        self.assertEqual(AddressFault.EXHAUSTED, self.pool.take("alice"))
        self.pool.free(C)
        self.assertEqual(C, self.pool.take("alice"))
        self.assertEqual(AddressFault.EXHAUSTED, self.pool.take("bob"))

    def test_sticky(self) -> None:
        """A user gets the address that he had, as long as nobody else has had it since."""
        self.assertEqual([A, B], [self.pool.take("alice"), self.pool.take("bob")])
        self.pool.free(A)
        self.pool.free(B)
        self.assertEqual([C, B, A], [self.pool.take("carol"), self.pool.take("bob"), self.pool.take("alice")])

    def test_two_sessions(self) -> None:
        """A second session of a user gets an address of its own; the one freed last is what he gets next."""
        self.assertEqual([A, B], [self.pool.take("alice"), self.pool.take("alice")])
        self.pool.free(B)
        self.pool.free(A)
        self.assertEqual([A, C], [self.pool.take("alice"), self.pool.take("alice")])

    def test_freed_first(self) -> None:
        """Newcomers get what nobody has had yet, then what was freed first: an old user keeps his the longest."""
        for user in ("a", "b", "c"):
            self.pool.take(user)
        for address in (B, A, C):
            self.pool.free(address)
        newcomers = [self.pool.take(f"user {number}") for number in range(4)]
        self.assertEqual([D, E, B, A], newcomers)
        self.assertEqual(C, self.pool.take("c"))
        self.pool.free(A)
        self.assertEqual(A, self.pool.take("a"))

    def test_not_held(self) -> None:
        """To free what is not held is a bug of the caller."""
        self.assertRaises(KeyError, self.pool.free, A)

    def test_large(self) -> None:
        """A pool of sixteen million addresses costs no more than what is used of it."""
        pool = AddressPool(IPv4Network("10.0.0.0/8"))
        self.assertEqual(IPv4Address("10.0.0.2"), pool.take("alice"))

    def test_too_small(self) -> None:
        """A network without room for the server and a client is the operator's mistake."""
        self.assertEqual(IPv4Address("192.0.2.2"), AddressPool(IPv4Network("192.0.2.0/30")).take("alice"))
        for prefix in ("192.0.2.0/31", "192.0.2.0/32"):
            self.assertRaises(ConfigError, AddressPool, IPv4Network(prefix))


class FixedTests(SynchronousTestCase):
    """Fixed addresses of users."""

    def test_reserved(self) -> None:
        """A fixed address is its user's, connected or not, and he gets no other."""
        pool = AddressPool(NETWORK, {"alice": B, "bob": ELSEWHERE})
        self.assertEqual((B, None), (pool.fixed("alice"), pool.fixed("carol")))
        self.assertEqual([A, C, D, E], [pool.take(f"user {number}") for number in range(4)])
        self.assertEqual(AddressFault.EXHAUSTED, pool.take("carol"))
        self.assertEqual([B, ELSEWHERE], [pool.take("alice"), pool.take("bob")])
        self.assertEqual(AddressFault.FIXED_IN_USE, pool.take("alice"))
        pool.free(ELSEWHERE)
        pool.free(B)
        self.assertEqual(AddressFault.EXHAUSTED, pool.take("carol"))
        self.assertEqual([B, ELSEWHERE], [pool.take("alice"), pool.take("bob")])

    def test_changed(self) -> None:
        """A change applies to new sessions: who holds what is now another's keeps it until the end."""
        pool = AddressPool(NETWORK)
        self.assertEqual([A, B], [pool.take("alice"), pool.take("bob")])
        pool.free(B)
        pool.reserve({"carol": A, "dave": B})
        self.assertEqual(AddressFault.FIXED_IN_USE, pool.take("carol"))
        self.assertEqual([C, B], [pool.take("bob"), pool.take("dave")])
        pool.free(A)
        self.assertEqual([A, D], [pool.take("carol"), pool.take("alice")])

    def test_fixed_no_more(self) -> None:
        """An address that is fixed no more is anybody's."""
        pool = AddressPool(NETWORK, {"alice": B, "bob": E})
        pool.take("bob")
        self.assertEqual([A, C, D], [pool.take(f"user {number}") for number in range(3)])
        self.assertEqual(AddressFault.EXHAUSTED, pool.take("carol"))
        pool.reserve({})
        self.assertEqual([B, AddressFault.EXHAUSTED], [pool.take("carol"), pool.take("dave")])
        pool.free(E)
        self.assertEqual(E, pool.take("dave"))

    def test_outside_the_network(self) -> None:
        """An address outside the network is nobody's once it is fixed no more."""
        pool = AddressPool(NETWORK, {"alice": ELSEWHERE})
        pool.take("alice")
        pool.free(ELSEWHERE)
        pool.reserve({})
        taken = [pool.take(user) for user in ("alice", "b", "c", "d", "e", "f")]
        self.assertEqual([A, B, C, D, E, AddressFault.EXHAUSTED], taken)

    def test_ahead_of_its_turn(self) -> None:
        """A fixed address that was used and freed before its turn came is given to a newcomer once."""
        pool = AddressPool(NETWORK, {"alice": C})
        pool.free(C if pool.take("alice") == C else A)
        pool.reserve({})
        taken = [pool.take(f"user {number}") for number in range(6)]
        self.assertEqual([A, B, D, E, C, AddressFault.EXHAUSTED], taken)

    def test_wrong(self) -> None:
        """A fixed address must be a client's, and one client's only; what was valid before stays so."""
        for address in ("192.0.2.0", "192.0.2.1", "192.0.2.7"):
            self.assertRaises(ConfigError, AddressPool, NETWORK, {"alice": IPv4Address(address)})
        pool = AddressPool(NETWORK, {"alice": B})
        error = self.assertRaises(ConfigError, pool.reserve, {"bob": A, "carol": A})
        self.assertEqual("192.0.2.2 is fixed for bob and for carol: give one of them another", str(error))
        self.assertEqual(B, pool.take("alice"))


class PropertyTests(SynchronousTestCase):
    """The invariants of the pool."""

    @given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans())), st.booleans())
    def test_any_order(self, script: list[tuple[str, bool]], fixed: bool) -> None:
        """No address is held twice, none of another's fixed ones is given, and none is rejected while one is free."""
        pool = AddressPool(NETWORK, {"a": C} if fixed else {})
        usable = {A, B, C, D, E} - ({C} if fixed else set())
        held: dict[IPv4Address, str] = {}
        had: dict[str, IPv4Address] = {}
        for user, joins in script:
            mine = [address for address, holder in held.items() if holder == user]
            if not joins:
                if mine:
                    pool.free(mine[0])
                    del held[mine[0]]
                    had[user] = mine[0]
                continue
            found = pool.take(user)
            if isinstance(found, AddressFault):
                self.assertTrue(C in held if fixed and user == "a" else usable <= set(held))
                continue
            self.assertNotIn(found, held)
            self.assertTrue(found == C if fixed and user == "a" else found in usable)
            if user in had:
                self.assertEqual(had.pop(user), found)
            held[found] = user
            had = {other: address for other, address in had.items() if address != found}
        self.assertEqual(len(held), len(pool))
