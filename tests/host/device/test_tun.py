"""Properties of the kernel's TUN device only: names, descriptor, and the kernel's side."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from pyroute2 import IPRoute
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.counters import Counters
from iphttps.core.errors import ConfigError, DropReason
from iphttps.core.ip import ipv6
from iphttps.core.ip.batch import EMPTY, Batch
from iphttps.host.device.offload import OffloadTunDevice
from iphttps.host.device.tun import LONGEST, TunDevice
from iphttps.lab.poll import wait_until
from tests.support import NO_NEXT_HEADER

from ..support import NamespaceCase, add_address, in_child, link_up, need_another_user, setting, without_privilege

NAME = "iphttps-test"
ETH_P_IPV6 = 0x86DD  # linux/if_ether.h


def interfaces() -> list[str]:
    """Return the names of the interfaces in this namespace."""
    return [name for _, name in socket.if_nameindex()]


class InvalidNameTests(SynchronousTestCase):
    """Names that no interface can have; nothing is asked of the kernel."""

    def test_invalid(self) -> None:
        """A name that the kernel would reject, or change, is the operator's error, and quoted."""
        for name in (
            "", "sixteen-letters-", "two words", "tab\t", "line\n", "a/b", "a:b", ".", "..", "tun%d",
            "zero\0", "tünnel", "\udcff", "all", "default",
        ):  # fmt: skip
            error = self.assertRaises(ConfigError, TunDevice, name)
            expected = f"{name!r} is not a valid interface name: use 1 to 15 letters, digits and signs other than /:%"
            self.assertEqual(str(error), expected)


class TunDeviceTests(NamespaceCase):
    """A TUN device by itself."""

    kind: type[TunDevice] = TunDevice

    def device(self, name: str = NAME) -> TunDevice:
        """Make a device, which is closed after the test."""
        device = self.kind(name)
        self.addCleanup(device.close)
        return device

    def test_life(self) -> None:
        """The interface is there while the device is open, and gone when it is closed."""
        device = self.device()
        self.assertEqual(interfaces(), ["lo", NAME])
        device.close()
        self.assertEqual(interfaces(), ["lo"])

    def test_longest_name(self) -> None:
        """A name may have 15 characters, and any sign that the kernel allows."""
        for name in ("fifteen-letters", "a", "vpn.0@home+[x]"):
            self.device(name)
            self.assertIn(name, interfaces())

    def test_name_taken(self) -> None:
        """A name that is taken is the operator's error, whoever has it."""
        self.device()
        for name in (NAME, "lo"):
            error = self.assertRaises(ConfigError, TunDevice, name)
            self.assertIn(f"interface {name} already exists: stop the program that created it", str(error))

    def test_name_of_another_namespace(self) -> None:
        """A name is not taken by an interface in another namespace, which /sys may still show."""
        for outside in sorted(set(os.listdir("/sys/class/net")) - set(interfaces())):
            self.device(outside)
            self.assertIn(outside, interfaces())

    def test_descriptor(self) -> None:
        """The descriptor never blocks, and no program started from here inherits it."""
        descriptor = self.device().fileno()
        self.assertEqual((os.get_blocking(descriptor), os.get_inheritable(descriptor)), (False, False))
        look = f"import os; print(os.path.exists('/proc/self/fd/{descriptor}'))"
        done = subprocess.run([sys.executable, "-c", look], close_fds=False, capture_output=True, check=True)
        self.assertEqual(done.stdout, b"False\n")

    def test_no_privilege(self) -> None:
        """Without the privilege to create an interface the error names the privilege."""
        need_another_user()
        sentence = in_child(self._without_privilege)
        self.assertRegex(sentence, f"^cannot create the interface {NAME}: .*(root|CAP_NET_ADMIN|chmod 666)")

    def _without_privilege(self) -> str:
        without_privilege()
        return str(self.assertRaises(ConfigError, TunDevice, NAME))

    def test_removed(self) -> None:
        """When somebody removes the interface, a read says so by an error."""
        device = self.device()
        with IPRoute() as netlink:
            netlink.link("del", ifname=NAME)
        self.assertRaises(OSError, device.read)


class KernelTests(NamespaceCase):
    """A TUN device and what comes into it."""

    kind: type[TunDevice] = TunDevice

    def setUp(self) -> None:
        """Make a link that is up and silent."""
        super().setUp()
        self.device = self.kind(NAME)
        self.addCleanup(self.device.close)
        setting(NAME, "disable_ipv6", 1)
        link_up(NAME)

    def talk(self) -> None:
        """Let the kernel have IPv6 on the link, without asking anybody first."""
        setting(NAME, "addr_gen_mode", 1)
        setting(NAME, "disable_ipv6", 0)
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname=NAME)
        add_address(index, "2001:db8:2::1", 64)

    def test_rubbish_from_programs(self) -> None:
        """Rubbish that a local program writes into the device is dropped and counted, never passed on (3.1.5.3)."""
        good = ipv6.packet(bytes(16), bytes(16), NO_NEXT_HEADER, b"")
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IPV6)) as program:
            program.bind((NAME, ETH_P_IPV6))
            program.send(b"\x45" + good[1:])  # the wrong version
            program.send(good[:5] + b"\x01" + good[6:])  # a Payload Length that promises more
            program.send(good + b"x")  # and one that hides some
            program.send(good[:1])
            program.send(good)
        self.assertEqual(list(self.device.read()), [good])
        expected = Counters(packets_in=1, bytes_in=len(good))
        expected.dropped(DropReason.NOT_IPV6, 2)
        expected.dropped(DropReason.WRONG_LENGTH, 2)
        self.assertEqual(self.device.counters, expected)

    def test_too_long(self) -> None:
        """A packet longer than is ever read at once is dropped whole, not cut."""
        with IPRoute() as netlink:
            netlink.link("set", index=netlink.link_lookup(ifname=NAME)[0], mtu=9000)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IPV6)) as program:
            program.bind((NAME, ETH_P_IPV6))
            program.send(ipv6.packet(bytes(16), bytes(16), NO_NEXT_HEADER, bytes(LONGEST)))
        self.assertEqual(self.device.read(), EMPTY)
        self.assertEqual(self.device.counters.drops, {DropReason.OVERSIZE: 1})

    def test_ipv4(self) -> None:
        """IPv4 that somebody routes into the device is dropped and counted."""
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname=NAME)
            netlink.addr("add", index=index, address="192.0.2.1", prefixlen=24)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as program:
            program.sendto(b"hello", ("192.0.2.2", 9))
        self.assertEqual(self.device.read(), EMPTY)
        self.assertEqual(self.device.counters.drops, {DropReason.NOT_IPV6: 1})

    def test_from_a_program(self) -> None:
        """A program's packets to an address on the link are read from the device."""
        self.talk()
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as program:
            program.sendto(b"hello", ("2001:db8:2::2", 9))
        # The kernel also reports that it listens to multicast.
        (packet,) = [each for each in self.device.read() if each[ipv6.NEXT_HEADER] == ipv6.UDP]
        self.assertEqual(packet[ipv6.HEADER_LENGTH + 8 :], b"hello")

    def test_to_a_program(self) -> None:
        """Packets written into the device reach the receiving program."""
        self.talk()
        source, destination = (socket.inet_pton(socket.AF_INET6, text) for text in ("2001:db8:2::2", "2001:db8:2::1"))
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as program:
            program.bind(("2001:db8:2::1", 0))
            program.setblocking(False)
            ports = (9).to_bytes(2, "big") + program.getsockname()[1].to_bytes(2, "big")
            bare = ports + (13).to_bytes(2, "big") + b"\0\0hello"
            total = ipv6.checksum(source, destination, ipv6.UDP, bare).to_bytes(2, "big")
            packet = ipv6.packet(source, destination, ipv6.UDP, bare[:6] + total + bare[8:])

            def heard() -> bytes | None:
                # Said again and again: a new address takes a moment before the kernel delivers to it.
                self.device.write(Batch.of([packet]))
                try:
                    return program.recv(100)
                except BlockingIOError:
                    return None

            self.assertEqual(wait_until(heard, "a packet out of the device"), b"hello")


class OffloadTunDeviceTests(TunDeviceTests):
    """A TUN device with segmentation offload by itself."""

    kind = OffloadTunDevice


class OffloadKernelTests(KernelTests):
    """A TUN device with segmentation offload, and what comes into it."""

    kind = OffloadTunDevice
