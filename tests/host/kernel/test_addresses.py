"""Tests for iphttps.host.kernel.addresses."""

from __future__ import annotations

from ipaddress import IPv6Interface, ip_address
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.host.kernel import addresses as module
from iphttps.host.kernel.addresses import addresses, everywhere, has, usable

LIST = """\
00000000000000000000000000000001 01 80 10 80       lo
fe800000000000005910565f6429b7ef 07 40 20 80 iphttps0
20010db8000200000000000000000001 07 40 00 80 iphttps0
20010db8000200000000000000000002 07 40 00 c0 iphttps0
20010db8000200000000000000000003 07 40 00 88 iphttps0
20010db8000200000000000000000004 07 40 00 c4 iphttps0
20010db8000200000000000000000005 07 40 00 cc iphttps0
20010db8000300000000000000000001 08 40 00 80 iphttps01
"""


class AddressesTests(SynchronousTestCase):
    """The kernel's list."""

    def test_list(self) -> None:
        """The addresses of one interface, sorted; none of another whose name begins alike."""
        path = Path(self.mktemp())
        path.write_text(LIST)
        self.patch(module, "_LIST", path)
        own = [IPv6Interface(f"2001:db8:2::{number}/64") for number in range(1, 6)]
        self.assertEqual([*own, IPv6Interface("fe80::5910:565f:6429:b7ef/64")], addresses("iphttps0"))
        # Neither one for the link alone, nor tentative ones and duplicates; but optimistic ones (RFC 4429).
        self.assertEqual([own[0], own[3]], usable("iphttps0"))
        self.assertEqual([], addresses("other0"))

    def test_everywhere(self) -> None:
        """The loopback has addresses, in both families where there are both."""
        own = everywhere()
        for text in ("127.0.0.1", "::1"):
            self.assertEqual(has(text), ip_address(text) in own, text)

    def test_no_ipv6(self) -> None:
        """A kernel without IPv6 has no list, and no addresses."""
        self.patch(module, "_LIST", Path(self.mktemp()))
        self.assertEqual([], addresses("iphttps0"))

    def test_has(self) -> None:
        """An address that is configured here, of either family, is told from one that is not."""
        for address, here in (("127.0.0.1", True), ("::1", True), ("192.0.2.77", False), ("2001:db8::77", False)):
            self.assertEqual(here, has(address), address)
