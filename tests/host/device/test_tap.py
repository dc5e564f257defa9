"""The kernel's TAP device: a packet device like any other, and Neighbor Discovery with a real kernel across it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Interface
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptPrefixInfo,
    IPv6,
)

from iphttps.core.counters import Counters
from iphttps.core.errors import DropReason
from iphttps.core.ip.batch import EMPTY, Batch
from iphttps.core.ip.ethernet import ETHERTYPE, HEADER_LENGTH, NEIGHBORS
from iphttps.host.device.tap import TapDevice
from iphttps.host.kernel.network import LinuxNetwork, NetworkConfig
from iphttps.lab.poll import wait_until

from .. import test_device
from ..support import NamespaceCase, add_address, link_up, setting

NAME = test_device.NAME
OWN, OTHER, WANTED = "2001:db8:2::1", "2001:db8:2::2", "2001:db8:2::3"
OWN_ROUTE = f"{IPv6Address(OWN).packed.hex()} 80"  # net/ipv6_route: the destination, the prefix length in hex
ROUTER = "fe80::99"
FOREIGN = "02:00:00:00:00:0f"

IFA_F_DADFAILED = 0x08  # linux/if_addr.h
IFA_F_TENTATIVE = 0x40
NUD_REACHABLE = 0x02  # linux/neighbour.h
NUD_STALE = 0x04
NUD_PROBE = 0x10
NUD_FAILED = 0x20


class TapDeviceTests(test_device.TunDeviceTests):
    """All that is asked of a TUN device; the program with the packet socket sends and receives frames."""

    kind = TapDevice
    header = b"\xff" * 6 + b"\x02" + bytes(5) + ETHERTYPE

    def inject(self, *packets: bytes) -> None:
        """Send packets into the device, in frames."""
        super().inject(*(self.header + each for each in packets))

    def taken(self, count: int) -> list[bytes]:
        """Return the packets in the frames that the kernel got."""
        frames = super().taken(count)
        with IPRoute() as netlink:
            (link,) = netlink.get_links(ifname=NAME)
        own = bytes.fromhex(link.get_attr("IFLA_ADDRESS").replace(":", ""))
        self.assertEqual({own + NEIGHBORS + ETHERTYPE}, {each[:HEADER_LENGTH] for each in frames})
        return [each[HEADER_LENGTH:] for each in frames]

    def test_other_protocols(self) -> None:
        """Frames with anything but IPv6 are dropped and counted."""
        for kind in (b"\x08\x06", b"\x08\x00", b"\x81\x00"):
            self.program.send(self.header[:-2] + kind + test_device.SHORT)
        self.assertEqual(self.device.read(), EMPTY)
        self.assertEqual(self.device.counters.drops, {DropReason.NOT_IPV6: 3})


class KernelCase(NamespaceCase):
    """A kernel with a TAP device; the test is what the device leads to."""

    def setUp(self) -> None:
        """Make the device; its link is down."""
        super().setUp()
        self.device = TapDevice(NAME)
        self.addCleanup(self.device.close)
        self.network = LinuxNetwork()
        self.sent: list[Any] = []
        # So that no test waits for what has been waited for in vain long enough.
        Path(f"/proc/sys/net/ipv6/neigh/{NAME}/retrans_time_ms").write_text("100")
        setting(NAME, "router_solicitation_delay", 0)
        with IPRoute() as netlink:
            (self.index,) = netlink.link_lookup(ifname=NAME)

    def up(self, *, address: bool = True) -> None:
        """Bring the link up, with the kernel's own address on it."""
        addresses = (IPv6Interface("fe80::1/64"), IPv6Interface(f"{OWN}/64")) if address else ()
        settings = {"addr_gen_mode": 1} if address else {"accept_ra": 2}
        self.network.apply(NetworkConfig(NAME, up=True, addresses=addresses, settings=settings))
        if address:
            self.wait_for_route()

    def wait_for_route(self) -> None:
        """Wait until the kernel takes what is for its own address."""
        # The route comes last of all; the group of the solicited nodes is there as soon as either of the two addresses
        # is, for it is the same one.
        routes = Path("/proc/thread-self/net/ipv6_route")
        wait_until(lambda: OWN_ROUTE in routes.read_text(), "the kernel to take what is for its address")

    def add(self, address: str) -> None:
        """Give the kernel an address, which it has to probe first."""
        with IPRoute() as netlink:
            netlink.addr("add", index=self.index, address=address, prefixlen=64)

    def read(self) -> list[Any]:
        """Return all packets that have come out of the device so far, as scapy reads them."""
        packets = list(self.device.read())
        self.assertTrue(all(packets))  # a question that was answered here leaves nothing in the batch
        self.sent += map(IPv6, packets)
        return self.sent

    def expect(self, wanted: Callable[[Any], bool], what: str) -> Any:
        """Return the first packet out of the device that is wanted, and forget those up to it."""

        def found() -> Any:
            self.read()
            while self.sent:
                if wanted(packet := self.sent.pop(0)):
                    return packet
            return None

        return wait_until(found, what)

    def write(self, *packets: Any) -> None:
        """Send packets into the device, and see that the kernel has taken them."""
        before = self.device.counters.packets_out
        self.device.write(Batch.of([bytes(packet) for packet in packets]))
        self.assertEqual(self.device.counters.packets_out, before + len(packets))

    def send(self, destination: str = OTHER) -> None:
        """Have a local program send something."""
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as program:
            program.sendto(b"hello", (destination, 9, 0, self.index))

    def neighbor(self, address: str = OTHER) -> tuple[str | None, int]:
        """Return what the kernel knows of a neighbour: its Ethernet address and its state."""
        with IPRoute() as netlink:
            for entry in netlink.get_neighbours(family=socket.AF_INET6, ifindex=self.index):
                if entry.get_attr("NDA_DST") == address:
                    return entry.get_attr("NDA_LLADDR"), entry["state"]
        return None, 0

    def probe_neighbor(self, address: str = OTHER) -> None:
        """Have the kernel ask a neighbour whether it is still there, as it does once its doubts are old enough."""
        with IPRoute() as netlink:
            netlink.neigh("replace", dst=address, lladdr=NEIGHBORS.hex(":"), ifindex=self.index, state=NUD_PROBE)


class ResolutionTests(KernelCase):
    """The kernel and its neighbours."""

    def test_resolved(self) -> None:
        """A packet goes out at once; the question for its neighbour's Ethernet address does not."""
        self.up()
        self.send()
        self.expect(lambda packet: packet.dst == OTHER, "the packet")
        self.assertEqual(self.neighbor()[0], NEIGHBORS.hex(":"))
        self.assertFalse([packet for packet in self.read() if ICMPv6ND_NS in packet])
        self.assertEqual((self.device.counters.packets_out, self.device.counters.drops), (0, {}))

    def test_alive(self) -> None:
        """True if a neighbour is still there is asked on the link, without options; the answer counts (3)."""
        self.up()
        self.send()
        self.expect(lambda packet: packet.dst == OTHER, "the packet")
        self.assertFalse(self.neighbor()[1] & NUD_REACHABLE)
        self.probe_neighbor()
        asked = self.expect(lambda packet: ICMPv6ND_NS in packet, "the kernel's question")
        self.assertEqual((asked.src, asked.dst, asked[ICMPv6ND_NS].tgt, asked.plen), ("fe80::1", OTHER, OTHER, 24))
        self.write(IPv6(src=OTHER, dst="fe80::1") / ICMPv6ND_NA(tgt=OTHER, R=0, S=1, O=1))
        wait_until(lambda: self.neighbor() == (NEIGHBORS.hex(":"), NUD_REACHABLE), "a reachable neighbour")

    def test_dead(self) -> None:
        """A neighbour that does not answer is found out, and is tried again when there is something for it."""
        self.up()
        self.probe_neighbor()
        wait_until(lambda: self.read() and self.neighbor()[1] == NUD_FAILED, "a neighbour given up")
        self.assertEqual(len([packet for packet in self.sent if ICMPv6ND_NS in packet]), 3)
        self.send()
        self.expect(lambda packet: packet.dst == OTHER and ICMPv6ND_NS not in packet, "the packet")

    def test_asked(self) -> None:
        """A neighbour that asks, without a link-layer address, is answered without one, and not asked back (3)."""
        self.up()
        self.write(IPv6(src=OTHER, dst="ff02::1:ff00:1") / ICMPv6ND_NS(tgt=OWN))
        told = self.expect(lambda packet: ICMPv6ND_NA in packet, "the kernel's answer")
        self.assertEqual((told.src, told.dst, told[ICMPv6ND_NA].tgt, told.plen), (OWN, OTHER, OWN, 24))
        self.assertEqual(self.neighbor()[0], NEIGHBORS.hex(":"))
        self.assertFalse([packet for packet in self.read() if ICMPv6ND_NS in packet])

    def test_address_changed(self) -> None:
        """When somebody gives the device another Ethernet address, the kernel still takes what is for it."""
        self.up()
        for address in (FOREIGN, "02:00:00:00:00:10"):
            with IPRoute() as netlink:
                netlink.link("set", index=self.index, address=address)
            self.write(IPv6(src=OTHER, dst=OWN) / ICMPv6EchoRequest())
            self.expect(lambda packet: ICMPv6EchoReply in packet, f"an answer from {address}")

    def test_renamed(self) -> None:
        """A device that somebody has renamed goes on."""
        self.up()
        link_up(NAME, down=True)
        with IPRoute() as netlink:
            netlink.link("set", index=self.index, ifname="renamed")
        link_up("renamed")
        add_address(self.index, OWN, 64)
        self.write(IPv6(src=OTHER, dst=OWN) / ICMPv6EchoRequest())
        self.expect(lambda packet: ICMPv6EchoReply in packet, "an answer")

    def test_closed(self) -> None:
        """Packets written after the end are dropped and counted."""
        self.device.close()
        self.device.write(Batch.of([test_device.SHORT]))
        expected = Counters()
        expected.dropped(DropReason.DEVICE_REFUSED)
        self.assertEqual(self.device.counters, expected)


class AutoconfigurationTests(KernelCase):
    """The kernel finds its addresses."""

    def test_solicitation(self) -> None:
        """Router Solicitations have no link-layer address, be it that the kernel has an address already (3)."""
        self.up(address=False)
        solicitation = self.expect(lambda packet: ICMPv6ND_RS in packet, "a Router Solicitation")
        self.assertEqual((solicitation.src[:4], solicitation.dst, solicitation.plen), ("fe80", "ff02::2", 8))

    def test_addresses(self) -> None:
        """From a Router Advertisement the kernel forms an address and proves it; the router needs no question."""
        self.up(address=False)
        self.expect(lambda packet: ICMPv6ND_RS in packet, "a Router Solicitation")
        self.write(self.advertisement())
        probe = self.expect(lambda packet: ICMPv6ND_NS in packet and packet.src == "::", "a probe")
        self.assertTrue(probe[ICMPv6ND_NS].tgt.startswith("2001:db8:2:"))
        self.assertEqual(probe.plen, 24)  # neither a nonce nor a link-layer address
        self.assertEqual(self.neighbor(ROUTER), (NEIGHBORS.hex(":"), NUD_STALE))

    def advertisement(self, lifetime: int = 0) -> Any:
        """Build a router's advertisement of the prefix."""
        prefix = ICMPv6NDOptPrefixInfo(prefix="2001:db8:2::", prefixlen=64)
        return IPv6(src=ROUTER, dst="ff02::1") / ICMPv6ND_RA(routerlifetime=lifetime) / prefix

    def test_long_advertisement(self) -> None:
        """There is room for the option even where the link has none left."""
        self.up(address=False)
        self.expect(lambda packet: ICMPv6ND_RS in packet, "a Router Solicitation")
        whole = bytes(self.advertisement() / (bytes((200, 149)) + bytes(1190)))  # an option that nobody knows
        self.assertEqual(len(whole), 1280)
        self.write(whole)
        wait_until(lambda: self.neighbor(ROUTER)[0], "the router")

    def test_router_stays_router(self) -> None:
        """A router given up and found again is still the default router (RFC 4861 section 7.2.5)."""
        self.up(address=False)
        add_address(self.index, OWN, 64)
        self.expect(lambda packet: ICMPv6ND_RS in packet, "a Router Solicitation")
        self.write(self.advertisement(lifetime=1800))
        wait_until(self.default_routers, "a default route")
        self.probe_neighbor(ROUTER)
        wait_until(lambda: self.read() and self.neighbor(ROUTER)[1] == NUD_FAILED, "a router given up")
        self.send("2001:db8:1::1")
        self.expect(lambda packet: packet.dst == "2001:db8:1::1", "the packet")
        self.assertEqual(self.default_routers(), [ROUTER])

    def default_routers(self) -> list[str]:
        """Return the default routers that the kernel knows."""
        with IPRoute() as netlink:
            return [route.get_attr("RTA_GATEWAY") for route in netlink.get_default_routes(family=socket.AF_INET6)]


class DuplicateAddressTests(KernelCase):
    """Duplicate Address Detection."""

    def flags(self, address: str = WANTED) -> int:
        """Return the flags of an address of the kernel's."""
        with IPRoute() as netlink:
            for entry in netlink.get_addr(family=socket.AF_INET6, index=self.index):
                if entry.get_attr("IFA_ADDRESS") == address:
                    return int(entry.get_attr("IFA_FLAGS"))
        raise AssertionError(f"{address} is not there")

    def probe(self) -> None:
        """Give the kernel an address, and await its probe."""
        self.up()
        Path(f"/proc/sys/net/ipv6/neigh/{NAME}/retrans_time_ms").write_text("2000")
        self.add(WANTED)
        probe = self.expect(lambda packet: ICMPv6ND_NS in packet, "the probe")
        self.assertEqual((probe.src, probe.dst, probe[ICMPv6ND_NS].tgt), ("::", "ff02::1:ff00:3", WANTED))
        self.assertEqual(probe.plen, 24)  # no nonce

    def test_free(self) -> None:
        """An address that nobody defends can be used."""
        self.up()
        self.add(WANTED)
        wait_until(lambda: not self.flags() & IFA_F_TENTATIVE, "a usable address")
        self.assertFalse(self.flags() & IFA_F_DADFAILED)

    def test_defended(self) -> None:
        """One that is defended, as 3.2.5.2.2 has it, without a link-layer address, is a duplicate."""
        self.probe()
        self.write(IPv6(src=WANTED, dst="ff02::1") / ICMPv6ND_NA(tgt=WANTED, R=0, S=0, O=1))
        wait_until(lambda: self.flags() & IFA_F_DADFAILED, "a duplicate")

    def test_also_wanted(self) -> None:
        """One that somebody else probes for at the same time is a duplicate (RFC 4862 section 5.4.3)."""
        self.probe()
        self.write(IPv6(src="::", dst="ff02::1:ff00:3") / ICMPv6ND_NS(tgt=WANTED))
        wait_until(lambda: self.flags() & IFA_F_DADFAILED, "a duplicate")

    def test_defends(self) -> None:
        """The kernel defends its own address on the link, without a link-layer address."""
        self.up()
        self.write(IPv6(src="::", dst="ff02::1:ff00:1") / ICMPv6ND_NS(tgt=OWN))
        told = self.expect(lambda packet: ICMPv6ND_NA in packet, "the kernel's answer")
        self.assertEqual((told.src, told.dst, told[ICMPv6ND_NA].tgt, told.plen), (OWN, "ff02::1", OWN, 24))
