"""The bytes on the wire, read by scapy, the standard library's TLS and nmap, none of which is ours."""

from email.utils import parsedate_to_datetime

from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRouteInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)

from iphttps.lab.laboratory import TUNNEL_SERVER, tunnel_address
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_IPV6, PRIVATE_HOST, PRIVATE_NETWORK
from tests.lab.case import LabCase
from tests.lab.raw import RawCase, RawClient, listen

LINK_LOCAL = "fe80::a"
GLOBAL = "2001:db8:2::a"


class ServerWitnessTests(RawCase):
    """A client that speaks by hand, to the real server."""

    def test_answer(self) -> None:
        """The request is answered 200 OK with Date and Server, no Content-Length, no chunking (3.2.5.1)."""
        self.server()
        for address, path in ((GATEWAY_IPV4, "/IPHTTPS"), (GATEWAY_IPV6, "/iptls")):
            head = self.raw(address).post(path).decode()
            status, *lines = head.split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            self.assertEqual("HTTP/1.1 200 OK", status)
            self.assertEqual({"Server", "Date"}, set(headers))
            self.assertIn("Microsoft-HTTPAPI/2.0", headers["Server"])
            self.assertIsNotNone(parsedate_to_datetime(headers["Date"]))

    def test_solicited_advertisement(self) -> None:
        """A Router Solicitation is answered at its source, with prefix, MTU 1280 and routes (RFC 4861, 4191)."""
        self.server()
        raw = self.session()
        raw.send(IPv6(src=LINK_LOCAL, dst="ff02::2", hlim=255) / ICMPv6ND_RS())
        packet = next(p for p in raw.packets() if ICMPv6ND_RA in p and p.dst == LINK_LOCAL)
        advertisement, prefix = packet[ICMPv6ND_RA], packet[ICMPv6NDOptPrefixInfo]
        self.assertEqual(("fe80::1", 255), (packet.src, packet.hlim))
        self.assertEqual(0, advertisement.routerlifetime)
        self.assertEqual(("2001:db8:2::", 64, 1), (prefix.prefix, prefix.prefixlen, prefix.A))
        self.assertEqual(1280, packet[ICMPv6NDOptMTU].mtu)
        route = packet[ICMPv6NDOptRouteInfo]
        self.assertEqual(PRIVATE_NETWORK, f"{route.prefix}/{route.plen}")
        self.assertNotIn(ICMPv6NDOptSrcLLAddr, packet)
        given = advertisement.cksum
        del packet[ICMPv6ND_RA].cksum
        self.assertEqual(given, IPv6(bytes(packet))[ICMPv6ND_RA].cksum)

    def test_packets_behind_the_request(self) -> None:
        """Packets that come in the same bytes as the request are delivered (3.2.5.2.2)."""
        self.server()
        raw = self.raw()
        echo = IPv6(src=GLOBAL, dst=TUNNEL_SERVER) / ICMPv6EchoRequest(id=7)
        raw.post(behind=bytes(echo) * 3)
        answers = [raw.expect(ICMPv6EchoReply) for _ in range(3)]
        self.assertEqual([7, 7, 7], [answer[ICMPv6EchoReply].id for answer in answers])

    def test_any_cut(self) -> None:
        """Packet boundaries follow from the Payload Length alone, however the stream is cut (3.2.5.2)."""
        self.server()
        raw = self.session()
        stream = b"".join(
            bytes(IPv6(src=GLOBAL, dst=PRIVATE_HOST) / ICMPv6EchoRequest(seq=number, data=b"x" * number * 7))
            for number in range(12)
        )
        for offset in range(0, len(stream), 11):
            raw.send(stream[offset : offset + 11])
        answers = [raw.expect(ICMPv6EchoReply) for _ in range(12)]
        self.assertEqual(list(range(12)), [answer[ICMPv6EchoReply].seq for answer in answers])
        self.assertEqual([n * 7 for n in range(12)], [len(answer[ICMPv6EchoReply].data) for answer in answers])

    def test_server_answers_neighbor_solicitations(self) -> None:
        """The server's kernel answers for its addresses, without a link-layer address option (3)."""
        self.server()
        raw = self.session()
        for target in ("fe80::1", TUNNEL_SERVER):
            raw.send(IPv6(src=LINK_LOCAL, dst=target, hlim=255) / ICMPv6ND_NS(tgt=target))
            answer = raw.expect(ICMPv6ND_NA)
            self.assertEqual(target, answer[ICMPv6ND_NA].tgt)
            self.assertEqual(24, answer.plen)

    def test_duplicate_address(self) -> None:
        """In mode None a probe for a held address gets the multicast NA of 3.2.5.2.2 over the same connection."""
        self.server(authentication="none")
        holder, prober = self.session(), self.session()
        holder.send(IPv6(src=GLOBAL, dst=TUNNEL_SERVER) / ICMPv6EchoRequest())
        holder.expect(ICMPv6EchoReply)
        prober.send(IPv6(src="::", dst="ff02::1:ff00:a", hlim=255) / ICMPv6ND_NS(tgt=GLOBAL))
        answer = prober.expect(ICMPv6ND_NA)
        advertisement = answer[ICMPv6ND_NA]
        self.assertEqual(("ff02::1", 255, 24), (answer.dst, answer.hlim, answer.plen))
        self.assertEqual((GLOBAL, 0, 0), (advertisement.tgt, advertisement.R, advertisement.S))
        # The holder is not sent the probe; it may be asked by unicast whether it is still there.
        self.assertEqual([], [p for p in holder.ping(GLOBAL) if ICMPv6ND_RA not in p and p.dst != GLOBAL])

    def test_only_advertisements_in_mode_none(self) -> None:
        """In mode None no multicast but Router Advertisements reaches a client (3.2.5.2.1)."""
        self.server(authentication="none")
        idle, other = self.session(), self.session()
        other.send(IPv6(src="fe80::b", dst="ff02::1") / ICMPv6EchoRequest())
        self.lab.gateway.run("ping", "-c", "2", "-i", "0.2", "-W", "1", "ff02::1%iphttps0", check=False)
        other.ping("2001:db8:2::b")
        for packet in idle.ping("2001:db8:2::a"):
            self.assertIn(ICMPv6ND_RA, packet, packet.summary())

    def test_nmap(self) -> None:
        """The nmap script ip-https-discover recognises the server."""
        self.server(authentication="none")
        done = self.lab.clients[0].run(
            "nmap", "-n", "-Pn", "-p", "443", "--script", "ip-https-discover", GATEWAY_IPV4, deadline=90
        )
        self.assertIn("IP-HTTPS is supported", done.stdout)


class ClientWitnessTests(LabCase):
    """A server that speaks by hand, to the real client."""

    def test_request(self) -> None:
        """POST, the configured path, Content-Length 18446744073709551615; no packet before the 200 (3.1.5.2)."""
        listening = listen(self.lab.gateway, GATEWAY_IPV4, 80)
        self.addCleanup(listening.close)
        client = self.lab.client(1, uri=f"http://{GATEWAY_IPV4}/Some/Path")
        wire, _ = listening.accept()
        raw = RawClient(wire)
        self.addCleanup(raw.close)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += wire.recv(1)
        request, *headers = head.decode().split("\r\n")
        self.assertEqual("POST /Some/Path HTTP/1.1", request)
        self.assertIn("Content-Length: 18446744073709551615", headers)
        self.assertIn(f"Host: {GATEWAY_IPV4}", headers)
        client.wait_for("-> ESTABLISHED")  # the state behind the request: all that is sent before the answer is sent
        wire.setblocking(False)
        self.assertRaises(BlockingIOError, wire.recv, 1)
        self.assertNotIn("LINK_UP", client.text)
        raw.send(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n")
        client.wait_for("ESTABLISHED -> LINK_UP")
        solicitation = raw.expect(ICMPv6ND_RS)
        self.assertEqual(("ff02::2", 255, 8), (solicitation.dst, solicitation.hlim, solicitation.plen))

    def test_rubbish_from_the_server(self) -> None:
        """Non-IPv6 bytes from the server end the connection, and the client comes back (3.1.5.3, 3.1.5.4)."""
        listening = listen(self.lab.gateway, GATEWAY_IPV4, 80)
        self.addCleanup(listening.close)
        client = self.lab.client(1, *self.reconnect, uri=f"http://{GATEWAY_IPV4}/")
        for _ in range(2):
            wire, _ = listening.accept()
            self.addCleanup(wire.close)
            wire.recv(4096)
            wire.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"E" * 60)
        client.wait_for("not an IPv6 packet")
        client.wait_for("LINK_UP -> LINK_DOWN")


class AddressTests(LabCase):
    """The behaviour of the client's kernel on the link."""

    probing = True

    def test_duplicate_address_detection(self) -> None:
        """The kernel probes for its addresses, without link-layer options, before it uses them (3, RFC 4862)."""
        listening = listen(self.lab.gateway, GATEWAY_IPV4, 80)
        self.addCleanup(listening.close)
        self.lab.client(1, uri=f"http://{GATEWAY_IPV4}/")
        wire, _ = listening.accept()
        raw = RawClient(wire)
        self.addCleanup(raw.close)
        wire.recv(4096)
        raw.send(b"HTTP/1.1 200 OK\r\n\r\n")
        probe = raw.expect(ICMPv6ND_NS)
        self.assertEqual("::", probe.src)
        raw.expect(ICMPv6ND_RS)
        advertisement = (
            IPv6(src="fe80::1", dst="ff02::1", hlim=255)
            / ICMPv6ND_RA(routerlifetime=0)
            / ICMPv6NDOptPrefixInfo(prefix="2001:db8:2::", prefixlen=64)
        )
        raw.send(advertisement)
        probe = raw.expect(ICMPv6ND_NS)
        self.assertTrue(probe[ICMPv6ND_NS].tgt.startswith("2001:db8:2:"))
        self.assertEqual(probe[ICMPv6ND_NS].tgt, tunnel_address(self.lab.clients[0]))
