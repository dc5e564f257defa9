"""Segmentation offload: that nobody can tell it from the exchange of single packets, except by the time it takes.

Packets are joined for a write and cut after a read. Between the two stands the kernel, which routes from one device to
another; what comes out must be what went in, with a Hop Limit one less.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import socket
import struct
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from hypothesis import given, settings
from pyroute2 import IPRoute
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.utils import rdpcap

from iphttps.core.errors import DropReason
from iphttps.core.ip import ipv6
from iphttps.core.ip.batch import Batch
from iphttps.core.ip.ipv6 import MINIMUM_MTU as LONGEST
from iphttps.host.device import _offload
from iphttps.host.device.offload import OffloadTunDevice
from iphttps.host.device.tun import KernelDevice, TunDevice
from iphttps.lab.poll import wait_until

from ..support import NamespaceCase, add_address, ipv4_setting, link_up, setting
from .flows import (
    ACK,
    FAR,
    GSO_UDP_L4,
    NEAR,
    VERSIONS,
    by_flow,
    is_unicast,
    routed,
    streams,
    tcp,
    translated,
    udp,
)  # fmt: skip

T = TypeVar("T")

RECORDED = Path(__file__).with_name("flows.pcap.gz")
"""Between two kernels: TCP with time stamps, ECN, packets marked and lost, SACK, urgent data, a reset; UDP."""

UDP_SEGMENT = 103  # linux/udp.h


class RouteTests(NamespaceCase):
    """From a device through the kernel's routing to another."""

    def setUp(self) -> None:
        """Make three silent devices: two with offload, and one that shows single packets as the kernel has them."""
        super().setUp()
        setting("all", "forwarding", 1)
        ipv4_setting("all", "forwarding", 1)
        for name in ("all", "default"):  # the sender is on no link
            ipv4_setting(name, "rp_filter", 0)
        self.first, self.second = self.device(OffloadTunDevice, "first"), self.device(OffloadTunDevice, "second")
        self.plain = self.device(TunDevice, "plain")

    def device(self, kind: type[TunDevice], name: str) -> TunDevice:
        """Make a device that carries both versions of IP."""
        device = kind(name, ipv4=True)
        self.addCleanup(device.close)
        setting(name, "addr_gen_mode", 1)
        link_up(name)
        return device

    def through(self, limiter: KernelDevice, way_out: KernelDevice, packets: list[bytes]) -> list[bytes]:
        """Write packets into a device, and return what is read from another."""
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname=way_out.name)
            netlink.route("replace", dst="2001:db8:aa::/64", oif=index)
            netlink.route("replace", dst="192.0.2.0/24", oif=index)
        found: list[bytes] = []
        limiter.write(Batch.of(packets))

        def complete() -> bool:
            # The kernel also reports, to multicast groups, that it is a router.
            found.extend(filter(is_unicast, way_out.read()))
            return len(found) >= len(packets)

        wait_until(complete, "the packets to be routed")
        return found

    def assert_same(self, packets: list[bytes]) -> None:
        """Check every way through the kernel."""
        expected = by_flow(map(routed, packets))
        for limiter, way_out in ((self.first, self.plain), (self.first, self.second), (self.plain, self.second)):
            with_what = f"{limiter.name} to {way_out.name}"
            self.assertEqual(expected, by_flow(self.through(limiter, way_out, packets)), with_what)

    @settings(max_examples=60)
    @given(streams())
    def test_any_stream(self, packets: list[bytes]) -> None:
        """All packets arrive unchanged and in order within each flow, damaged ones included."""
        self.assert_same(packets)

    def test_recorded(self) -> None:
        """Packets of real kernels arrive unchanged, with right checksums by scapy."""
        packets = [bytes(packet[IPv6]) for packet in rdpcap(str(RECORDED)) if IPv6 in packet]
        packets = [packet for packet in packets if packet[24] != 0xFF and packet[6] in (6, 17)]
        self.assertGreater(len(packets), 500)
        for version in (packets, translated(packets)):
            for start in range(0, len(packets), 60):
                self.assert_same(version[start : start + 60])
            for packet in self.through(self.first, self.second, version[:60]):
                assert_checksum(packet)

    def test_longest(self) -> None:
        """As much as one superpacket holds, and more."""
        for version, size in itertools.product(VERSIONS, (1220, 1200, 30)):
            self.assert_same([
                tcp(1, size * number, ACK, bytes(size), version=version, identification=number) for number in range(130)
            ])  # fmt: skip

    def test_refused(self) -> None:
        """While the link is down every packet of a superpacket is counted as dropped."""
        link_up("first", down=True)
        packets = [tcp(1, 1000 * number, ACK, bytes(1000)) for number in range(5)]
        self.first.write(Batch.of(packets))
        self.assertEqual(5, self.first.counters.drops.total())
        self.assertEqual((0, 0), (self.first.counters.packets_out, self.first.counters.bytes_out))

    def test_bounds(self) -> None:
        """Bounds that do not fit the data are rejected, and nothing is read that is not there."""
        for bounds in ([0, 50], [40, 0], [0, 2**32 - 1]):
            raw = b"".join(bound.to_bytes(4, "little") for bound in bounds)
            self.assertRaises(ValueError, _offload.write, self.first.descriptor, bytes(40), raw, True)


class MirrorTests(NamespaceCase):
    """The kernel's own TCP and UDP, which speaks to itself through a mirror: source and destination change places."""

    ipv4 = False
    family = socket.AF_INET6
    near, far, length = "2001:db8:aa::1", "2001:db8:aa::2", 64
    mtu = 1280

    def setUp(self) -> None:
        """Make a device, with an address."""
        super().setUp()
        self.device = OffloadTunDevice("mirror", ipv4=self.ipv4, mtu=self.mtu)
        self.addCleanup(self.device.close)
        setting("mirror", "addr_gen_mode", 1)
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname="mirror")
            netlink.link("set", index=index, mtu=self.mtu, state="up")
        add_address(index, self.near, self.length)
        self.longest = 0
        self.sent: list[bytes] = []

    def mirror(self) -> None:
        """Read superpackets one at a time, and write the packets back, their addresses exchanged."""
        data, raw, *drops = _offload.read(self.device.descriptor, 1, self.ipv4, self.mtu)
        self.assertEqual([0, 0, 0], drops)
        packets = list(Batch(data, memoryview(raw).cast("I").tolist()))
        self.longest = max(self.longest, len(packets))
        self.sent += filter(is_unicast, packets)
        self.device.write(Batch.of(map(exchanged, packets)))

    def reflect(self, done: Callable[[], T]) -> T:
        """Mirror what comes, without a pause, which TCP would take for a long way, until something is done."""
        deadline = time.monotonic() + 30
        while not (result := done()):
            self.assertLess(time.monotonic(), deadline)
            self.mirror()
        return result

    def test_tcp(self) -> None:
        """A megabyte arrives, in packets of at most the MTU with right checksums, many of them at a time."""
        listener = socket.create_server((self.near, 5000), family=self.family)
        self.addCleanup(listener.close)
        listener.setblocking(False)
        sender = socket.socket(self.family)
        self.addCleanup(sender.close)
        sender.setblocking(False)
        sender.connect_ex((self.far, 5000))
        accepted = self.reflect(lambda: self.accepted(listener))
        assert accepted is not None
        self.addCleanup(accepted.close)
        content = os.urandom(1 << 20)
        received, offset = bytearray(), 0

        def arrived() -> bool:
            nonlocal offset
            with contextlib.suppress(BlockingIOError):
                offset += sender.send(content[offset:]) if offset < len(content) else 0
            with contextlib.suppress(BlockingIOError):
                received.extend(accepted.recv(1 << 20))
            return len(received) >= len(content)

        self.reflect(arrived)
        self.assertEqual(hashlib.sha256(content).digest(), hashlib.sha256(received).digest())
        self.assertGreater(self.longest, 10)
        self.assertEqual(max(map(len, self.sent)), self.mtu)
        for packet in self.sent:
            assert_checksum(packet)

    def accepted(self, listener: socket.socket) -> socket.socket | None:
        """Return the connection once it is there."""
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return None
        connection.setblocking(False)
        return connection

    def test_udp(self) -> None:
        """Datagrams that a program sends together leave as datagrams, and arrive as such."""
        receiver, sender = (socket.socket(self.family, socket.SOCK_DGRAM) for _ in range(2))
        self.addCleanup(receiver.close)
        self.addCleanup(sender.close)
        receiver.bind((self.near, 5001))
        receiver.setblocking(False)
        sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 500)
        content = os.urandom(10 * 500 - 100)
        found: list[bytes] = []

        def arrived() -> bool:
            with contextlib.suppress(BlockingIOError):
                found.append(receiver.recv(2048))
            return len(found) == 10

        sender.sendto(content, (self.far, 5001))
        self.reflect(arrived)
        self.assertEqual([content[at : at + 500] for at in range(0, len(content), 500)], found)
        self.assertEqual(10, self.longest)
        for packet in self.sent:
            assert_checksum(packet)


class MirrorIPv4Tests(MirrorTests):
    """The same with IPv4."""

    ipv4 = True
    family = socket.AF_INET
    near, far, length = "192.0.2.1", "192.0.2.2", 24
    mtu = 1400


class CutTests(NamespaceCase):
    """Packets and offload hints of privileged local programs."""

    def setUp(self) -> None:
        """Make a device without IPv6 of its own, and a socket that sends hints."""
        super().setUp()
        self.device = OffloadTunDevice("cut")
        self.addCleanup(self.device.close)
        setting("cut", "disable_ipv6", 1)
        link_up("cut")

    def test_too_long(self) -> None:
        """A single packet that is longer than the link ever has is dropped, as without offload."""
        with IPRoute() as netlink:
            netlink.link("set", index=netlink.link_lookup(ifname="cut")[0], mtu=9000)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86DD)) as program:
            program.bind(("cut", 0x86DD))
            program.send(ipv6.packet(NEAR, FAR, 59, bytes(LONGEST - 40), 64))
            program.send(ipv6.packet(NEAR, FAR, 59, bytes(LONGEST - 39), 64))
        self.assertEqual(1, len(self.device.read()))
        self.assertEqual({DropReason.OVERSIZE: 1}, self.device.counters.drops)

    def test_long_segments(self) -> None:
        """A superpacket of which a segment is longer, its headers included, is dropped: not only if its payload is."""
        headers = 40 + 8
        for size, cut in ((LONGEST - headers, True), (LONGEST - headers + 1, False), (LONGEST, False), (0xFFFF, False)):
            packet = udp(9, bytes(2 * (LONGEST - 20)))
            hint = struct.pack("=BBHHHH", 1, GSO_UDP_L4, headers, size, 40, 6)  # NEEDS_CSUM
            near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            with near, far:
                far.setblocking(False)
                near.send(hint + packet)
                _, raw, *drops = _offload.read(far.fileno(), 1, False, LONGEST)
            lengths = [end - start for start, end in pairwise(memoryview(raw).cast("I"))]
            self.assertEqual((cut, int(not cut)), (LONGEST in lengths, drops[2]), size)
            self.assertLessEqual(max(lengths, default=0), LONGEST)


def assert_checksum(packet: bytes) -> None:
    """Check the checksums of TCP or UDP, and of an IPv4 header, by what scapy makes them."""
    header = IP if packet[0] >> 4 == 4 else IPv6
    parsed = header(packet)
    layer = TCP if TCP in parsed else UDP
    for each in (layer, IP) if header is IP else (layer,):
        there = parsed[each].chksum
        del parsed[each].chksum
        wanted = header(bytes(parsed))[each].chksum
        assert wanted == there, f"{there:#06x} where {wanted:#06x} must stand: {packet.hex()}"


def exchanged(packet: bytes) -> bytes:
    """Return the packet with its source and its destination exchanged, which changes no checksum."""
    at, size = (12, 4) if packet[0] >> 4 == 4 else (8, 16)
    middle, end = at + size, at + 2 * size
    return packet[:at] + packet[middle:end] + packet[at:middle] + packet[end:]
