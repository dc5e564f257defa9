"""Tests for iphttps.core.ip.address."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip.address import endpoint, plain


class AddressTests(SynchronousTestCase):
    """Addresses in text."""

    def test_plain(self) -> None:
        """An IPv4-mapped address becomes the IPv4 address; the zone is removed."""
        for text, address in (
            ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"), ("fe80::1%eth0", "fe80::1"),
        ):  # fmt: skip
            self.assertEqual(ip_address(address), plain(text))
        self.assertRaises(ValueError, plain, "gateway.example")

    def test_endpoint(self) -> None:
        """An IPv6 address stands in brackets before a port."""
        for text, port, expected in (
            ("192.0.2.7", 1234, "192.0.2.7:1234"), ("2001:db8::7", 1234, "[2001:db8::7]:1234"),
            ("192.0.2.7", 0, "192.0.2.7:0"), ("192.0.2.7", None, "192.0.2.7"), ("2001:db8::7", None, "2001:db8::7"),
        ):  # fmt: skip
            self.assertEqual(expected, endpoint(ip_address(text), port))
