"""Turning the host into a router and back, as the kernel has it: nobody is cut off, and nothing remains."""

from __future__ import annotations

import socket
from pathlib import Path

from pyroute2 import IPRoute
from scapy.layers.inet6 import ICMPv6ND_RA, IPv6
from scapy.layers.l2 import Ether

from iphttps.host.device.tun import TunDevice
from iphttps.host.kernel.network import LinuxNetwork, NetworkConfig
from iphttps.lab.poll import wait_until

from .support import NamespaceCase, add_veth, link_up, setting

TUNNEL = "iphttps-test"
ROUTER = NetworkConfig(TUNNEL, up=True, settings={"accept_ra": 0}, forwarding=True)
CONF = Path("/proc/sys/net/ipv6/conf")


class ForwardingTests(NamespaceCase):
    """A gateway with an uplink; at the other end of its cable a router speaks."""

    def setUp(self) -> None:
        """Make the interfaces."""
        super().setUp()
        self.network = LinuxNetwork()
        device = TunDevice(TUNNEL)
        self.addCleanup(device.close)
        add_veth("uplink", "router")
        setting("router", "accept_ra", 0)
        link_up("uplink")
        link_up("router")

    def advertise(self) -> None:
        """Let the router at the other end say that it is a default router, and wait until it is believed."""
        advertisement = (
            Ether(dst="33:33:00:00:00:01", src="02:00:00:00:00:01")
            / IPv6(src="fe80::99", dst="ff02::1", hlim=255)
            / ICMPv6ND_RA(routerlifetime=1800)
        )

        def believed() -> list[str]:
            # Said again and again: an interface that has just come up takes a moment before it listens.
            cable.send(bytes(advertisement))
            return self.default_routers()

        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as cable:
            cable.bind(("router", 0))
            wait_until(believed, "a default route from the Router Advertisement")

    def default_routers(self) -> list[str]:
        """Return the default routers that the kernel knows."""
        with IPRoute() as netlink:
            routes = netlink.get_default_routes(family=socket.AF_INET6)
            return [route.get_attr("RTA_GATEWAY") for route in routes]

    def settings(self) -> dict[str, int]:
        """Return every setting that forwarding has to do with."""
        return {str(path.relative_to(CONF)): int(path.read_text()) for name in ("forwarding", "accept_ra")
                for path in sorted(CONF.glob(f"*/{name}"))}  # fmt: skip

    def test_route_survives(self) -> None:
        """A default route learned from a Router Advertisement survives forwarding being turned on, and off again."""
        self.advertise()
        self.network.apply(ROUTER)
        self.assertEqual(self.default_routers(), ["fe80::99"])
        self.network.restore()
        self.assertEqual(self.default_routers(), ["fe80::99"])

    def test_route_is_lost_otherwise(self) -> None:
        """Without that care the kernel does forget the route, which is why there is any."""
        self.advertise()
        setting("all", "forwarding", 1)
        self.assertEqual(self.default_routers(), [])

    def test_still_listening(self) -> None:
        """While the host forwards, its uplink goes on listening to Router Advertisements."""
        self.network.apply(ROUTER)
        self.advertise()

    def test_restored_exactly(self) -> None:
        """To restore brings every setting back, also where single interfaces forwarded before."""
        setting("router", "forwarding", 1)
        setting("default", "accept_ra", 2)
        before = self.settings()
        self.network.apply(ROUTER)
        self.assertNotEqual(self.settings(), before)
        self.network.restore()
        changed = {name for name, value in self.settings().items() if value != before[name]}
        self.assertEqual(changed, {f"{TUNNEL}/accept_ra"})  # goes with the device

    def test_new_interfaces(self) -> None:
        """True if interfaces made later forward is brought back as well."""
        setting("default", "forwarding", 1)
        self.network.apply(ROUTER)
        self.network.restore()
        self.assertEqual(setting("default", "forwarding"), 1)

    def test_deaf_router_stays_deaf(self) -> None:
        """An interface that forwarded before, and so heard no Router Advertisement, is not made to hear them."""
        setting("uplink", "forwarding", 1)
        self.network.apply(ROUTER)
        self.assertEqual(setting("uplink", "accept_ra"), 1)

    def test_route_survives_beside_a_router(self) -> None:
        """The route survives the way back also where another interface forwarded before."""
        add_veth("aaa", "zzz")
        setting("aaa", "forwarding", 1)
        setting("zzz", "forwarding", 1)
        self.advertise()
        self.network.apply(ROUTER)
        self.network.restore()
        self.assertEqual(self.default_routers(), ["fe80::99"])
