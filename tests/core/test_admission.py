"""Tests for iphttps.core.admission."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.admission import HandshakeLimiter

ONE, OTHER = ip_address("192.0.2.1"), ip_address("198.51.100.1")


class HandshakeLimiterTests(SynchronousTestCase):
    """The maximum number of connections in the handshake phase."""

    def fill(
        self, limiter: HandshakeLimiter[str], *addresses: IPv4Address | IPv6Address | None, heard: bool = False
    ) -> list[str | None]:
        """Take a connection in from each address, named by its number and the address; return whom each displaces."""
        displaced = []
        for number, address in enumerate(addresses):
            name = f"{number} {address}"
            displaced.append(limiter.add(name, address))
            if heard:
                limiter.heard(name)
        return displaced

    def test_per_source(self) -> None:
        """One source has room for so many that speak; another's is its own; each that leaves makes room again."""
        limiter: HandshakeLimiter[str] = HandshakeLimiter(maximum=10, per_source=2)
        for connection in ("a", "b"):
            self.assertTrue(limiter.allows(ONE))
            self.assertIsNone(limiter.add(connection, ONE))
            limiter.heard(connection)
        self.assertEqual((False, True), (limiter.allows(ONE), limiter.allows(OTHER)))
        limiter.remove("a")
        self.assertTrue(limiter.allows(ONE))
        limiter.remove("a")
        self.assertEqual(1, len(limiter))

    def test_silent(self) -> None:
        """In a source that is full, one that has sent nothing makes room."""
        limiter: HandshakeLimiter[str] = HandshakeLimiter(maximum=10, per_source=3)
        for connection in "abc":
            limiter.add(connection, ONE)
        limiter.heard("a")
        self.assertTrue(limiter.allows(ONE))
        self.assertEqual("b", limiter.add("d", ONE))
        self.assertEqual(["a", "c", "d"], list(limiter))

    def test_maximum(self) -> None:
        """When there is no room at all, and no prefix has more than others, the longest waiting goes for the next."""
        limiter: HandshakeLimiter[str] = HandshakeLimiter(maximum=2, per_source=10)
        addresses = [ip_address(f"{number}.0.2.1") for number in range(1, 5)]
        gone = self.fill(limiter, *addresses)
        self.assertEqual([None, None, "0 1.0.2.1", "1 2.0.2.1"], gone)
        limiter.remove("2 3.0.2.1")
        self.assertIsNone(limiter.add("e", ONE))

    def test_flood(self) -> None:
        """A flood from a prefix displaces only its own connections, whether they send data or not."""
        for form in ("2001:db8::{:x}", "2001:db8:0:{:x}::1", "2001:db8:{:x}::1", "192.0.2.{}", "192.0.{}.1"):
            for heard in (False, True):
                limiter: HandshakeLimiter[str] = HandshakeLimiter(maximum=100, per_source=10)
                clients = ["203.0.113.1", "2001:db9::1", "2a00::1"]
                for client in clients:
                    limiter.add(client, ip_address(client))
                flood = [ip_address(form.format(number % 256)) for number in range(500)]
                gone = {name for name in self.fill(limiter, *flood, heard=heard) if name}
                self.assertTrue(gone.isdisjoint(clients), form)
                self.assertEqual(clients, list(limiter)[:3])

    def test_neighbour_of_a_flood(self) -> None:
        """A client whose /48 or /56 is flooded keeps its place: the fullest /64 gives way, and first the silent."""
        for flooded in ("2001:db8:0:1::1", "2001:db8:0:100::1"):
            limiter: HandshakeLimiter[str] = HandshakeLimiter(maximum=100, per_source=10)
            limiter.add("client", ip_address("2001:db8::1"))
            limiter.heard("client")
            for number in range(100):
                limiter.add(str(number), ip_address(flooded) + (number % 9) * (1 << 64))
            self.assertIn("client", list(limiter))

    def test_other_bounds(self) -> None:
        """New bounds hold for those who come from then on; who is inside stays."""
        limiter: HandshakeLimiter[str] = HandshakeLimiter(maximum=10, per_source=10)
        for connection in "abc":
            limiter.add(connection, ONE)
            limiter.heard(connection)
        limiter.limit(3, 1)
        self.assertEqual(3, len(limiter))
        self.assertFalse(limiter.allows(ONE))
        self.assertEqual("a", limiter.add("d", OTHER))

    def test_without_address(self) -> None:
        """Connections from a front count in the total only."""
        limiter: HandshakeLimiter[str] = HandshakeLimiter(maximum=3, per_source=1)
        for connection in "abc":
            self.assertTrue(limiter.allows(None))
            self.assertIsNone(limiter.add(connection, None))
        self.assertEqual("a", limiter.add("d", None))
        limiter.remove("d")
        self.assertEqual(2, len(limiter))

    def test_forgotten(self) -> None:
        """Of a source that has nobody inside nothing is kept: there are more sources than memory."""
        limiter: HandshakeLimiter[int] = HandshakeLimiter(maximum=2)
        for number in range(10):
            limiter.add(number, ONE + number)
        for number in range(10):
            limiter.remove(number)
        self.assertEqual(([{}] * 4, set()), ([*limiter._groups], limiter._silent))

    @given(st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.sampled_from([None, ONE, OTHER]))))
    def test_nothing_is_left(self, events: list[tuple[int, bool, IPv4Address | IPv6Address | None]]) -> None:
        """However connections come and go, those that are there count and no others."""
        limiter: HandshakeLimiter[int] = HandshakeLimiter(maximum=5, per_source=2)
        inside: dict[int, IPv4Address | IPv6Address | None] = {}
        for connection, comes, where in events:
            if not comes or connection in inside:
                limiter.remove(connection)
                inside.pop(connection, None)
            elif limiter.allows(where):
                gone = limiter.add(connection, where)
                limiter.heard(connection)
                if gone is not None:
                    del inside[gone]
                inside[connection] = where
            self.assertEqual(list(inside), list(limiter))
            self.assertEqual(len(inside), len(limiter))
            for address in (ONE, OTHER):
                self.assertEqual(list(inside.values()).count(address) < 2, limiter.allows(address))
