"""The host's network: the same tests on the one in memory and on the kernel's."""

from __future__ import annotations

import fcntl
import socket
import struct
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path
from typing import TYPE_CHECKING

from pyroute2 import IPRoute
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.daemon.service import HostNetwork
from iphttps.core.errors import ConfigError
from iphttps.core.ip.batch import EMPTY
from iphttps.host.device.memory import MemoryNetwork
from iphttps.host.device.tun import TunDevice
from iphttps.host.kernel import network
from iphttps.host.kernel.ipv4 import IPv4Config
from iphttps.host.kernel.network import IFF_NOARP, IFF_UP, QUEUE_LENGTH, LinuxNetwork, NetworkConfig
from iphttps.host.kernel.routes import routes

from ..support import NamespaceCase, add_veth, in_child, ipv4_setting, need_another_user, setting, without_privilege

if TYPE_CHECKING:
    Case = SynchronousTestCase
else:
    Case = object

TUNNEL, UPLINK, QUIET = "iphttps-test", "uplink", "quiet"
SIOCGIFFLAGS = 0x8913  # linux/sockios.h
ADDRESSES = (IPv6Interface("fe80::1/64"), IPv6Interface("2001:db8:2::1/64"))
UP = NetworkConfig(TUNNEL, up=True, addresses=ADDRESSES, settings={"addr_gen_mode": 1})
DOWN = NetworkConfig(TUNNEL, up=False, settings={"addr_gen_mode": 1})
ROUTER = NetworkConfig(TUNNEL, up=True, settings={"addr_gen_mode": 1, "accept_ra": 0}, forwarding=True)


class NetworkTestsMixin(Case):
    """The requirements for a network.

    It has three interfaces: the tunnel's, an uplink that listens to Router Advertisements, a quiet one that does not.
    """

    network: HostNetwork

    def link(self, name: str) -> tuple[bool, int, set[IPv6Interface]]:
        """Return whether an interface is up, its MTU and its addresses."""
        raise NotImplementedError

    def accept_ra(self, name: str) -> int:
        """Return that setting of an interface."""
        raise NotImplementedError

    def forwards(self, value: bool | None = None) -> bool:
        """Tell whether the host forwards, after telling it to if given."""
        raise NotImplementedError

    def ipv4(self) -> set[IPv4Interface]:
        """Return the tunnel's IPv4 addresses."""
        raise NotImplementedError

    def forwards_ipv4(self) -> bool:
        """Tell whether the host forwards IPv4."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        """Remove an interface."""
        raise NotImplementedError

    def everything(self) -> object:
        """Return all there is, to be compared."""
        names = (TUNNEL, UPLINK, QUIET)
        return [(self.link(name), self.accept_ra(name)) for name in names], self.forwards()

    def test_up(self) -> None:
        """The link comes up with the MTU of 3.1.5.2 and 3.2.3.1, and the addresses given."""
        self.network.apply(UP)
        self.assertEqual(self.link(TUNNEL), (True, 1280, set(ADDRESSES)))

    def test_down(self) -> None:
        """A link that is down has forgotten its addresses."""
        self.network.apply(UP)
        self.network.apply(DOWN)
        self.assertEqual(self.link(TUNNEL), (False, 1280, set()))

    def test_up_again(self) -> None:
        """A link may come up again, with addresses of that time."""
        other = IPv6Interface("2001:db8:3::1/64")
        for config in (UP, DOWN, NetworkConfig(TUNNEL, True, 1400, (other,), UP.settings)):
            self.network.apply(config)
        self.assertEqual(self.link(TUNNEL), (True, 1400, {other}))

    def test_settings(self) -> None:
        """The interface's own settings are made, nobody else's."""
        self.network.apply(NetworkConfig(TUNNEL, up=True, settings={"accept_ra": 2}))
        self.assertEqual([self.accept_ra(name) for name in (TUNNEL, UPLINK, QUIET)], [2, 1, 0])

    def test_twice(self) -> None:
        """To apply the same twice changes nothing, and restores as much as once."""
        before = self.everything()
        self.network.apply(ROUTER)
        once = self.everything()
        self.network.apply(ROUTER)
        self.assertEqual(self.everything(), once)
        self.network.restore()
        self.network.apply(NetworkConfig(TUNNEL, False, 1500, settings={"accept_ra": 1}))
        self.assertEqual(self.everything(), before)

    def test_missing_interface(self) -> None:
        """An interface that is not there is the operator's error, and nothing is changed for it."""
        before = self.everything()
        error = self.assertRaises(ConfigError, self.network.apply, NetworkConfig("nowhere", up=True, forwarding=True))
        self.assertEqual(str(error), "there is no interface nowhere any more")
        self.assertEqual(self.everything(), before)

    def test_forwarding(self) -> None:
        """Turning forwarding on does not deafen an uplink to its router, nor make others listen."""
        self.network.apply(ROUTER)
        self.assertTrue(self.forwards())
        self.assertEqual([self.accept_ra(name) for name in (TUNNEL, UPLINK, QUIET)], [0, 2, 0])

    def test_restore(self) -> None:
        """To restore undoes what outlives the device; to do it again does nothing."""
        self.network.apply(ROUTER)
        for _ in range(2):
            self.network.restore()
            self.assertFalse(self.forwards())
            self.assertEqual([self.accept_ra(name) for name in (UPLINK, QUIET)], [1, 0])

    def test_router_already(self) -> None:
        """A host that forwards already is left as it is, and goes on to."""
        self.forwards(True)
        self.network.apply(ROUTER)
        self.assertEqual(self.accept_ra(UPLINK), 1)
        self.network.restore()
        self.assertEqual((self.forwards(), self.accept_ra(UPLINK)), (True, 1))

    def test_no_forwarding(self) -> None:
        """Without the wish for it, forwarding stays off."""
        self.network.apply(UP)
        self.assertEqual((self.forwards(), self.accept_ra(UPLINK)), (False, 1))

    def test_ipv4(self) -> None:
        """The link has the IPv4 address given and no other; without a word of IPv4 it keeps what it has."""
        one, other = (IPv4Interface(text) for text in ("10.99.0.1/24", "10.99.0.2/24"))
        there, another, gone = replace(UP, ipv4=IPv4Config(one)), replace(UP, ipv4=IPv4Config(other)), IPv4Config()
        for config, expected in ((there, {one}), (UP, {one}), (another, {other}), (replace(DOWN, ipv4=gone), set())):
            self.network.apply(config)
            self.assertEqual(expected, self.ipv4())

    def test_ipv4_forwarding(self) -> None:
        """IPv4 forwarding comes and goes by itself, whether IPv6 is forwarded or not."""
        for config, forwards in ((UP, False), (ROUTER, True)):
            for _ in range(2):
                self.network.apply(replace(config, ipv4=IPv4Config(forwarding=True)))
                self.assertEqual((True, forwards), (self.forwards_ipv4(), self.forwards()))
            self.network.restore()
            self.assertEqual((False, False), (self.forwards_ipv4(), self.forwards()))

    def test_restore_without_an_interface(self) -> None:
        """An interface that is gone meanwhile does not keep the rest from being restored."""
        self.network.apply(ROUTER)
        self.remove(UPLINK)
        self.network.restore()
        self.assertFalse(self.forwards())


class MemoryNetworkTests(NetworkTestsMixin, SynchronousTestCase):
    """The network in memory."""

    def setUp(self) -> None:
        """Make it."""
        self.network: MemoryNetwork = MemoryNetwork(TUNNEL, UPLINK, QUIET)
        self.network.interfaces[QUIET].settings["accept_ra"] = 0

    def link(self, name: str) -> tuple[bool, int, set[IPv6Interface]]:
        """Return an interface's state."""
        interface = self.network.interfaces[name]
        return interface.up, interface.mtu, interface.addresses

    def accept_ra(self, name: str) -> int:
        """Return that setting."""
        return self.network.interfaces[name].settings["accept_ra"]

    def forwards(self, value: bool | None = None) -> bool:
        """Tell whether the host forwards."""
        if value is not None:
            self.network.forwarding = value
        return self.network.forwarding

    def ipv4(self) -> set[IPv4Interface]:
        """Return the tunnel's IPv4 addresses."""
        address = self.network.interfaces[TUNNEL].ipv4.address
        return {address} if address else set()

    def forwards_ipv4(self) -> bool:
        """Tell whether the host forwards IPv4."""
        return self.network.ipv4_forwarding

    def remove(self, name: str) -> None:
        """Remove an interface."""
        del self.network.interfaces[name]


class LinuxNetworkTests(NetworkTestsMixin, NamespaceCase):
    """The kernel's network; uplink and quiet are the two ends of a cable."""

    def setUp(self) -> None:
        """Make the interfaces."""
        super().setUp()
        self.network: LinuxNetwork = LinuxNetwork()
        self.device = TunDevice(TUNNEL)
        self.addCleanup(self.device.close)
        add_veth(UPLINK, QUIET)
        setting(QUIET, "accept_ra", 0)

    def link(self, name: str) -> tuple[bool, int, set[IPv6Interface]]:
        """Return an interface's state."""
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname=name)
            (link,) = netlink.get_links(index)
            addresses = {
                IPv6Interface((address.get_attr("IFA_ADDRESS"), address["prefixlen"]))
                for address in netlink.get_addr(family=socket.AF_INET6, index=index)
            }
            return bool(link["flags"] & IFF_UP), link.get_attr("IFLA_MTU"), addresses

    def accept_ra(self, name: str) -> int:
        """Return that setting."""
        return setting(name, "accept_ra")

    def forwards(self, value: bool | None = None) -> bool:
        """Tell whether the host forwards."""
        return bool(setting("all", "forwarding", None if value is None else int(value)))

    def ipv4(self) -> set[IPv4Interface]:
        """Return the tunnel's IPv4 addresses."""
        with IPRoute() as netlink:
            found = netlink.get_addr(family=socket.AF_INET, index=netlink.link_lookup(ifname=TUNNEL)[0])
            return {IPv4Interface((each.get_attr("IFA_LOCAL"), each["prefixlen"])) for each in found}

    def forwards_ipv4(self) -> bool:
        """Tell whether the host forwards IPv4."""
        return bool(ipv4_setting("all", "forwarding"))

    def remove(self, name: str) -> None:
        """Remove an interface."""
        with IPRoute() as netlink:
            netlink.link("del", ifname=name)

    def test_duplicate_address_detection(self) -> None:
        """The link does Duplicate Address Detection and hears neighbours: NOARP is clear, accept_dad set."""
        self.assertTrue(_flags(TUNNEL) & IFF_NOARP)  # what a TUN is like by itself
        self.network.apply(UP)
        self.assertFalse(_flags(TUNNEL) & IFF_NOARP)
        self.assertEqual(setting(TUNNEL, "accept_dad"), 1)

    def test_usable_at_once(self) -> None:
        """The server's own addresses can be used at once: nobody else can have them."""
        self.network.apply(UP)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
            one.bind((str(ADDRESSES[1].ip), 0))  # fails for a tentative address

    def test_queue(self) -> None:
        """The kernel keeps so many packets for the device, and no fewer, until they are read."""
        self.network.apply(UP)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as program:
            for _ in range(QUEUE_LENGTH + 100):
                program.sendto(b"hello", (str(ADDRESSES[1].network[9]), 9))
        waiting = iter(self.device.read, EMPTY)
        self.assertGreater(sum(map(len, waiting)), QUEUE_LENGTH - 10)

    def test_disabled_ipv6(self) -> None:
        """An interface that was made without IPv6, as some hosts have it by default, gets it."""
        setting(TUNNEL, "disable_ipv6", 1)
        self.network.apply(UP)
        self.assertEqual(self.link(TUNNEL)[2], set(ADDRESSES))

    def test_ipv6_gone(self) -> None:
        """IPv6 comes back to an interface that it has left for an MTU below 1280, with these settings and addresses."""
        self.network.apply(UP)
        with IPRoute() as netlink:
            netlink.link("set", index=netlink.link_lookup(ifname=TUNNEL)[0], mtu=1279)
        self.assertEqual((1279, set()), self.link(TUNNEL)[1:])
        self.network.apply(UP)
        self.assertEqual((True, 1280, set(ADDRESSES)), self.link(TUNNEL))
        self.assertEqual((1, 1), (setting(TUNNEL, "addr_gen_mode"), setting(TUNNEL, "accept_dad")))

    def test_routes_gone(self) -> None:
        """The routes that came with the addresses come back, as the kernel made them."""
        self.network.apply(UP)
        before = _routes()
        with IPRoute() as netlink:
            netlink.flush_routes(family=socket.AF_INET6, oif=netlink.link_lookup(ifname=TUNNEL)[0], table=254)
        self.assertEqual([], routes(TUNNEL, link_local=True))
        self.network.apply(UP)
        self.assertEqual(before, _routes())

    def test_unknown_setting(self) -> None:
        """A setting that this kernel does not have is named."""
        config = NetworkConfig(TUNNEL, up=True, settings={"no_such_thing": 1})
        error = self.assertRaises(ConfigError, self.network.apply, config)
        self.assertIn("/proc/sys/net/ipv6/conf/iphttps-test/no_such_thing", str(error))

    def test_recent_setting(self) -> None:
        """One that older kernels lack, and that can be done without, is left out there."""
        self.patch(network, "RECENT", frozenset({"no_such_thing"}))
        self.network.apply(NetworkConfig(TUNNEL, up=True, settings={"no_such_thing": 1}))
        self.assertTrue(self.link(TUNNEL)[0])

    def test_refused_by_netlink(self) -> None:
        """A netlink error is a ConfigError with the kernel's reason."""
        error = self.assertRaises(ConfigError, self.network.apply, NetworkConfig(TUNNEL, up=True, mtu=1 << 20))
        self.assertEqual(str(error), f"cannot configure {TUNNEL}: Invalid argument")

    def test_without_privilege(self) -> None:
        """Without the privilege to configure the network the error names the privilege."""
        need_another_user()
        sentence = in_child(self._apply_without_privilege)
        self.assertRegex(sentence, "^cannot (configure|set) .*: it takes root or CAP_NET_ADMIN$")

    def _apply_without_privilege(self) -> str:
        without_privilege()
        try:
            self.network.apply(UP)
        except ConfigError as error:
            return str(error)
        return "applied"


def _routes() -> list[str]:
    """Return all IPv6 routes as the kernel lists them, without the numbers that say how often each was used.

    The routes to the host's own addresses, RTF_LOCAL, are left out: the kernel adds them a moment later.
    """
    lines = [line.split() for line in Path("/proc/net/ipv6_route").read_text().splitlines()]
    return sorted(" ".join(line[:6] + line[8:]) for line in lines if not int(line[8], 16) & 0x80000000)


def _flags(name: str) -> int:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sH22x", name.encode(), 0))
    return int(struct.unpack("16sH22x", answer)[1])


del NetworkTestsMixin
