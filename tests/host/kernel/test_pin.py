"""Tests for iphttps.host.kernel.pin, in a namespace with an uplink and a tunnel; UDP sockets stand in for TCP."""

from __future__ import annotations

import socket

from pyroute2 import IPRoute

from iphttps.core.errors import ConfigError
from iphttps.core.ip.ipv6 import UDP
from iphttps.host.device.tun import TunDevice
from iphttps.host.kernel.network import LinuxNetwork, NetworkConfig
from iphttps.host.kernel.pin import pin
from iphttps.lab.poll import wait_until

from ..support import (
    NamespaceCase,
    add_address,
    add_veth,
    in_child,
    link_up,
    need_another_user,
    setting,
    without_privilege,
)

TUNNEL = "iphttps-test"
SERVER = "2001:db8:ffff::1"


class PinTests(NamespaceCase):
    """The connection to the server and the tunnel's routes."""

    def setUp(self) -> None:
        """Make an uplink with a default route, and a tunnel whose link is up."""
        super().setUp()
        add_veth("uplink", "router")
        link_up("lo")
        for name in ("uplink", "router"):
            setting(name, "accept_dad", 0)
            link_up(name)
        self.tunnel = TunDevice(TUNNEL)
        self.addCleanup(self.tunnel.close)
        LinuxNetwork().apply(NetworkConfig(TUNNEL, up=True))
        self.route("add", "default", "uplink", 1024, "fe80::99")
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname="uplink")
            add_address(index, "2001:db8:5::2", 64)
            netlink.neigh("add", dst="fe80::99", lladdr="02:00:00:00:00:99", ifindex=index, state=0x80)

    def route(self, what: str, destination: str, interface: str, metric: int, gateway: str | None = None) -> None:
        """Add a route, or delete one."""
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname=interface)
            more = {"gateway": gateway} if gateway else {}
            netlink.route(what, dst=destination, oif=index, priority=metric, family=socket.AF_INET6, **more)

    def connected(self, peer: str = SERVER, scope: int = 0) -> socket.socket:
        """Connect to an address."""
        one = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.addCleanup(one.close)
        one.connect((peer, 443, 0, scope))
        return one

    def in_tunnel(self) -> int:
        """Return how many datagrams have entered the tunnel since the last look."""
        return sum(packet[6] == UDP for packet in self.tunnel.read())

    def test_default_route(self) -> None:
        """A pinned connection never enters the tunnel, though its default route, or one to the server, prevails."""
        pinned, other = self.connected(), self.connected()
        self.assertEqual(pin(pinned, TUNNEL), "uplink")
        for destination in ("default", "2001:db8:ffff::/48", f"{SERVER}/128"):
            self.route("add", destination, TUNNEL, 50)
            other.send(b"astray")  # that the route would have been taken
            wait_until(self.in_tunnel, "a datagram in the tunnel")
            pinned.send(b"outside")
            self.assertEqual(self.in_tunnel(), 0)

    def test_uplink_lost(self) -> None:
        """It does not enter the tunnel either when the uplink has lost its route, or its link."""
        pinned = self.connected()
        pin(pinned, TUNNEL)
        self.route("add", "default", TUNNEL, 50)
        self.route("del", "default", "uplink", 1024, "fe80::99")
        self.assertRaises(OSError, pinned.send, b"nowhere")
        link_up("uplink", down=True)
        self.assertRaises(OSError, pinned.send, b"nowhere")
        self.assertEqual(self.in_tunnel(), 0)

    def test_other_gateway(self) -> None:
        """It follows another gateway on its interface."""
        pinned = self.connected()
        pin(pinned, TUNNEL)
        self.route("add", "default", TUNNEL, 50)
        self.route("del", "default", "uplink", 1024, "fe80::99")
        self.route("add", "default", "uplink", 512, "fe80::98")
        pinned.send(b"outside")
        self.assertEqual(self.in_tunnel(), 0)

    def test_through_the_tunnel(self) -> None:
        """A server that is reached through the tunnel itself is rejected."""
        self.route("add", f"{SERVER}/128", TUNNEL, 50)
        error = self.assertRaises(ConfigError, pin, self.connected(), TUNNEL)
        self.assertEqual(
            str(error),
            f"the server's address {SERVER} is reached through {TUNNEL} itself: "
            "give --uri an address, or a name for one, that is reached without the tunnel",
        )

    def test_bound_already(self) -> None:
        """A connection that is bound already stays so; to pin twice does nothing more."""
        pinned = self.connected()
        pin(pinned, TUNNEL)
        self.route("add", "default", TUNNEL, 50)
        self.assertEqual(pin(pinned, TUNNEL), "uplink")

    def test_link_local(self) -> None:
        """A link-local address has its interface with it."""
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname="uplink")
        self.assertEqual(pin(self.connected("fe80::99", index), TUNNEL), "uplink")

    def test_nothing_to_bind(self) -> None:
        """IPv4 cannot enter an IPv6 tunnel, whatever the socket; and what does not leave the host goes nowhere."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ipv4:
            ipv4.connect(("127.0.0.1", 443))
            self.assertIsNone(pin(ipv4, TUNNEL))
        self.assertIsNone(pin(self.connected("::ffff:127.0.0.1"), TUNNEL))
        self.assertIsNone(pin(self.connected("::1"), TUNNEL))
        self.assertIsNone(pin(self.connected("2001:db8:5::2"), TUNNEL))

    def test_ipv4(self) -> None:
        """If the tunnel carries IPv4, a connection over IPv4 is bound too, whatever the socket's family."""
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname="uplink")
            netlink.addr("add", index=index, address="192.0.2.2", prefixlen=24)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ipv4:
            ipv4.connect(("192.0.2.1", 443))
            self.assertIsNone(pin(ipv4, TUNNEL))
            self.assertEqual("uplink", pin(ipv4, TUNNEL, ipv4=True))
        mapped = self.connected("::ffff:192.0.2.1")
        self.assertEqual("uplink", pin(mapped, TUNNEL, ipv4=True))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as local:
            local.connect(("192.0.2.2", 443))
            self.assertIsNone(pin(local, TUNNEL, ipv4=True))

    def test_no_route(self) -> None:
        """If the route is gone meanwhile, a sentence says so; and where the connection is."""
        one = self.connected()
        self.route("del", "default", "uplink", 1024, "fe80::99")
        error = self.assertRaises(ConfigError, pin, one, TUNNEL)
        self.assertEqual(str(error), f"there is no route to {SERVER} any more: Network is unreachable")
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as ended:
            error = self.assertRaises(ConfigError, pin, ended, TUNNEL)
        self.assertRegex(str(error), "^the connection to the server is gone: ")

    def test_without_privilege(self) -> None:
        """To pin takes no privilege, so it works after `twistd --uid`."""
        need_another_user()
        one = self.connected()

        def pinned() -> str | None:
            without_privilege()
            return pin(one, TUNNEL)

        self.assertEqual(in_child(pinned), "uplink")
