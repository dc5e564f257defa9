"""Robustness against faulty and hostile peers and local programs."""

import re
import socket
import threading
import time

from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_RA, IPv6
from scapy.packet import Raw

from iphttps.lab.laboratory import INTERFACE, TUNNEL_SERVER, addresses, tunnel_address
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_IPV4, PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import ping, wait_reachable
from tests.lab.raw import RawCase, RawClient, descriptors, inside, listen, resident

GLOBAL = "2001:db8:2::a"
ECHO = IPv6(src=GLOBAL, dst=TUNNEL_SERVER) / ICMPv6EchoRequest(id=1)

RUBBISH = {
    "an IPv4 packet": b"\x45" + bytes(39),
    "an Ethernet frame": bytes.fromhex("333300000001020000000001 86dd") + bytes(ECHO),
    "zeros": bytes(1000),
    "ones": b"\xff" * 1000,
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "one byte": b"\x00",
}


def lies(source: str, destination: str) -> list[bytes]:
    """Return what local programs can write into a TUN without its being a packet."""
    return [
        bytes(IPv6(src=source, dst=destination, nh=59, plen=9999)),
        bytes(IPv6(src=source, dst=destination, nh=59, plen=0) / Raw(bytes(56))),
        b"\x60" + bytes(20),
        b"\x45" + bytes(59),
        b"\xf0" + bytes(59),
    ]


def write_into_device(host: Namespace, packet: bytes) -> None:
    """Write into the tunnel's device as a local program can, past the kernel's IPv6."""
    with inside(host), socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x86DD)) as door:
        door.sendto(packet, (INTERFACE, 0x86DD))


class FramingTests(RawCase):
    """Bytes that are no packets."""

    def test_server_ends_the_session(self) -> None:
        """Bad framing ends that one session, and nobody else's (3.2.5.2.2)."""
        server, _ = self.tunnel()
        for name, rubbish in RUBBISH.items():
            raw = self.session()
            raw.send(ECHO)
            raw.expect(ICMPv6EchoReply)
            mark = server.mark()
            raw.send(rubbish)
            self.assertTrue(raw.read_to_end(), f"no close_notify after {name}")
            server.wait_for("disconnected: framing is lost: not an IPv6 packet", since=mark)
        self.assertEqual(0, ping(self.lab.clients[0], PRIVATE_HOST).lost)

    def test_packets_before_the_fault(self) -> None:
        """Whole packets before the fault are still delivered (3.2.5.2.2)."""
        server = self.server()
        before = self.echoes_received()
        self.session().send(bytes(ECHO) * 2 + b"\0")
        server.wait_for("disconnected")
        self.assertEqual(before + 2, self.echoes_received())

    def echoes_received(self) -> int:
        """Return how many echo requests the gateway's kernel has received."""
        counts = dict(line.split() for line in self.lab.gateway.run("cat", "/proc/net/snmp6").stdout.splitlines())
        return int(counts["Icmp6InEchos"])

    def test_half_a_packet_is_no_fault(self) -> None:
        """Half a packet waits for its other half, for as long as it takes: the server has no timers (3.2.2)."""
        self.server(authentication="none")
        raw, other = self.session(), self.session()
        raw.send(bytes(ECHO)[:30])
        other.ping("2001:db8:2::b")
        raw.send(bytes(ECHO)[30:])
        first = next(packet for packet in raw.packets() if ICMPv6ND_RA not in packet)
        self.assertEqual(1, first[ICMPv6EchoReply].id)

    def test_rubbish_in_the_servers_device(self) -> None:
        """Rubbish that local programs write into the server's TUN never reaches the wire (3.2.5.2)."""
        self.server(authentication="none")
        raw = self.session()
        raw.send(ECHO)
        raw.expect(ICMPv6EchoReply)
        for lie in lies(TUNNEL_SERVER, GLOBAL):
            write_into_device(self.lab.gateway, lie)
        write_into_device(self.lab.gateway, bytes(IPv6(src=TUNNEL_SERVER, dst=GLOBAL) / ICMPv6EchoRequest(id=99)))
        first = next(packet for packet in raw.packets() if ICMPv6ND_RA not in packet)
        self.assertEqual(99, first[ICMPv6EchoRequest].id)

    def test_rubbish_in_the_clients_device(self) -> None:
        """Rubbish that local programs write into the client's TUN never reaches the wire (3.1.5.3)."""
        listening = listen(self.lab.gateway, GATEWAY_IPV4, 80)
        self.addCleanup(listening.close)
        client = self.lab.client(1, uri=f"http://{GATEWAY_IPV4}/")
        wire, _ = listening.accept()
        raw = RawClient(wire)
        self.addCleanup(raw.close)
        wire.recv(4096)
        raw.send(b"HTTP/1.1 200 OK\r\n\r\n")
        client.wait_for("ESTABLISHED -> LINK_UP")
        wait_until(lambda: addresses(self.lab.clients[0]), "the interface is up")
        for lie in lies(GLOBAL, TUNNEL_SERVER):
            write_into_device(self.lab.clients[0], lie)
        write_into_device(self.lab.clients[0], bytes(ECHO))
        for packet in raw.packets():
            self.assertEqual(6, packet.version, packet)
            if ICMPv6EchoRequest in packet:
                break


class NeverReadingTests(RawCase):
    """A client that takes nothing."""

    clients = 2

    def test_costs_little(self) -> None:
        """A client that never reads costs at most 1 MiB at the server, and its neighbours nothing."""
        server = self.server()
        self.client(2)
        bystander = self.lab.clients[1]
        wait_reachable(bystander, PRIVATE_HOST)
        self._flood(tunnel_address(bystander))  # so that what the server allocates once does not count
        deaf = self.session(receive_buffer=4096)
        deaf.send(ECHO)
        deaf.expect(ICMPv6EchoReply)
        before = resident(server.pid)
        flood = threading.Thread(target=self._flood, args=(GLOBAL,))
        flood.start()
        pings = ping(bystander, PRIVATE_HOST, 20, 0.1)
        flood.join()
        cost = resident(server.pid) - before + self._queued_in_kernel()
        self.assertEqual(0, pings.lost)
        self.assertLess(cost, 1 << 20)

    def _flood(self, address: str) -> None:
        """Send 24 MB from the private host to an address, 200 Mbit/s of them."""
        with inside(self.lab.private):
            wire = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        with wire:
            wire.connect((address, 9))
            begin = time.monotonic()
            for number in range(20_000):
                while time.monotonic() - begin < number / 20_000:
                    continue  # pacing: faster than this the device's queue in the kernel overflows for everybody
                try:
                    wire.send(bytes(1200))
                except ConnectionRefusedError:
                    continue  # it has no program on the port and says so

    def _queued_in_kernel(self) -> int:
        """Return how many bytes the gateway's kernel holds for all the server's connections."""
        shown = self.lab.gateway.run("ss", "-Htm", "sport", "=", ":443").stdout
        return sum(int(found) for found in re.findall(r",w(\d+)", shown))


class SessionTests(RawCase):
    """The state after the end of a session."""

    def test_no_descriptor_is_left(self) -> None:
        """A connection that ends leaves nothing at the server, however it ends (3.2.5.3, 3.2.7.2)."""
        server = self.server()
        first = self.session()
        during = descriptors(server.pid)
        first.close()
        self._settles(server, during - 1)
        before = descriptors(server.pid)
        for number in range(30):
            raw = self.session()
            raw.send(bytes(ECHO)[: number % 41])
            raw.close()
        self._settles(server, before)

    def test_address_is_free_again(self) -> None:
        """When a client's connection ends, another may have its address (3.2.5.3)."""
        server = self.server()
        first = self.session(name="first")
        first.send(ECHO)
        first.expect(ICMPv6EchoReply)
        second = self.session(name="second")
        second.send(ECHO)
        self.assertEqual([], [packet for packet in second.ping("2001:db8:2::b") if ICMPv6EchoReply in packet])
        first.close()
        server.wait_for("disconnected")
        second.ping(GLOBAL)

    def _settles(self, server: Program, wanted: int) -> None:
        wait_until(lambda: descriptors(server.pid) <= wanted, f"{wanted} descriptors at the server")
