"""Packet devices: the same tests on the one in memory and on the kernel's."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.counters import Counters
from iphttps.core.errors import DropReason
from iphttps.core.ip import ipv4, ipv6
from iphttps.core.ip.batch import EMPTY, Batch
from iphttps.host.device.memory import MemoryDevice
from iphttps.host.device.offload import OffloadTunDevice
from iphttps.host.device.tun import READS, KernelDevice, TunDevice
from iphttps.net.interfaces import PacketDevice

from .support import NamespaceCase, link_up, setting

if TYPE_CHECKING:
    Case = SynchronousTestCase
else:
    Case = object

NAME = "iphttps-test"
ETH_P_ALL = 3  # linux/if_ether.h
PACKET_OUTGOING = 4  # linux/if_packet.h
SOURCE = bytes.fromhex("20010db8000200000000000000001001")
DESTINATION = bytes.fromhex("20010db8000100000000000000000080")


def packet(payload: bytes) -> bytes:
    """Build a packet."""
    return ipv6.packet(SOURCE, DESTINATION, ipv6.UDP, payload, 64)


SHORT, LONG = packet(b""), packet(bytes(1240))
IPV4, LONG4 = (ipv4.packet(bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)), 253, bytes(size)) for size in (0, 1260))


class DeviceTestsMixin(Case):
    """The requirements for a device; each kind defines how its other side sends and receives."""

    device: PacketDevice

    def inject(self, *packets: bytes) -> None:
        """Send packets into the device, as the kernel or a local program does."""
        raise NotImplementedError

    def taken(self, count: int) -> list[bytes]:
        """Return the packets that the other side got, when there are so many."""
        raise NotImplementedError

    def take_down(self) -> None:
        """Take the link down."""
        raise NotImplementedError

    def readable(self) -> bool:
        """Tell whether the reactor would find the device readable."""
        return bool(select.select([self.device.fileno()], [], [], 0)[0])

    def test_name(self) -> None:
        """A device bears the name it was given, and has counted nothing."""
        self.assertEqual((self.device.name, self.device.counters), (NAME, Counters()))

    def test_read(self) -> None:
        """Waiting packets are read as one batch, unchanged and in order."""
        self.inject(LONG, SHORT, LONG)
        self.assertEqual(list(self.device.read()), [LONG, SHORT, LONG])
        self.assertEqual(self.device.counters, Counters(packets_in=3, bytes_in=len(LONG + SHORT + LONG)))

    def test_nothing_waits(self) -> None:
        """If nothing waits, a read gives an empty batch at once."""
        self.assertEqual((self.device.read(), self.device.counters), (EMPTY, Counters()))

    def test_bounded_read(self) -> None:
        """One read takes a bounded number of packets; the rest waits for the next."""
        self.inject(*[SHORT] * (READS + 2))
        self.assertEqual([len(self.device.read()) for _ in range(3)], [READS, 2, 0])

    def test_readable(self) -> None:
        """The descriptor is readable while packets wait, and only then."""
        self.assertFalse(self.readable())
        self.inject(SHORT, LONG)
        self.assertTrue(self.readable())
        self.device.read()
        self.assertFalse(self.readable())

    def test_rubbish(self) -> None:
        """Data that is not exactly one IPv6 packet is dropped and counted; its neighbours pass (3.1.5.3)."""
        ipv4 = bytes.fromhex("45000014000040004001f9310a0000010a000002")
        too_long, too_short = packet(b"12345")[:-1], packet(b"12345") + b"6"
        self.inject(SHORT, ipv4, LONG, too_long, too_short, SHORT[:39], SHORT)
        self.assertEqual(list(self.device.read()), [SHORT, LONG, SHORT])
        expected = Counters(packets_in=3, bytes_in=len(SHORT + LONG + SHORT))
        expected.dropped(DropReason.NOT_IPV6, 2)
        expected.dropped(DropReason.WRONG_LENGTH, 2)
        self.assertEqual(self.device.counters, expected)

    def test_oversize(self) -> None:
        """A packet longer than the link's MTU is dropped, regardless of the device's MTU (3.2.3.1)."""
        self.inject(packet(bytes(1241)), LONG, packet(bytes(1404)))
        self.assertEqual(list(self.device.read()), [LONG])
        self.assertEqual(self.device.counters.drops, {DropReason.OVERSIZE: 2})

    def test_nothing_but_rubbish(self) -> None:
        """If only rubbish waits, a read gives an empty batch, and the rubbish is gone."""
        self.inject(b"rubbish")
        self.assertEqual(self.device.read(), EMPTY)
        self.assertFalse(self.readable())

    def test_write(self) -> None:
        """Each packet of a batch arrives whole, in order."""
        self.device.write(Batch.of([LONG, SHORT, LONG]))
        self.assertEqual(self.taken(3), [LONG, SHORT, LONG])
        self.assertEqual(self.device.counters, Counters(packets_out=3, bytes_out=len(LONG + SHORT + LONG)))

    def test_write_nothing(self) -> None:
        """An empty batch changes nothing."""
        self.device.write(EMPTY)
        self.assertEqual(self.device.counters, Counters())

    def test_link_down(self) -> None:
        """While the link is down packets are dropped, counted as that and as nothing else."""
        self.take_down()
        self.device.write(Batch.of([SHORT, LONG]))
        expected = Counters()
        expected.dropped(DropReason.DEVICE_REFUSED, 2)
        self.assertEqual(self.device.counters, expected)

    def test_close(self) -> None:
        """A device that is closed cannot be read; to close it again does nothing."""
        self.device.close()
        self.device.close()
        self.assertRaises(OSError, self.device.read)


class BothVersionsTestsMixin(DeviceTestsMixin):
    """The requirements for a device that carries IPv4 besides IPv6."""

    def test_read(self) -> None:
        """Packets of both versions are read as one batch, unchanged and in order."""
        self.inject(LONG, IPV4, SHORT, LONG4)
        self.assertEqual(list(self.device.read()), [LONG, IPV4, SHORT, LONG4])
        self.assertEqual(self.device.counters, Counters(packets_in=4, bytes_in=len(LONG + IPV4 + SHORT + LONG4)))

    def test_write(self) -> None:
        """Packets of both versions arrive whole, in order."""
        self.device.write(Batch.of([LONG, IPV4, SHORT, LONG4]))
        self.assertEqual(self.taken(4), [LONG, IPV4, SHORT, LONG4])
        self.assertEqual(self.device.counters, Counters(packets_out=4, bytes_out=len(LONG + IPV4 + SHORT + LONG4)))

    def test_rubbish(self) -> None:
        """Data that is not exactly one packet is dropped and counted; its neighbours pass."""
        header_short, header_long = b"\x44" + IPV4[1:], b"\x4f" + IPV4[1:]
        self.inject(IPV4, b"\x55" + IPV4[1:], LONG[:39], IPV4[:19], IPV4 + b"x", LONG4[:-1], header_short, header_long)
        self.inject(LONG, packet(b"")[:-1] + b"xx", ipv4.packet(SOURCE[:4], SOURCE[:4], 17, bytes(1261)), IPV4)
        self.assertEqual(list(self.device.read()), [IPV4, LONG, IPV4])
        expected = Counters(packets_in=3, bytes_in=len(IPV4 + LONG + IPV4))
        expected.dropped(DropReason.NOT_IP, 3)
        expected.dropped(DropReason.WRONG_LENGTH, 5)
        expected.dropped(DropReason.OVERSIZE, 1)
        self.assertEqual(self.device.counters, expected)


class MemoryDeviceTests(DeviceTestsMixin, SynchronousTestCase):
    """The device in memory."""

    ipv4 = False

    def setUp(self) -> None:
        """Make it."""
        self.device: MemoryDevice = MemoryDevice(NAME, ipv4=self.ipv4)
        self.addCleanup(self.device.close)

    def inject(self, *packets: bytes) -> None:
        """Send packets into the device."""
        for each in packets:
            self.device.inject(each)

    def taken(self, count: int) -> list[bytes]:
        """Return what the other side got."""
        return self.device.taken

    def take_down(self) -> None:
        """Take the link down."""
        self.device.up = False


class TunDeviceTests(DeviceTestsMixin, NamespaceCase):
    """The kernel's TUN device, whose other side is a program with a packet socket."""

    kind: type[KernelDevice] = TunDevice

    def setUp(self) -> None:
        """Make it, without IPv6 of its own, so that the kernel says nothing unasked."""
        super().setUp()
        self.device = self.make()
        self.addCleanup(self.device.close)
        setting(NAME, "disable_ipv6", 1)
        link_up(NAME)
        self.program = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.addCleanup(self.program.close)
        self.program.bind((NAME, ETH_P_ALL))
        self.program.settimeout(10)

    def make(self) -> KernelDevice:
        """Make the device."""
        return self.kind(NAME)

    def inject(self, *packets: bytes) -> None:
        """Send packets into the device."""
        for each in packets:
            self.program.send(each)

    def taken(self, count: int) -> list[bytes]:
        """Return what the kernel got from the device."""
        packets: list[bytes] = []
        while len(packets) < count:
            data, address = self.program.recvfrom(1 << 16)
            if address[2] != PACKET_OUTGOING:
                packets.append(data)
        return packets

    def take_down(self) -> None:
        """Take the link down."""
        link_up(NAME, down=True)


class OffloadTunDeviceTests(TunDeviceTests):
    """The same with segmentation offload."""

    kind = OffloadTunDevice


class MemoryBothVersionsTests(MemoryDeviceTests, BothVersionsTestsMixin):
    """The device in memory, with IPv4 too."""

    ipv4 = True


class TunBothVersionsTests(TunDeviceTests, BothVersionsTestsMixin):
    """The kernel's TUN device, with IPv4 too."""

    def make(self) -> KernelDevice:
        """Make the device."""
        return self.kind(NAME, ipv4=True)


class OffloadBothVersionsTests(TunBothVersionsTests):
    """The same with segmentation offload."""

    kind = OffloadTunDevice


del DeviceTestsMixin, BothVersionsTestsMixin
