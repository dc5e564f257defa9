"""Our own interface as the kernel shows it, in a namespace of its own."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Interface

from pyroute2 import IPRoute

from iphttps.core.errors import ConfigError
from iphttps.host.device.tun import TunDevice
from iphttps.host.kernel.network import LinuxNetwork, NetworkConfig
from iphttps.host.kernel.own_interface import InterfaceMonitor, LinkState

from ..support import NamespaceCase, add_veth, link_up

NAME = "iphttps-test"
ADDRESSES = (IPv6Interface("2001:db8:2::1/64"), IPv6Interface("fe80::1/64"))
NETWORKS = tuple(address.network for address in ADDRESSES)
CONFIG = NetworkConfig(NAME, up=True, addresses=ADDRESSES, settings={"addr_gen_mode": 1})
RIGHT = LinkState(NAME, up=True, arp=True, multicast=True, mtu=1280, addresses=ADDRESSES, routes=NETWORKS)


class MonitorTests(NamespaceCase):
    """A monitor of a TUN device next to another interface."""

    def setUp(self) -> None:
        """Make and configure them."""
        super().setUp()
        add_veth("uplink", "router")
        self.device = TunDevice(NAME)
        self.addCleanup(self.device.close)
        LinuxNetwork().apply(CONFIG)
        self.monitor = InterfaceMonitor(NAME)
        self.addCleanup(self.monitor.close)
        self.netlink = IPRoute()
        self.addCleanup(self.netlink.close)
        (self.index,) = self.netlink.link_lookup(ifname=NAME)

    def assert_heard(self, state: LinkState | None) -> None:
        """Check that there is news, and what the interface is like."""
        self.assertTrue(self.monitor.changed())
        self.assertEqual(state, self.monitor.state())

    def test_as_configured(self) -> None:
        """A device just configured is in the state that was asked for."""
        self.assertEqual(RIGHT, self.monitor.state())

    def test_changes(self) -> None:
        """The MTU, flags, an address, a route: each is heard of and seen."""
        self.netlink.link("set", index=self.index, mtu=1500)
        self.assert_heard(state := replace(RIGHT, mtu=1500))
        self.netlink.route("del", dst="2001:db8:2::/64", oif=self.index)
        self.assert_heard(state := replace(state, routes=NETWORKS[1:]))
        self.netlink.addr("del", index=self.index, address="2001:db8:2::1", prefixlen=64)
        self.assert_heard(state := replace(state, addresses=ADDRESSES[1:]))
        self.netlink.link("set", index=self.index, flags=0x80, change=0x1080)  # IFF_NOARP, IFF_MULTICAST
        self.assert_heard(replace(state, arp=False, multicast=False))
        link_up(NAME, down=True)
        self.assert_heard(LinkState(NAME, False, False, False, 1500, (), ()))

    def test_renamed(self) -> None:
        """Its name is seen."""
        link_up(NAME, down=True)
        self.netlink.link("set", index=self.index, ifname="other")
        self.assertTrue(self.monitor.changed())
        state = self.monitor.state()
        self.assertEqual("other", state and state.name)

    def test_removed(self) -> None:
        """One that is gone has no state."""
        self.netlink.link("del", index=self.index)
        self.assert_heard(None)

    def test_others(self) -> None:
        """Changes of another interface are not reported."""
        add_veth("quiet", "peer")  # down, so that the kernel reports nothing about it in the background
        monitor = InterfaceMonitor("quiet")
        self.addCleanup(monitor.close)
        link_up("uplink")
        self.netlink.addr("add", index=self.netlink.link_lookup(ifname="uplink")[0], address="2001:db8:9::1", mask=64)
        self.netlink.route("add", dst="2001:db8:a::/64", oif=self.netlink.link_lookup(ifname="uplink")[0])
        self.assertFalse(monitor.changed())
        self.netlink.link("set", index=self.netlink.link_lookup(ifname="quiet")[0], mtu=1400)
        self.assertTrue(monitor.changed())

    def test_no_interface(self) -> None:
        """One that is not there cannot be watched."""
        self.assertEqual("there is no interface no", str(self.assertRaises(ConfigError, InterfaceMonitor, "no")))
