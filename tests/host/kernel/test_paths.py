"""Tests for iphttps.host.kernel.paths, in a namespace with an uplink and a tunnel."""

from __future__ import annotations

import socket

from pyroute2 import IPRoute

from iphttps.host.device.tun import TunDevice
from iphttps.host.kernel.network import LinuxNetwork, NetworkConfig
from iphttps.host.kernel.paths import Path, paths

from ..support import NamespaceCase, add_address, add_veth, link_up, setting

TUNNEL = "iphttps-test"
SERVER = "2001:db8:ffff::1"
GATEWAY = "2001:db8:5::1"
OWN = "2001:db8:5::2"


class PathTests(NamespaceCase):
    """The path to a server that is reached by an uplink's default route."""

    def setUp(self) -> None:
        """Make the uplink and the tunnel."""
        super().setUp()
        add_veth("uplink", "router")
        link_up("lo")
        for name in ("uplink", "router"):
            setting(name, "accept_dad", 0)
            link_up(name)
        self.tunnel = TunDevice(TUNNEL)
        self.addCleanup(self.tunnel.close)
        LinuxNetwork().apply(NetworkConfig(TUNNEL, up=True))
        self.index = socket.if_nametoindex("uplink")
        with IPRoute() as netlink:
            add_address(self.index, OWN, 64)
            netlink.route("add", family=socket.AF_INET6, dst="default", gateway=GATEWAY, oif=self.index)

    def test_path(self) -> None:
        """A path is the interface, the gateway and the source address; without a route there is none."""
        found = paths([SERVER, "192.0.2.1", f"fe80::1%{TUNNEL}", "fe80::1%nothing"])
        self.assertEqual(Path(self.index, GATEWAY, OWN), found[SERVER])
        self.assertEqual((None, None), (found["192.0.2.1"], found["fe80::1%nothing"]))
        local = found[f"fe80::1%{TUNNEL}"]
        assert local
        self.assertEqual((socket.if_nametoindex(TUNNEL), None), (local.interface, local.gateway))

    def test_tunnel(self) -> None:
        """A route into the client's own tunnel does not count: the path outside it does."""
        with IPRoute() as netlink:
            netlink.route("add", family=socket.AF_INET6, dst=f"{SERVER}/128", oif=socket.if_nametoindex(TUNNEL))
        self.assertIsNone(paths([SERVER], TUNNEL)[SERVER])
        self.assertIsNone(paths([SERVER], TUNNEL, "nothing")[SERVER])
        self.assertEqual(Path(self.index, GATEWAY, OWN), paths([SERVER], TUNNEL, "uplink")[SERVER])

    def test_rejected(self) -> None:
        """A route that rejects the destination is none."""
        with IPRoute() as netlink:
            netlink.route("add", family=socket.AF_INET6, dst=f"{SERVER}/128", type="unreachable")
        self.assertIsNone(paths([SERVER])[SERVER])
