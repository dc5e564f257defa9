"""Tests for iphttps.core.proxy.trusted_proxies."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.proxy.trusted_proxies import TrustedProxies

FRONTS = TrustedProxies(map(ip_network, ("198.51.100.9", "203.0.113.0/24", "2001:db8:f::/48")))


class FrontsTests(SynchronousTestCase):
    """The addresses of trusted proxies."""

    def test_contains(self) -> None:
        """TrustedProxies are those in the list, and nobody else."""
        for address in ("198.51.100.9", "203.0.113.255", "2001:db8:f:1::1"):
            self.assertIn(ip_address(address), FRONTS)
        for address in ("198.51.100.8", "203.0.114.0", "2001:db8:e::1", "::c633:6409"):
            self.assertNotIn(ip_address(address), FRONTS)
        self.assertNotIn(ip_address("127.0.0.1"), TrustedProxies(()))

    def test_client(self) -> None:
        """The client is the last address in X-Forwarded-For that is not a front's; what stands before is hearsay."""
        for said, client in (
            ("192.0.2.7", "192.0.2.7"),
            ("1.2.3.4, 192.0.2.7", "192.0.2.7"),
            ("1.2.3.4,192.0.2.7", "192.0.2.7"),
            ("192.0.2.7, 203.0.113.5, 2001:db8:f::1", "192.0.2.7"),
            ("nonsense, 192.0.2.7", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("192.0.2.7:1234", "192.0.2.7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:1234", "2001:db8::7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("192.0.2.7, ::ffff:203.0.113.5", "192.0.2.7"),
        ):
            self.assertEqual(ip_address(client), FRONTS.client(said), said)

    def test_nobody(self) -> None:
        """An invalid address in the list ends the search: entries before it cannot be trusted."""
        for said in (
            "",
            ",",
            "unknown",
            "192.0.2.7, unknown",
            "192.0.2.7, ",
            "203.0.113.5",
            "192.0.2",
            "[",
            "[]",
            "x:1",
        ):
            self.assertIsNone(FRONTS.client(said), said)

    @given(st.text())
    def test_anything(self, said: str) -> None:
        """Any header value is handled without an exception."""
        client = FRONTS.client(said)
        self.assertTrue(client is None or client not in FRONTS)
