"""Long packets to clients of SSTP: fragmentation, the errors that come back, and the MSS of TCP."""

from __future__ import annotations

import socket
import time
from typing import Any

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from iphttps.app.cli.commands.setup import clamp
from iphttps.lab.errors import DeadlinePassed
from iphttps.lab.poll import DEADLINE
from tests.lab.ppp_peer import IPV4, IPV6, LCP, MRU
from tests.lab.raw import inside
from tests.lab.sstpc import Sstpc
from tests.lab.test_sstp import POOL, PREFIX, SSTPCase

FAR, FAR_IPV6 = "192.0.2.6", "2001:db8:ffff:2::2"
NEAR, NEAR_IPV6 = "192.0.2.5", "2001:db8:ffff:2::1"
PORT = 7


class LongCase(SSTPCase):
    """A client, and a host that has a route to it, over Ethernet with an MTU of 1500."""

    def setUp(self) -> None:
        """Start the server, and have the second host reach the clients."""
        super().setUp()
        self.server_program = self.sstp_server()
        self.far = self.lab.clients[1]
        self.far.ip(f"route add {POOL} via {NEAR}", f"route add {PREFIX} via {NEAR_IPV6}")

    def sstpc(self, mru: int = 1400) -> Sstpc:
        """Connect a client that receives packets up to this length."""
        client = Sstpc(self.lab, self.lab.clients[0])
        client.start()
        client.ppp._ours[LCP][MRU] = mru.to_bytes(2)
        client.ppp.open()
        return client

    def ping(self, address: object, length: int, how: str) -> str:
        """Ping a client with packets of this length; return what ping says. The client does not answer.

        There are two of them: sstpc 1.0.18 leaves the second packet of a TLS record until the next record.
        """
        size = length - (48 if ":" in str(address) else 28)
        words = ["-c", "2", "-i", "0.2", "-W", "1", "-s", str(size), "-M", how, str(address)]
        done = self.far.run("ping", *words, check=False)
        return done.stdout + done.stderr

    def received(self, client: Sstpc, length: int) -> list[Any]:
        """Return the packets that make the first one of this length: in fragments, or whole."""
        found = [IP(client.ppp.receive(IPV4, 5, lambda got: IP(got).src == FAR))]
        first = found[0].id
        while sum(len(each.payload) for each in found) < length - 20:
            found.append(IP(client.ppp.receive(IPV4, 5, lambda got: IP(got).id == first)))
        return found


class LengthTests(LongCase):
    """Packets longer than the MTU of 1400."""

    def test_errors(self) -> None:
        """A packet of 1400 bytes arrives; of a longer one the sender hears, with the MTU (RFC 1191, RFC 4443 3.2)."""
        client = self.sstpc()
        self.ping(client.ppp.address, 1400, "do")
        self.assertEqual([1380], [len(each.payload) for each in self.received(client, 1400)])
        self.assertRegex(self.ping(client.ppp.address, 1401, "do"), rf"From {NEAR}.* Frag needed .*mtu = 1400")
        address = client.global_address()
        client.ping(FAR_IPV6, source=str(address))
        self.assertRegex(self.ping(address, 1401, "do"), rf"From {NEAR_IPV6}.* Packet too big: mtu=1400")

    def test_kernel(self) -> None:
        """The kernel fragments what may be fragmented: the interface has the MTU (RFC 791 section 3.2)."""
        client = self.sstpc()
        self.ping(client.ppp.address, 1500, "dont")
        found = self.received(client, 1500)
        self.assertEqual([(1396, 0, 1), (124, 172, 0)], [(len(each), each.frag, int(each.flags)) for each in found])

    def test_shorter(self) -> None:
        """For a client that receives 1300 bytes the server fragments, or tells the sender (RFC 1661 section 6.1)."""
        client = self.sstpc(1300)
        self.ping(client.ppp.address, 1400, "dont")
        found = self.received(client, 1400)
        self.assertEqual([(1300, 0, 1), (120, 160, 0)], [(len(each), each.frag, int(each.flags)) for each in found])
        self.assertRegex(self.ping(client.ppp.address, 1400, "do"), r"From 10\.99\.0\.1.* Frag needed .*mtu = 1300")

    def test_nobody(self) -> None:
        """The sender of a packet for an address that no client holds hears that, by IPv4 as well (RFC 792)."""
        self.assertRegex(self.ping("10.99.0.200", 100, "do"), r"From 10\.99\.0\.1.* Destination Host Unreachable")


class MssTests(LongCase):
    """The rules for nftables that `iphttps setup` shows."""

    def test_clamped(self) -> None:
        """A SYN through the rules has an MSS that fits into the tunnel, both ways and by both families."""
        client = self.sstpc()
        address, address6 = client.ppp.address, client.global_address()
        client.ping(FAR_IPV6, source=str(address6))
        self.assertEqual([1460, 1440], self.to_client(client, address, address6))
        self.assertEqual([1460, 1440], self.from_client(client, address, address6))
        self.lab.gateway.run("sh", "-ec", clamp("sstp0"))
        self.assertEqual([1360, 1340], self.to_client(client, address, address6))
        self.assertEqual([1360, 1340], self.from_client(client, address, address6))

    def to_client(self, client: Sstpc, address: object, address6: object) -> list[int]:
        """Return the MSS that the client sees in SYNs of the host."""
        return [
            self.seen_by_client(client, str(address), socket.AF_INET, IPV4, IP),
            self.seen_by_client(client, str(address6), socket.AF_INET6, IPV6, IPv6),
        ]

    def seen_by_client(self, client: Sstpc, address: str, family: int, protocol: int, layer: Any) -> int:
        """Return the MSS in a SYN of the host for this address."""
        with inside(self.far):
            caller = socket.socket(family)
        with caller:
            caller.setblocking(False)
            caller.connect_ex((address, PORT))
            port = caller.getsockname()[1]

            def ours(got: bytes) -> bool:
                packet = layer(got)
                return TCP in packet and bool(packet[TCP].sport == port)

            return _mss(layer(client.ppp.receive(protocol, 5, ours)))

    def from_client(self, client: Sstpc, *addresses: object) -> list[int]:
        """Return the MSS that the host sees in SYNs of the client."""
        syn = TCP(sport=int(time.monotonic() * 1000) % 30000 + 1024, dport=PORT, flags="S")
        found = []
        with inside(self.far):
            seen = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        with seen:
            seen.bind(("outer", 0))
            seen.settimeout(DEADLINE)
            for source, target, protocol, layer, mss in (
                (addresses[0], FAR, IPV4, IP, 1460),
                (addresses[1], FAR_IPV6, IPV6, IPv6, 1440),
            ):
                sent = layer(src=str(source), dst=target) / syn.copy()
                sent[TCP].options = [("MSS", mss)]
                client.ppp.send(protocol, bytes(sent))
                found.append(_mss(self.syn_to(seen, layer, target)))
        return found

    def syn_to(self, seen: socket.socket, layer: Any, target: str) -> Any:
        """Return the next SYN for an address on a wire."""
        end = time.monotonic() + 5
        while time.monotonic() < end:
            packet = Ether(seen.recv(2000))
            if layer in packet and TCP in packet and packet[layer].dst == target and packet[TCP].flags == "S":
                return packet
        raise DeadlinePassed(f"a SYN for {target}: not seen within 5 s")


def _mss(packet: Any) -> int:
    return int(dict(packet[TCP].options)["MSS"])
