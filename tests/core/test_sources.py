"""Tests for iphttps.core.sources."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sources import Sources, place, written


class PlaceTests(SynchronousTestCase):
    """The prefixes of an address."""

    def test_prefixes(self) -> None:
        """Of each version of IP there is a source, and three longer or shorter steps."""
        for address, prefixes in (
            ("2001:db8:1:2::3", ["2001:db8:1:2::/64", "2001:db8:1::/56", "2001:db8:1::/48", "2001:db8::/32"]),
            ("192.0.2.77", ["192.0.2.77", "192.0.2.64/28", "192.0.2.0/24", "192.0.0.0/16"]),
        ):
            self.assertEqual(prefixes, [written(prefix) for prefix in place(ip_address(address))])

    def test_embedded(self) -> None:
        """An IPv4 address counts as such when it was translated, mapped, or has made a 6to4 prefix (RFC 6052, 3056)."""
        for text in ("64:ff9b::192.0.2.77", "::ffff:192.0.2.77", "2002:c000:24d::1", "2002:c000:24d:ffff::1"):
            self.assertEqual(place(ip_address("192.0.2.77")), place(ip_address(text)), text)
        for text in ("64:ff9b:1::192.0.2.77", "2003:c000:24d::1"):
            self.assertEqual(6, place(ip_address(text))[0][0], text)

    def test_unknown(self) -> None:
        """An address that is not known has none."""
        self.assertEqual((), place(None))

    def test_versions(self) -> None:
        """Prefixes of both versions never meet."""
        self.assertTrue(set(place(ip_address("0.0.0.1"))).isdisjoint(place(ip_address("0:0:0:1::"))))


class SourcesTests(SynchronousTestCase):
    """The number of sessions of a source."""

    def filled(self, form: str) -> tuple[int, str | None]:
        """Add sessions from addresses of this form until no more may come; return how many, and what is full."""
        sources = Sources(3)
        for number in range(100):
            address = ip_address(form.format(number, number // 16))
            if full := sources.full(address):
                return number, full
            sources.add(address)
        return 100, None

    def test_steps(self) -> None:
        """A source has its number; those that share a longer prefix have together twice and four times as many."""
        for form, expected in (
            ("2001:db8::1", (3, "2001:db8::/64")),
            ("2001:db8::{:x}", (3, "2001:db8::/64")),
            ("2001:db8:0:{:x}::1", (6, "2001:db8::/56")),
            ("2001:db8:0:{:x}00::1", (12, "2001:db8::/48")),
            ("2001:db8:{:x}::1", (100, None)),
            ("192.0.2.1", (3, "192.0.2.1")),
            ("192.0.2.{}", (6, "192.0.2.0/28")),
            ("192.0.{}.1", (100, None)),
        ):
            self.assertEqual(expected, self.filled(form), form)
        sources = Sources(3)
        for number in range(12):
            sources.add(ip_address(f"192.0.2.{number * 16}"))
        self.assertEqual("192.0.2.0/24", sources.full(ip_address("192.0.2.255")))
        self.assertIsNone(sources.full(ip_address("192.0.3.1")))

    def test_no_limit(self) -> None:
        """Without a limit none is full, but all are counted, for the limit may come later."""
        sources = Sources()
        address = ip_address("192.0.2.1")
        for _ in range(100):
            sources.add(address)
        self.assertIsNone(sources.full(address))
        sources.most = 100
        self.assertEqual("192.0.2.1", sources.full(address))

    def test_embedded(self) -> None:
        """Sessions from an IPv4 address count together with those from IPv6 addresses that contain it."""
        sources = Sources(2)
        for text in ("192.0.2.77", "64:ff9b::192.0.2.77"):
            self.assertIsNone(sources.full(ip_address(text)))
            sources.add(ip_address(text))
        self.assertEqual("192.0.2.77", sources.full(ip_address("2002:c000:24d::1")))
        self.assertIsNone(sources.full(ip_address("192.0.2.78")))

    def test_unknown(self) -> None:
        """Sessions whose address a front hides are not limited."""
        sources = Sources(1)
        for _ in range(10):
            self.assertIsNone(sources.full(None))
            sources.add(None)
        sources.remove(None)
        self.assertFalse(sources._counts)

    @given(st.lists(st.integers(0, 5)))
    def test_nothing_is_left(self, numbers: list[int]) -> None:
        """Of those who have gone nothing is kept."""
        sources = Sources(1)
        addresses = [ip_address(f"2001:db8:{number}::1") for number in numbers]
        for address in addresses:
            sources.add(address)
        for address in addresses:
            sources.remove(address)
        self.assertFalse(sources._counts)
