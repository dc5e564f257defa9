"""The server's HTTP on the wire: what opens a session, what does not, and what it costs who asks too often."""

import contextlib
import socket
import ssl
import time

from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6

from iphttps.lab.laboratory import TUNNEL_SERVER
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_NAME, PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import ping, wait_reachable
from tests.lab.raw import RawCase, RawClient, connect, descriptors
from tests.requests import CHUNKED, HOST, MALFORMED_CHUNKS, OPENED, REFUSED, post, request

PLAIN = "http://*:80/IPHTTPS"
ECHO = bytes(IPv6(src="2001:db8:2::a", dst=TUNNEL_SERVER) / ICMPv6EchoRequest(id=1))


class PlainCase(RawCase):
    """A server for plain HTTP, in mode None."""

    def setUp(self) -> None:
        """Start the server."""
        super().setUp()
        self.gateway = self.server(*self.flags(), uri=PLAIN, authentication="none")

    def flags(self) -> tuple[str, ...]:
        """Return further flags of the server."""
        return ()

    def plain(self) -> socket.socket:
        """Connect, without TLS."""
        wire = connect(self.lab.clients[0], GATEWAY_IPV4, 80)
        self.addCleanup(wire.close)
        return wire

    def answer(self, sent: bytes) -> bytes:
        """Send something on a connection of its own, and return all that comes back until it ends."""
        with self.plain() as wire:
            wire.sendall(sent)
            return read_all(wire)


def read_all(wire: socket.socket) -> bytes:
    """Read until the connection ends."""
    answer = b""
    while piece := wire.recv(65536):
        answer += piece
    return answer


class RequestTests(PlainCase):
    """The catalogue of requests."""

    def test_refused(self) -> None:
        """Every request that can open no session is answered with its status, and its connection ends."""
        before = descriptors(self.gateway.pid)
        for name, (sent, status) in REFUSED.items():
            answer = self.answer(sent)
            head, _, _ = answer.partition(b"\r\n\r\n")
            self.assertEqual(b"HTTP/1.1 %d " % status, answer[:13], (name, answer))
            self.assertEqual(1, answer.count(b"\r\nServer: "), name)
            self.assertEqual(status == 405, b"\r\nAllow: POST\r\n" in head, name)
            self.assertIn(b"\r\nConnection: close\r\n", head, name)
        self.assertNotIn("connected", self.gateway.text)
        wait_until(lambda: descriptors(self.gateway.pid) <= before, "all descriptors given back")

    def test_answer_arrives(self) -> None:
        """An answer is not lost because its request goes on for long (RFC 9112 section 9.6)."""
        for _ in range(20):
            for name in ("a target of 64 kB", "10000 headers"):
                sent, status = REFUSED[name]
                self.assertTrue(self.answer(sent * 8).startswith(b"HTTP/1.1 %d " % status))

    def test_probe(self) -> None:
        """The GET by which clients of several sites compare servers is answered at once."""
        begin = time.monotonic()
        answer = self.answer(post(HOST, method=b"GET"))
        self.assertTrue(answer.startswith(b"HTTP/1.1 405 "))
        self.assertLess(time.monotonic() - begin, 0.5)

    def test_opened(self) -> None:
        """Every proper request opens a session in which packets pass."""
        for name, sent in OPENED.items():
            raw = RawClient(self.plain())
            raw.send(sent + ECHO)
            self.assertTrue(raw.read_head().startswith(b"HTTP/1.1 200 OK\r\n"), name)
            raw.expect(ICMPv6EchoReply)
            mark = self.gateway.mark()
            raw.close()
            self.gateway.wait_for("disconnected", since=mark)

    def test_continue(self) -> None:
        """A client that expects 100 Continue, such as curl, gets it and then the 200."""
        raw = RawClient(self.plain())
        raw.send(request(b"Expect: 100-continue\r\n"))
        self.assertEqual(b"HTTP/1.1 100 Continue", raw.read_head())
        self.assertTrue(raw.read_head().startswith(b"HTTP/1.1 200 OK\r\n"))
        raw.send(ECHO)
        raw.expect(ICMPv6EchoReply)


class BodyTests(PlainCase):
    """Bodies that end."""

    def echoes(self) -> int:
        """Return how many echo requests the gateway's kernel has received."""
        counts = dict(line.split() for line in self.lab.gateway.run("cat", "/proc/net/snmp6").stdout.splitlines())
        return int(counts["Icmp6InEchos"])

    def test_length(self) -> None:
        """After as many bytes as were announced the session ends; what follows is neither packet nor request."""
        head = post(HOST, b"Content-Length: %d\r\n" % (2 * len(ECHO)))
        for behind in (b"", ECHO, request(), request() + ECHO, post(HOST, b"Content-Length: 0\r\n")):
            before = self.echoes()
            answer = self.answer(head + ECHO * 2 + behind)
            self.assertEqual(1, answer.count(b"\r\nServer: "), behind)
            self.assertEqual(before + 2, self.echoes(), behind)

    def test_chunks(self) -> None:
        """Packets in chunks are delivered, until the last chunk."""
        stream = b"".join(b"%x;a=b\r\n%s\r\n" % (len(piece), piece) for piece in (ECHO[:7], ECHO[7:] + ECHO))
        before = self.echoes()
        answer = self.answer(post(HOST, CHUNKED) + stream + b"0\r\n\r\n" + request() + ECHO)
        self.assertEqual((1, before + 2), (answer.count(b"\r\nServer: "), self.echoes()))

    def test_malformed_chunks(self) -> None:
        """Malformed chunks end the session."""
        for name, stream in MALFORMED_CHUNKS.items():
            mark = self.gateway.mark()
            wire = self.plain()
            try:
                wire.sendall(post(HOST, CHUNKED) + stream)
                answer = read_all(wire)
            except ConnectionError:  # there was more than anybody read
                answer = b""
            self.assertIn(answer[:13], (b"HTTP/1.1 200 ", b""), name)
            self.gateway.wait_for("disconnected", since=mark)


class WrongPortTests(RawCase):
    """Clients of other protocols than the port's."""

    def test_tls_port(self) -> None:
        """On the port for TLS, anything else is closed, and the log has one line for each."""
        server = self.server()
        for sent, line in (
            (request(), "plain HTTP request on a TLS port"),
            (b"SSH-2.0-OpenSSH_9.2p1\r\n", "TLS"),
            (bytes(100), "TLS"),
        ):
            mark = server.mark()
            wire = connect(self.lab.clients[0], GATEWAY_IPV4, 443)
            self.addCleanup(wire.close)
            wire.sendall(sent)
            self.assertNotIn(b"HTTP", read_all(wire))
            self.assertIn(line, server.wait_for("connection from", since=mark))
            self.assertEqual(1, server.text[mark:].count("connection from"))

    def test_http2(self) -> None:
        """HTTP/1.1 is chosen if offered; a client that offers other protocols only, or speaks HTTP/2, is rejected."""
        server = self.server(authentication="none")
        preface = REFUSED["the preface of HTTP/2"][0]
        for offered, chosen, sent, status in (
            ([], None, preface, b"505"),
            (["h2", "http/1.1"], "http/1.1", request(), b"200"),
            (["http/1.1"], "http/1.1", preface, b"505"),
        ):
            with self.offering(*offered) as wire:
                self.assertEqual(chosen, wire.selected_alpn_protocol())
                wire.sendall(sent)
                self.assertEqual(b"HTTP/1.1 " + status, wire.recv(12))
        for offered in (["h2"], ["http/1.0", "h2c", "x" * 255]):
            mark = server.mark()
            with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
                self.offering(*offered)
            self.assertIn("the client does not offer HTTP/1.1 (ALPN)", server.wait_for("connection from", since=mark))

    def offering(self, *protocols: str) -> ssl.SSLSocket:
        """Shake hands by TLS, and offer protocols."""
        context = ssl.create_default_context(cafile=str(self.lab.authority.certificate))
        context.set_alpn_protocols(protocols)
        bare = connect(self.lab.clients[0], GATEWAY_IPV4, 443)
        self.addCleanup(bare.close)
        return context.wrap_socket(bare, server_hostname=GATEWAY_NAME)


class DeadlineTests(RawCase):
    """The time that a connection has to become a session, and that a session has."""

    def test_deadline(self) -> None:
        """Silence, half a ClientHello, and half a head end at the deadline; an idle session does not."""
        server = self.server("--handshake-timeout", "1", authentication="none")
        session = self.raw()
        session.post()
        for sent in (b"", b"\x16\x03\x01\x02\x00\x01"):
            wire = connect(self.lab.clients[0], GATEWAY_IPV4, 443)
            self.addCleanup(wire.close)
            wire.sendall(sent)
            self.assert_ends(server, wire)
        slow = self.raw()
        slow.send(b"POST /IPHTTPS HTTP/1.1\r\nHost:")
        self.assert_ends(server, slow.wire)
        session.send(ECHO)
        session.expect(ICMPv6EchoReply)

    def assert_ends(self, server: Program, wire: socket.socket) -> None:
        """Check that the server ends a connection for its slowness."""
        mark = server.mark()
        begin = time.monotonic()
        with contextlib.suppress(ConnectionError):
            read_all(wire)
        self.assertLess(time.monotonic() - begin, 4.0)
        server.wait_for("it sent no complete request in time", since=mark)


class FloodTests(PlainCase):
    """Too many requests, and too many connections."""

    clients = 2

    def flags(self) -> tuple[str, ...]:
        """Leave little room."""
        return ("--max-handshakes", "40", "--max-handshakes-per-source", "8")

    def bystander(self) -> Namespace:
        """Start a client on another host, which must not notice anything."""
        host = self.lab.clients[1]
        self.lab.client(2, uri=f"http://{GATEWAY_IPV4}/IPHTTPS")
        wait_reachable(host, PRIVATE_HOST)
        return host

    def test_refused_requests(self) -> None:
        """Thousands of bad requests leave a handful of lines in the log and one with their number."""
        bystander = self.bystander()
        mark = self.gateway.mark()
        for _ in range(1000):
            self.assertTrue(self.answer(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 404"))
        pings = ping(bystander, PRIVATE_HOST)
        self.assertEqual(0, pings.lost)
        self.assertEqual(10, self.gateway.text[mark:].count("there is no such path"))
        self.gateway.stop()
        self.gateway.wait_for("990 more rejected or failed connections within 60 s")

    def test_one_request(self) -> None:
        """A connection carries one request: what follows a rejected one is not answered."""
        answer = self.answer(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        self.assertEqual(1, answer.count(b"\r\nServer: "))

    def test_waiting_connections(self) -> None:
        """One source has only so many connections on their way to a session; others do not notice."""
        bystander = self.bystander()
        waiting = [self.plain() for _ in range(8)]
        for wire in waiting:
            wire.sendall(request()[:5])
        ninth = self.plain()
        ninth.sendall(request())
        self.assertRaises(ConnectionError, ninth.recv, 1)
        self.gateway.wait_for("too many of its connections have no session yet")
        self.assertEqual(0, ping(bystander, PRIVATE_HOST).lost)
        # Those that are there go on, and make room once they are sessions.
        waiting[0].sendall(request()[5:])
        self.assertEqual(b"HTTP/1.1 200", waiting[0].recv(12))
        self.assertTrue(self.answer(post(HOST, method=b"GET")).startswith(b"HTTP/1.1 405 "))
