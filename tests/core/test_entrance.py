"""Tests for iphttps.core.entrance."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.entrance import Entrance, source


class EntranceTests(SynchronousTestCase):
    """How many connections may be in the handshake phase."""

    def test_per_source(self) -> None:
        """One source has room for so many; another's is its own, and each that leaves makes room again."""
        entrance: Entrance[str] = Entrance(maximum=10, per_source=2)
        for connection in ("a", "b"):
            self.assertTrue(entrance.has_room("x"))
            self.assertIsNone(entrance.enter(connection, "x"))
        self.assertEqual((False, True), (entrance.has_room("x"), entrance.has_room("y")))
        entrance.leave("a")
        self.assertTrue(entrance.has_room("x"))
        entrance.leave("a")
        self.assertEqual(1, len(entrance))

    def test_maximum(self) -> None:
        """When there is no room at all, the one that has waited longest goes for the next."""
        entrance: Entrance[str] = Entrance(maximum=2, per_source=10)
        gone = [entrance.enter(connection, connection) for connection in "abcd"]
        self.assertEqual([None, None, "a", "b"], gone)
        entrance.leave("c")
        self.assertIsNone(entrance.enter("e", "e"))
        self.assertEqual("d", entrance.enter("f", "f"))

    def test_other_bounds(self) -> None:
        """New bounds hold for those who come from then on; who is inside stays."""
        entrance: Entrance[str] = Entrance(maximum=10, per_source=10)
        for connection in "abc":
            entrance.enter(connection, "x")
        entrance.limit(3, 1)
        self.assertEqual(3, len(entrance))
        self.assertFalse(entrance.has_room("x"))
        self.assertEqual("a", entrance.enter("d", "y"))

    def test_without_source(self) -> None:
        """What a front brings counts in the total alone."""
        entrance: Entrance[str] = Entrance(maximum=3, per_source=1)
        for connection in "abc":
            self.assertTrue(entrance.has_room(None))
            self.assertIsNone(entrance.enter(connection, None))
        self.assertEqual("a", entrance.enter("d", None))
        entrance.leave("d")
        self.assertEqual(2, len(entrance))

    def test_forgotten(self) -> None:
        """Of a source that has nobody inside nothing is kept: there are more sources than memory."""
        entrance: Entrance[int] = Entrance(maximum=2)
        for number in range(10):
            entrance.enter(number, number)
        for number in range(10):
            entrance.leave(number)
        self.assertFalse(entrance._counts)

    def test_sources(self) -> None:
        """An IPv4 address is a source, and a /64 of IPv6 addresses, which one host can have (RFC 6177)."""

        def same(one: str, other: str) -> bool:
            return source(ip_address(one)) == source(ip_address(other))

        self.assertTrue(same("2001:db8::1", "2001:db8::ffff:0:0:1"))
        self.assertFalse(same("2001:db8::1", "2001:db8:0:1::1"))
        self.assertFalse(same("192.0.2.1", "192.0.2.2"))
        self.assertFalse(same("0.0.0.1", "0:0:0:1::"))

    @given(st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.sampled_from([None, "x", "y"]))))
    def test_nothing_is_left(self, events: list[tuple[int, bool, str | None]]) -> None:
        """However connections come and go, those that are there count and no others."""
        entrance: Entrance[int] = Entrance(maximum=5, per_source=2)
        inside: dict[int, str | None] = {}
        for connection, comes, where in events:
            if not comes or connection in inside:
                entrance.leave(connection)
                inside.pop(connection, None)
            elif entrance.has_room(where):
                gone = entrance.enter(connection, where)
                if gone is not None:
                    del inside[gone]
                inside[connection] = where
            self.assertEqual(list(inside), list(entrance))
            self.assertEqual(len(inside), len(entrance))
            for source_ in ("x", "y"):
                self.assertEqual(list(inside.values()).count(source_) < 2, entrance.has_room(source_))
