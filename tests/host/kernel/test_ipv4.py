"""IPv4 on the tunnel's interface, and the host as an IPv4 router and back, as the kernel has them."""

from __future__ import annotations

import json
import socket
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from pyroute2 import IPRoute

from iphttps.core.errors import ConfigError
from iphttps.core.ip import ipv4
from iphttps.core.ip.batch import Batch
from iphttps.host.device.tun import TunDevice
from iphttps.host.kernel.ipv4 import IPv4Config
from iphttps.host.kernel.network import LinuxNetwork, NetworkConfig, undo
from iphttps.host.kernel.undo import CONF, IPV4_CONF, Note
from iphttps.lab.poll import wait_until

from ..support import NamespaceCase, add_veth, in_child, ipv4_setting, read_only_settings, setting

TUNNEL, UPLINK = "sstp-test", "uplink"
ADDRESS, OTHER = IPv4Interface("10.99.0.1/24"), IPv4Interface("10.99.0.7/24")
PEER = IPv4Address("10.99.0.2")
ROUTES = IPv4Network("192.0.2.0/24"), IPv4Network("0.0.0.0/0")
ROUTER = IPv4Config(ADDRESS, forwarding=True)


def up(ipv4: IPv4Config | None, *, forwarding: bool = False) -> NetworkConfig:
    """Return the network with the tunnel's link up."""
    return NetworkConfig(TUNNEL, up=True, settings={"addr_gen_mode": 1}, forwarding=forwarding, ipv4=ipv4)


DOWN = NetworkConfig(TUNNEL, up=False, settings={"addr_gen_mode": 1}, ipv4=IPv4Config())


def settings() -> dict[str, int]:
    """Return every setting that forwarding has to do with, but for the tunnel's own."""
    found = [*CONF.glob("*/forwarding"), *CONF.glob("*/accept_ra"), *IPV4_CONF.glob("*/forwarding")]
    found.append(IPV4_CONF / "all" / "accept_redirects")
    return {str(path): int(path.read_text()) for path in found if path.parent.name != TUNNEL}


class IPv4Case(NamespaceCase):
    """A host with a tunnel and an uplink."""

    def setUp(self) -> None:
        """Make the interfaces."""
        super().setUp()
        self.device = TunDevice(TUNNEL, ipv4=True)
        self.addCleanup(self.device.close)
        add_veth(UPLINK, "inner")
        self.network = LinuxNetwork()


class AddressTests(IPv4Case):
    """Address, peer and routes."""

    def addresses(self) -> list[tuple[str, str, int]]:
        """Return the addresses of the interface: its own, the peer's or its own again, and the prefix length."""
        with IPRoute() as netlink:
            return [
                (found.get_attr("IFA_LOCAL"), found.get_attr("IFA_ADDRESS"), found["prefixlen"])
                for found in netlink.get_addr(family=socket.AF_INET, index=netlink.link_lookup(ifname=TUNNEL)[0])
            ]

    def routes(self) -> set[str]:
        """Return what is reached through the interface."""
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname=TUNNEL)
            found = netlink.get_routes(family=socket.AF_INET, oif=index, table=254)
            return {f"{route.get_attr('RTA_DST') or '0.0.0.0'}/{route['dst_len']}" for route in found}

    def test_address(self) -> None:
        """The interface has the address, and the kernel a route to its network."""
        for _ in range(2):  # to apply the same again changes nothing
            self.network.apply(up(IPv4Config(ADDRESS)))
            self.assertEqual([("10.99.0.1", "10.99.0.1", 24)], self.addresses())
            self.assertEqual({"10.99.0.0/24"}, self.routes())

    def test_peer(self) -> None:
        """On a point-to-point link the kernel has a route to the peer, and none to a network."""
        self.network.apply(up(IPv4Config(ADDRESS, PEER)))
        self.assertEqual([("10.99.0.1", "10.99.0.2", 32)], self.addresses())
        self.assertEqual({"10.99.0.2/32"}, self.routes())

    def test_another(self) -> None:
        """Another address takes the place of the one before, in the same network too."""
        for config in (IPv4Config(ADDRESS), IPv4Config(OTHER), IPv4Config(OTHER, PEER), IPv4Config(ADDRESS)):
            self.network.apply(up(config))
            assert config.address is not None
            self.assertEqual([str(config.address.ip)], [local for local, *_ in self.addresses()])

    def test_strangers(self) -> None:
        """An address of another program goes too: two, of which one is the first of its network."""
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname=TUNNEL)
            for text in ("172.16.0.1", "172.16.0.2", "10.99.0.9"):
                netlink.addr("add", index=index, address=text, prefixlen=24)
        self.network.apply(up(IPv4Config(ADDRESS)))
        self.assertEqual([("10.99.0.1", "10.99.0.1", 24)], self.addresses())

    def test_left_alone(self) -> None:
        """If IPv4 is not part of the configuration, as with IP-HTTPS, what is there stays."""
        self.network.apply(up(IPv4Config(ADDRESS, routes=ROUTES)))
        before = self.addresses(), self.routes(), settings()
        self.network.apply(up(None))
        self.assertEqual(before, (self.addresses(), self.routes(), settings()))

    def test_down(self) -> None:
        """A link that is down has no address and no route; up again it has those of that time."""
        self.network.apply(up(IPv4Config(ADDRESS, routes=ROUTES)))
        self.network.apply(DOWN)
        self.assertEqual(([], set()), (self.addresses(), self.routes()))
        self.network.apply(up(IPv4Config(OTHER, PEER, ROUTES[:1])))
        self.assertEqual({"10.99.0.2/32", "192.0.2.0/24"}, self.routes())

    def test_routes(self) -> None:
        """Routes are there while they are named."""
        for routes in (ROUTES, ROUTES[:1], (), ROUTES[1:]):
            self.network.apply(up(IPv4Config(ADDRESS, routes=routes)))
            self.assertEqual({"10.99.0.0/24", *map(str, routes)}, self.routes())

    def test_traffic(self) -> None:
        """A program's packets to the peer, or along a route, are read from the device."""
        self.network.apply(up(IPv4Config(ADDRESS, PEER, ROUTES)))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as program:
            for destination in ("10.99.0.2", "192.0.2.9", "203.0.113.5"):
                program.sendto(b"hello", (destination, 9))
        found = [each for each in self.device.read() if each[0] >> 4 == 4 and each.endswith(b"hello")]
        self.assertEqual(
            [("10.99.0.1", far) for far in ("10.99.0.2", "192.0.2.9", "203.0.113.5")],
            [(socket.inet_ntoa(each[12:16]), socket.inet_ntoa(each[16:20])) for each in found],
        )


class ForwardingTests(IPv4Case):
    """The host as a router, and back."""

    def test_forwarded(self) -> None:
        """A packet that comes into one tunnel leaves by another, with a Time to Live one less."""
        other = TunDevice("other", ipv4=True)
        self.addCleanup(other.close)
        ipv4_setting("all", "rp_filter", 0)
        self.network.apply(up(ROUTER))
        LinuxNetwork().apply(NetworkConfig("other", up=True, ipv4=IPv4Config(routes=ROUTES[:1])))
        sent = ipv4.packet(PEER.packed, ROUTES[0][9].packed, 253, b"hello", 64)

        def arrived() -> list[bytes]:
            self.device.write(Batch.of([sent]))
            return [each for each in other.read() if each[0] >> 4 == 4]

        self.assertEqual(63, wait_until(arrived, "the packet to be routed")[0][ipv4.TIME_TO_LIVE])

    def test_restored(self) -> None:
        """To restore brings every setting back, accept_redirects too, and for IPv4 alone nothing of IPv6 changes."""
        for accept_redirects, inner in ((0, 0), (1, 1)):
            ipv4_setting("all", "accept_redirects", accept_redirects)
            ipv4_setting("inner", "forwarding", inner)
            before = settings()
            self.network.apply(up(ROUTER))
            self.assertEqual((1, 1), (ipv4_setting("all", "forwarding"), ipv4_setting(UPLINK, "forwarding")))
            self.assertEqual(0, setting("all", "forwarding"))
            self.network.restore()
            self.assertEqual(before, settings())

    def test_both(self) -> None:
        """With IPv6 forwarding, both are turned on, and both come back."""
        before = settings()
        for _ in range(2):
            self.network.apply(up(ROUTER, forwarding=True))
            self.assertEqual((1, 1), (ipv4_setting("all", "forwarding"), setting("all", "forwarding")))
        self.network.restore()
        self.assertEqual(before, settings())

    def test_router_already(self) -> None:
        """A host that forwards already goes on to; the tunnel's interface is a router's even where new ones are not."""
        ipv4_setting("all", "forwarding", 1)
        ipv4_setting(TUNNEL, "forwarding", 0)
        before = settings()
        self.network.apply(up(ROUTER))
        self.assertEqual(1, ipv4_setting(TUNNEL, "forwarding"))
        self.network.restore()
        self.assertEqual(before, settings())

    def test_read_only(self) -> None:
        """If /proc/sys is read-only one sentence names the setting, and how to set it before the start."""
        self.network.apply(up(None))

        def refused() -> str:
            read_only_settings()
            return str(self.assertRaises(ConfigError, self.network.apply, up(ROUTER)))

        sentence = in_child(refused)
        self.assertIn("cannot set net.ipv4.conf.all.forwarding to 1: /proc/sys is mounted read-only", sentence)
        self.assertIn("--sysctl net.ipv4.conf.all.forwarding=1", sentence)


class NoteTests(IPv4Case):
    """The settings left by a killed gateway."""

    def setUp(self) -> None:
        """Choose a place for the note."""
        super().setUp()
        self.path = Path(self.mktemp()).absolute()
        ipv4_setting("all", "accept_redirects", 0)
        ipv4_setting("inner", "forwarding", 1)
        self.before = settings()

    def killed(self, *configs: NetworkConfig) -> None:
        """Have a process turn forwarding on and end without a chance to turn it off."""

        def gateway() -> None:
            network = LinuxNetwork(Note(self.path))
            for config in configs:
                network.apply(config)

        in_child(gateway)
        self.assertNotEqual(self.before, settings())

    def test_undone(self) -> None:
        """Every setting of both versions is as it was, in whatever order they were changed."""
        both = up(ROUTER, forwarding=True)
        for configs in ((up(ROUTER),), (both,), (up(ROUTER), both), (up(None, forwarding=True), both)):
            self.killed(*configs)
            self.assertTrue(undo(Note(self.path)))
            self.assertEqual(self.before, settings())
            self.assertFalse(self.path.exists())

    def test_set_since(self) -> None:
        """A setting changed by somebody else since then stays."""
        self.killed(up(ROUTER))
        ipv4_setting("all", "forwarding", 0)
        ipv4_setting(UPLINK, "forwarding", 1)
        since = settings()
        self.assertFalse(undo(Note(self.path)))
        self.assertEqual(since, settings())

    def test_redirects_set_since(self) -> None:
        """So does accept_redirects, which the kernel sets along with forwarding."""
        self.killed(up(ROUTER))
        ipv4_setting("all", "accept_redirects", 1)
        self.assertTrue(undo(Note(self.path)))
        self.assertEqual((0, 1), (ipv4_setting("all", "forwarding"), ipv4_setting("all", "accept_redirects")))

    def test_orderly_end(self) -> None:
        """A gateway that puts everything back itself leaves no note."""
        network = LinuxNetwork(Note(self.path))
        network.apply(up(ROUTER))
        self.assertTrue(self.path.exists())
        network.restore()
        self.assertFalse(self.path.exists())
        self.assertEqual(self.before, settings())

    def test_forged(self) -> None:
        """A note can change nothing else of IPv4."""
        for name in ("ipv4:all/rp_filter", "ipv4:uplink/accept_redirects", "ipv4:../ip_forward", "ipv4:/forwarding",
                     "ipv4:a/b/forwarding", "ipv4:all/accept_ra", "ipv5:all/forwarding"):  # fmt: skip
            self.path.write_text(json.dumps({"where": [], "before": [[name, "1"]]}))
            refused = self.assertRaises(ConfigError, undo, Note(self.path))
            self.assertIn("of another version of iphttps", str(refused))

    def test_no_place(self) -> None:
        """If no note can be written, nothing is changed."""
        network = LinuxNetwork(Note(self.path / "missing"))
        self.assertRaises(ConfigError, network.apply, up(ROUTER))
        self.assertEqual(self.before, settings())
