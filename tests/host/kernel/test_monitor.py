"""Tests for iphttps.host.kernel.monitor.

In a namespace; Router Advertisements are scapy's, through a real TUN device.
"""

from __future__ import annotations

import socket
import struct
import subprocess
from typing import Any

from pyroute2 import IPRoute
from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6NDOptDNSSL,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptRouteInfo,
)
from scapy.packet import Packet

from iphttps.core.errors import ConfigError
from iphttps.core.ip.batch import Batch
from iphttps.host.device.tun import TunDevice
from iphttps.host.kernel.addresses import addresses, usable
from iphttps.host.kernel.monitor import READS, NetworkMonitor, News
from iphttps.host.kernel.network import LinuxNetwork, NetworkConfig
from iphttps.lab.poll import wait_until
from tests.support import ALL_NODES, ROUTER, packet

from ..support import NamespaceCase, add_veth, link_up, setting

TUNNEL = "iphttps-test"
SETTINGS = {"accept_ra": 2, "accept_ra_rt_info_max_plen": 128}
PREFIX = ICMPv6NDOptPrefixInfo(prefix="2001:db8:2::", prefixlen=64)
SERVERS = ICMPv6NDOptRDNSS(dns=["2001:db8:1::53", "2001:db8:1::54"], lifetime=600)
DOMAINS = ICMPv6NDOptDNSSL(searchlist=["example.org"], lifetime=600)


class MonitorCase(NamespaceCase):
    """A monitor for a tunnel next to an uplink."""

    def setUp(self) -> None:
        """Make both, and listen."""
        super().setUp()
        add_veth("uplink", "router")
        self.tunnel = TunDevice(TUNNEL)
        self.addCleanup(self.tunnel.close)
        self.monitor = NetworkMonitor(TUNNEL)
        self.addCleanup(self.monitor.close)

    def news(self) -> News:
        """Return all the news there is."""
        found = [self.monitor.read()]
        while found[-1] != News():
            found.append(self.monitor.read())
        return News(
            any(news.others for news in found),
            any(news.own for news in found),
            tuple(option for news in found for option in news.options),
        )

    def expect(self, news: News, what: str) -> None:
        """Check that these are the next news; the kernel tells of an address once it has worked through its list."""
        found = wait_until(lambda: (told := self.news()) != News() and told, f"news of {what}")
        self.assertEqual(found, news, what)

    def advertise(self, *options: Packet, **fields: Any) -> None:
        """Let the router at the other end of the tunnel advertise itself."""
        message = ICMPv6ND_RA(**fields)
        for option in options:
            message /= option
        self.tunnel.write(Batch.of([packet(ROUTER, ALL_NODES, message)]))

    def bring_up(self, **settings: int) -> None:
        """Bring the tunnel's link up, and wait until it listens to routers."""
        LinuxNetwork().apply(NetworkConfig(TUNNEL, up=True, settings=SETTINGS | settings))

    def netlink(self, kind: str, command: str, interface: str = "uplink", **what: Any) -> None:
        """Change something."""
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname=interface)
            name = "oif" if kind == "route" else "index"
            getattr(netlink, kind)(command, **{name: index}, **what)


class MonitorTests(MonitorCase):
    """Changes that are reported."""

    def test_nothing(self) -> None:
        """While nothing happens there is no news, and reading does not wait."""
        self.assertEqual(self.news(), News())

    def test_no_interface(self) -> None:
        """A monitor for an interface that is not there is rejected."""
        self.assertEqual(
            str(self.assertRaises(ConfigError, NetworkMonitor, "nowhere")), "there is no interface nowhere"
        )

    def test_others(self) -> None:
        """Another interface's link, address or route that comes or goes is news, of IPv4 and of IPv6."""
        link_up("router")
        for kind, command, what in (
            ("link", "set", {"state": "up"}),
            ("addr", "add", {"address": "2001:db8:5::2", "prefixlen": 64, "flags": 2}),
            ("route", "add", {"dst": "2001:db8:7::/64", "family": socket.AF_INET6}),
            ("route", "del", {"dst": "2001:db8:7::/64", "family": socket.AF_INET6}),
            ("addr", "del", {"address": "2001:db8:5::2", "prefixlen": 64}),
            ("addr", "add", {"address": "192.0.2.2", "prefixlen": 24}),
            ("route", "add", {"dst": "default", "gateway": "192.0.2.1"}),
            ("route", "del", {"dst": "default", "gateway": "192.0.2.1"}),
            ("link", "set", {"state": "down"}),
        ):
            self.news()
            self.netlink(kind, command, **what)
            self.expect(News(others=True), f"{kind} {command} {what}")

    def test_removed(self) -> None:
        """An interface that is made or removed is news."""
        with IPRoute() as netlink:
            netlink.link("add", ifname="third", kind="veth", peer={"ifname": "fourth"})
            self.assertTrue(self.news().others)
            netlink.link("del", ifname="third")
            self.assertTrue(self.news().others)

    def test_the_same_again(self) -> None:
        """Unchanged state, as in each advertisement of a router on the uplink, is not reported."""
        setting("uplink", "accept_dad", 0)
        link_up("uplink")
        link_up("router")
        lasting: dict[str, Any] = {"address": "2001:db8:5::2", "prefixlen": 64, "flags": 2}
        self.netlink("addr", "replace", preferred=600, valid=600, **lasting)
        wait_until(lambda: self.news() == News(), "an end of the news")
        self.netlink("addr", "replace", preferred=900, valid=900, **lasting)
        self.netlink("link", "set", ifalias="the uplink")
        self.assertEqual(self.news(), News())

    def test_own(self) -> None:
        """Of our own interface only the addresses are news; its link and routes are our own doing."""
        self.bring_up()
        self.netlink("route", "add", TUNNEL, dst="2001:db8:7::/64", family=socket.AF_INET6)
        found: list[News] = []

        def proven() -> bool:
            found.append(self.news())
            return sum(news.own for news in found) >= 1 and found[-1] == News()

        wait_until(proven, "the link-local address, and nothing more")
        self.assertNotIn(True, [news.others for news in found])
        self.netlink("addr", "add", TUNNEL, address="2001:db8:2::2", prefixlen=64, flags=2)
        self.expect(News(own=True), "the address")
        self.netlink("link", "set", TUNNEL, state="down")
        self.expect(News(own=True), "its end")
        self.assertEqual(addresses(TUNNEL), [])

    def test_storm(self) -> None:
        """Ten thousand routes cost a bounded read at a time, and end as one piece of news."""
        link_up("router")
        link_up("uplink")
        self.news()
        routes = "".join(f"route add 2001:db8:{number:x}::/64 dev uplink\n" for number in range(0x1000, 0x3710))
        subprocess.run(["ip", "-6", "-batch", "-"], input=routes, text=True, check=True)
        turns = 0
        while (news := self.monitor.read()) != News():
            self.assertEqual(news, News(others=True, own=news.own))
            turns += 1
        self.assertTrue(1 <= turns < 10_000 // READS)
        self.netlink("route", "del", dst="2001:db8:1000::/64", family=socket.AF_INET6)
        self.assertEqual(self.news(), News(others=True))

    def test_closed(self) -> None:
        """Closed, it says that there will be no more news."""
        self.monitor.close()
        self.assertRaises(OSError, self.monitor.read)


class AdvertisementTests(MonitorCase):
    """The kernel's messages about Router Advertisements."""

    def setUp(self) -> None:
        """Bring the link up."""
        super().setUp()
        setting(TUNNEL, "router_solicitation_delay", 0)

    def routes(self) -> dict[str, int]:
        """Return the tunnel's routes that routers have given, and their metrics."""
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname=TUNNEL)
            found = netlink.get_routes(family=socket.AF_INET6, oif=index, proto=9)  # RTPROT_RA
            return {
                f"{route.get_attr('RTA_DST') or '::'}/{route['dst_len']}": route.get_attr("RTA_PRIORITY")
                for route in found
            }

    def heard(self, *options: Packet, **fields: Any) -> News:
        """Advertise until the kernel, whose link-local address has to be proven first, has heard it."""
        found: list[bytes] = []

        def hear() -> bool:
            self.advertise(SERVERS, *options, **fields)
            found.extend(self.news().options)
            return bool(found)

        wait_until(hear, "an advertisement heard")
        return News(options=tuple(found))

    def test_options(self) -> None:
        """The options that are for programs are news as they are, those about DNS among them (RFC 8106)."""
        self.bring_up()
        self.heard()
        self.news()
        self.advertise(PREFIX, DOMAINS, SERVERS)
        self.assertEqual(self.news().options, (bytes(PREFIX), bytes(DOMAINS), bytes(SERVERS)))

    def test_other_interface(self) -> None:
        """Those on another interface are none of ours."""
        self.bring_up()
        other = TunDevice("other-test")
        self.addCleanup(other.close)
        LinuxNetwork().apply(NetworkConfig("other-test", up=True, settings=SETTINGS))
        self.heard()
        self.tunnel, ours = other, self.tunnel
        for _ in range(3):
            self.advertise(SERVERS)
        self.assertEqual(self.news().options, ())
        self.tunnel = ours
        self.heard()

    def test_address(self) -> None:
        """An address is usable when it is proven to be nobody else's, and that is news."""
        self.bring_up()
        self.heard(PREFIX)
        wait_until(lambda: self.news().own and usable(TUNNEL), "a usable address")
        (address,) = usable(TUNNEL)
        self.assertEqual(str(address.network), "2001:db8:2::/64")

    def test_routes(self) -> None:
        """Routes come, and with accept_ra_defrtr a default route, of the metric chosen; with the link all go.

        One that comes as route information (RFC 4191 section 2.3) keeps the kernel's metric.
        """
        information = ICMPv6NDOptRouteInfo(prefix="2001:db8:1::", plen=64, rtlifetime=600)
        everywhere = ICMPv6NDOptRouteInfo(prefix="::", plen=0, rtlifetime=600)
        for wanted in (1, 0):
            for lifetime, more, metric in ((600, (), 50), (0, (everywhere,), 1024)):
                self.bring_up(accept_ra_defrtr=wanted, ra_defrtr_metric=50)
                self.heard(information, *more, routerlifetime=lifetime)
                default = {"::/0": metric} if wanted else {}
                self.assertEqual(self.routes(), {"2001:db8:1::/64": 1024} | default)
                LinuxNetwork().apply(NetworkConfig(TUNNEL, up=False))
                self.assertEqual((self.routes(), addresses(TUNNEL)), ({}, []))

    def test_forged(self) -> None:
        """Messages from other programs than the kernel are ignored."""
        message = struct.pack("=IHHIIBxHiII", 32, 17, 0, 0, 0, 0, 0, 1, 0, 0)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as other:
            other.bind((0, 0))
            other.sendto(message, self.monitor._socket.getsockname())
        self.assertEqual(self.news(), News())
