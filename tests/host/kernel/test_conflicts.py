"""Tests for iphttps.host.kernel.conflicts, in a namespace with a network of both families."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, ip_network

from pyroute2 import IPRoute

from iphttps.host.kernel.conflicts import attached, hidden, strict_reverse_path

from ..support import NamespaceCase, add_veth, ipv4_setting, link_up, setting

LOCAL, LOCAL_IPV6 = "192.168.1.0/24", "2001:db8:5::/64"


class ConflictTests(NamespaceCase):
    """A host with a network, a gateway in it, and a tunnel that has a route already."""

    def setUp(self) -> None:
        """Make them."""
        super().setUp()
        add_veth("uplink", "router")
        add_veth("tunnel", "other")
        setting("uplink", "accept_dad", 0)
        for name in ("uplink", "router", "tunnel", "other"):
            link_up(name)
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname="uplink")
            netlink.addr("add", index=index, address="192.168.1.2", prefixlen=24)
            netlink.addr("add", index=index, address="2001:db8:5::2", prefixlen=64, flags=0x02)
            netlink.route("add", dst="0.0.0.0/0", gateway="192.168.1.1")
            netlink.route("add", dst="172.16.0.0/12", gateway="192.168.1.1")
            (index,) = netlink.link_lookup(ifname="tunnel")
            netlink.route("add", dst="10.0.0.0/8", oif=index)

    def test_attached(self) -> None:
        """An address in a network that the host is attached to is found; one beyond a gateway or the tunnel is not."""
        self.assertEqual((IPv4Network(LOCAL), "uplink"), attached(IPv4Address("192.168.1.77"), "tunnel"))
        for address in ("192.168.2.1", "172.16.0.1", "10.0.0.1"):
            self.assertIsNone(attached(IPv4Address(address), "tunnel"))

    def test_hidden(self) -> None:
        """A route to the network, or to a part of it, hides it; one to a larger network does not."""
        for text, local in (
            (LOCAL, LOCAL),
            ("192.168.1.128/25", LOCAL),
            (LOCAL_IPV6, LOCAL_IPV6),
            ("2001:db8:5::/112", LOCAL_IPV6),
        ):
            self.assertEqual((ip_network(text), ip_network(local), "uplink"), hidden([ip_network(text)], "tunnel"))
        for text in ("192.168.0.0/16", "172.16.0.0/12", "10.0.0.0/8", "2001:db8::/32", "2001:db8:6::/64"):
            self.assertIsNone(hidden([ip_network(text)], "tunnel"))

    def test_strict(self) -> None:
        """The greater setting counts, of the interface's own and that of all (ip-sysctl)."""
        for everywhere, own, strict in ((0, 0, False), (0, 1, True), (1, 0, True), (1, 2, False), (2, 1, False)):
            ipv4_setting("all", "rp_filter", everywhere)
            ipv4_setting("uplink", "rp_filter", own)
            self.assertEqual(strict, strict_reverse_path("uplink"))
        self.assertIs(strict_reverse_path("none"), ipv4_setting("all", "rp_filter") == 1)
