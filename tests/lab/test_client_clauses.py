"""The clauses of section 3.1 for the client, against a scripted server."""

import contextlib
import json
import socket
import ssl
from socket import AF_INET6, inet_ntop, inet_pton
from typing import Any

from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    IPv6,
    IPv6ExtHdrFragment,
)
from scapy.utils6 import in6_getnsma

from iphttps.lab.authority import Authority
from iphttps.lab.laboratory import INTERFACE, LINK_DOWN, LINK_UP, addresses
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_NAME_IPV4
from iphttps.lab.poll import DEADLINE, wait_until
from tests.lab.endings import close_notify, fatal_alert, half_close, reset
from tests.lab.raw import RawClient, inside, listen
from tests.lab.raw_server import OK, RawServerCase, server_context
from tests.lab.test_robustness import RUBBISH

ROUTER = "fe80::1"

REQUEST = [
    "POST /IPHTTPS HTTP/1.1",
    "Content-Length: 18446744073709551615",
    f"Host: {GATEWAY_NAME_IPV4}",
]

ODD_HEAD = (
    b"HTTP/1.1 200 OK\r\nSERVER:Microsoft-HTTPAPI/2.0\r\ndate:   Sun, 10 Aug 2008 03:51:52 GMT  \r\n"
    b"X-Odd: one\t two\r\ncOnTeNt-TyPe: application/octet-stream\r\n\r\n"
)
"""A head as RFC 2616 lets it be: any case, any blanks; and a Content-Type, which others leave out."""

ALL_PACKETS = 3  # linux/if_ether.h: ETH_P_ALL
IPV4 = 0x0800
OUTGOING = 4  # linux/if_packet.h: PACKET_OUTGOING


def echo(to: str, number: int, size: int = 0) -> bytes:
    """Return an echo request of the router's."""
    return bytes(IPv6(src=ROUTER, dst=to) / ICMPv6EchoRequest(seq=number, data=b"x" * size))


def packet_socket(host: Namespace, protocol: int) -> socket.socket:
    """Return a socket for whole packets of a host's devices; it hears those of one protocol, or all."""
    with inside(host):
        return socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(protocol))


def arrived(door: socket.socket) -> list[bytes]:
    """Return what the client's device has given to its kernel since the last time."""
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            data, (device, _, kind, *_) = door.recvfrom(65536, socket.MSG_DONTWAIT)
            if device == INTERFACE and kind != OUTGOING:
                found.append(data)
    return found


class ClientClauseCase(RawServerCase):
    """A raw server, which is also the router on the link."""

    def own_address(self) -> str:
        """Return the link-local address of the client's kernel, once there is one."""

        def usable() -> str | None:
            return next((str(a["local"]) for a in addresses(self.lab.clients[0]) if a["scope"] == "link"), None)

        return wait_until(usable, "a link-local address")

    def heard(self, peer: RawClient, layer: Any) -> Any:
        """Return the next packet with a layer; the client's kernel is told who its neighbour is, if it asks."""
        for packet in peer.packets():
            if ICMPv6ND_NS in packet and packet[ICMPv6ND_NS].tgt == ROUTER:
                answer = ICMPv6ND_NA(tgt=ROUTER, R=1, S=1, O=1)
                peer.send(IPv6(src=ROUTER, dst=packet.src, hlim=255) / answer)
            elif layer in packet:
                return packet
        raise AssertionError  # packets() ends by an exception only

    def assert_carries(self, peer: RawClient) -> str:
        """Check that the tunnel works both ways; returns the client's address, which comes and goes with the link."""
        own = self.own_address()
        peer.send(echo(own, 77))
        self.assertEqual(77, self.heard(peer, ICMPv6EchoReply)[ICMPv6EchoReply].seq)
        return own

    def assert_silent(self, peer: RawClient) -> None:
        """Check that the client is connected and has sent nothing.

        Its answer on the control socket comes behind what it has done with all that its device held before.
        """
        self.assertEqual("ESTABLISHED", self.status()["state"])
        peer.wire.settimeout(0)
        self.assertRaises(ssl.SSLWantReadError, peer.wire.recv, 1)
        peer.wire.settimeout(DEADLINE)

    def assert_no_attempt(self, state: str) -> None:
        """Check that the client rests in a state, that no attempt is due, and that it has made none."""
        status = self.status()
        self.assertEqual((state, None), (status["state"], status["next_attempt"]))
        self.listening.settimeout(0)
        self.assertRaises(BlockingIOError, self.listening.accept)
        self.listening.settimeout(DEADLINE)


class OpeningTests(ClientClauseCase):
    """From the configuration to the link (3.1.1, 3.1.3, 3.1.5.1, 3.1.5.2)."""

    def test_configuration(self) -> None:
        """The client must be configured with the URI (3.1.1), and reads it when it is initialized (3.1.3)."""
        host = self.lab.clients[0]
        refused = self.lab.daemon(host, "iphttps-client", "--interface", INTERFACE)
        self.assertEqual(2, refused.wait_ended())
        self.assertIn("--uri is missing", refused.text)
        config = self.lab.directory / "client.toml"
        for path in ("/one", "/two"):
            # A JSON string is a TOML one as well.
            values = {"uri": f"https://{GATEWAY_NAME_IPV4}{path}", "ca": str(self.lab.authority.certificate)}
            config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
            client = self.lab.daemon(host, "iphttps-client", "--interface", INTERFACE, "--config", str(config))
            peer = self.meet()
            self.assertTrue(peer.head.startswith(f"POST {path} HTTP/1.1\r\n".encode()))
            peer.close()
            client.stop()

    def test_behind_a_proxy(self) -> None:
        """A client told to connect behind a proxy does so there, by CONNECT; the rest is the same (3.1.3, 4.1)."""
        direct = self.lab.directory / "direct.pac"
        direct.write_text('function FindProxyForURL() { return "DIRECT"; }')
        client = self.start("--when", "proxy", "--proxy", "auto", "--pac", str(direct))
        client.wait_for("no tunnel is needed")
        self.assert_no_attempt("ENABLED")
        client.stop()
        self.listening.close()
        self.listening = listen(self.lab.gateway, GATEWAY_IPV4, 3128)
        self.addCleanup(self.listening.close)
        client = self.start("--when", "proxy", "--proxy", f"http://{GATEWAY_IPV4}:3128")
        bare = self.accept()
        proxied = RawClient(bare)
        self.assertTrue(proxied.read_head().startswith(f"CONNECT {GATEWAY_NAME_IPV4}:443 HTTP/1.1\r\n".encode()))
        proxied.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        peer = self.meet(bare)
        self.assertEqual(REQUEST, sorted(peer.head.decode().split("\r\n"), key=REQUEST.index))
        peer.send(OK)
        client.wait_for(LINK_UP)
        self.assert_carries(peer)

    def test_request_and_answer(self) -> None:
        """The server is named in the handshake and gets the request; no packet comes before its answer (3.1.5.2)."""
        names: list[str | None] = []
        self.context.sni_callback = lambda wire, name, context: names.append(name)
        client = self.start()
        peer = self.meet()
        self.assertEqual([GATEWAY_NAME_IPV4], names)
        self.assertEqual(REQUEST, sorted(peer.head.decode().split("\r\n"), key=REQUEST.index))
        # Somebody brings the device up by hand, and its kernel has a lot to say.
        host = self.lab.clients[0]
        host.ip(f"link set {INTERFACE} up")
        host.run("ping", "-c", "3", "-i", "0.1", "-W", "1", f"ff02::1%{INTERFACE}", check=False)
        self.assert_silent(peer)
        for byte in ODD_HEAD:
            self.assertNotIn(LINK_UP, client.text)
            peer.send(bytes((byte,)))
        client.wait_for(LINK_UP)
        own = self.assert_carries(peer)
        peer.close()
        # Head and packet in one piece; the kernel gets it, whatever it has by then of the address it is for.
        peer = self.meet()
        with packet_socket(host, ALL_PACKETS) as door:
            peer.send(OK + echo(own, 5))
            wait_until(lambda: echo(own, 5) in arrived(door), "the packet that came with the answer")

    def test_certificate(self) -> None:
        """A server whose certificate is not good for it hears of no request (4.2.3)."""
        other = Authority(self.lab.directory / "other", "Other CA")
        authority = self.lab.authority
        self.start()
        for identity in (
            other.server(GATEWAY_NAME_IPV4),
            authority.server("other.example"),
            authority.server(GATEWAY_NAME_IPV4, expired=True),
        ):
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                self.context = server_context(identity)
                self.context.minimum_version = self.context.maximum_version = version
                self.assertEqual(b"", self.first_words(self.accept()), (identity, version))
        self.context = server_context(self.lab.server_identity)
        self.assertTrue(self.first_words(self.accept()).startswith(b"POST "))

    def first_words(self, bare: socket.socket) -> bytes:
        """Return what the client says once the connection is secured, be it nothing."""
        with (
            bare,
            contextlib.suppress(ssl.SSLError, ConnectionError),
            self.context.wrap_socket(bare, server_side=True) as wire,
        ):
            return wire.recv(65536)
        return b""


class TransferTests(ClientClauseCase):
    """Packets (3, 3.1.5.3)."""

    def test_packets(self) -> None:
        """Packets pass in the bodies, cut by their own lengths; none is longer than the MTU, none of IPv4 (3.1.5.3)."""
        client = self.start()
        peer = self.session()
        client.wait_for(LINK_UP)
        own, host = self.own_address(), self.lab.clients[0]

        # The kernel answers for its address, and says nothing of link-layer addresses, of which there are none.
        for destination in (own, inet_ntop(AF_INET6, in6_getnsma(inet_pton(AF_INET6, own)))):
            peer.send(IPv6(src=ROUTER, dst=destination, hlim=255) / ICMPv6ND_NS(tgt=own))
            answer = self.heard(peer, ICMPv6ND_NA)
            self.assertEqual((own, own, ROUTER, 255), (answer[ICMPv6ND_NA].tgt, answer.src, answer.dst, answer.hlim))
            self.assertEqual((24, 1), (answer.plen, answer[ICMPv6ND_NA].S))

        # Each byte in a record of its own, then many packets in one record, then packets across records.
        stream = b"".join(echo(own, number, number * 7) for number in range(12))
        for pieces in (
            [stream[at : at + 1] for at in range(len(stream))],
            [stream],
            [stream[at : at + 53] for at in range(0, len(stream), 53)],
        ):
            for piece in pieces:
                peer.send(piece)
            replies = [self.heard(peer, ICMPv6EchoReply)[ICMPv6EchoReply] for _ in range(12)]
            self.assertEqual([(n, n * 7) for n in range(12)], [(reply.seq, len(reply.data)) for reply in replies])

        # 4000 bytes from a local program are fragments here.
        (link,) = json.loads(host.run("ip", "-json", "link", "show", INTERFACE).stdout)
        self.assertEqual(1280, link["mtu"])
        host.run("ping", "-c", "1", "-W", "1", "-M", "dont", "-s", "4000", f"ff02::1%{INTERFACE}", check=False)
        fragments = [self.heard(peer, IPv6ExtHdrFragment) for _ in range(4)]
        self.assertEqual([1280, 1280, 1280], [40 + fragment.plen for fragment in fragments[:3]])
        self.assertEqual(0, fragments[3][IPv6ExtHdrFragment].m)

        # The kernel's own IPv4, and what a program writes past it.
        host.ip(f"address add 192.0.2.129/25 dev {INTERFACE}")
        host.run("ping", "-c", "1", "-W", "1", "-I", INTERFACE, "224.0.0.1", check=False)
        with packet_socket(host, IPV4) as door:
            door.sendto(b"\x45" + bytes(39), (INTERFACE, IPV4))
        peer.send(echo(own, 99))
        for packet in peer.packets():
            self.assertEqual(6, packet.version, packet)
            if ICMPv6EchoReply in packet:
                break
        self.assertGreaterEqual(self.status()["counters"]["device"]["drops"]["not_ipv6"], 2)

    def test_no_packets(self) -> None:
        """Data that is no IPv6 packet never reaches the device, and the client reconnects (3.1.5.3)."""
        client = self.start()
        with packet_socket(self.lab.clients[0], ALL_PACKETS) as door:
            for number, rubbish in enumerate(RUBBISH.values()):
                peer = self.session()
                own = self.assert_carries(peer)
                arrived(door)
                mark = client.mark()
                last = echo(own, number)
                peer.send(last + rubbish + echo(own, 1000))
                self.assertTrue(peer.read_to_end())
                peer.close()
                client.wait_for("framing is lost: not an IPv6 packet", since=mark)
                client.wait_for("next attempt in", since=mark)
                self.assertEqual([last], arrived(door))
            self.assert_carries(self.session())


class EndTests(ClientClauseCase):
    """The end of sessions (3.1.4, 3.1.5.4)."""

    def test_loss(self) -> None:
        """However the connection is lost, the client establishes a new one (3.1.5.4)."""
        client = self.start()
        for ending in (reset, half_close, close_notify):
            mark = client.mark()
            peer = self.session()
            client.wait_for(LINK_UP, since=mark)
            ending(peer)
            client.wait_for(LINK_DOWN, since=mark)
        mark = client.mark()
        bare = self.accept()
        fatal_alert(bare, self.context)
        client.wait_for(LINK_DOWN, since=mark)
        # An alert in the midst of the handshake.
        mark = client.mark()
        bare = self.accept()
        bare.recv(65536)
        bare.sendall(b"\x15\x03\x03\0\x02\x02\x28")
        client.wait_for("next attempt in", since=mark)
        self.assert_carries(self.session())

    def test_disable(self) -> None:
        """Disabled, the client ends TLS and TCP, and its link, and rests; enabled, it comes (3.1.4.1, 3.1.4.2)."""
        client = self.start()
        peer = self.session()
        client.wait_for(LINK_UP)
        host = self.lab.clients[0]
        # In the background, for the answer comes when the connection has ended.
        asked = self.lab.program(
            host, "curl", "curl", "--request", "POST", "--unix-socket", str(self.control), "http://x/disable"
        )
        self.assertTrue(peer.read_to_end())
        peer.close()
        self.assertEqual(0, asked.wait_ended())
        (link,) = json.loads(host.run("ip", "-json", "link", "show", INTERFACE).stdout)
        self.assertNotIn("UP", link["flags"])
        self.assert_no_attempt("DISABLED")
        self.ask("enable", "--request", "POST")
        self.assert_carries(self.session())
