"""The server of published documents by plain HTTP: responses and robustness."""

from __future__ import annotations

from typing import cast

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IListeningPort, ITCPTransport
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from iphttps.core.admission import HandshakeLimiter
from iphttps.core.http.document import Document
from iphttps.core.proxy.trusted_proxies import TrustedProxies
from iphttps.net.connection import CLOSE_DEADLINE, HANDSHAKE_DEADLINE
from iphttps.net.listen.accept import AcceptFilter
from iphttps.net.listen.listener import Listener
from iphttps.net.listen.static import CONNECTIONS, DEADLINE, PER_SOURCE, StaticService
from tests.net.support import Port, ServerEnd

CONTENT = bytes(range(256)) * 1000
REQUEST = b"GET /iphttps.crl HTTP/1.1\r\nHost: vpn.example.org\r\n\r\n"


ROOM = 16 * 1024


class Transport(StringTransport):
    """A connection with room for so many bytes until they are taken, which notes how it was closed."""

    half_closed = False
    taken = 0
    protocol: Protocol

    def __init__(self) -> None:
        super().__init__()
        alsoProvides(self, ITCPTransport)  # as far as it is used

    def write(self, data: bytes) -> None:
        """Have the producer pause where this is more than there is room for."""
        super().write(data)
        if self.producer and len(self.value()) - self.taken > ROOM:
            self.producer.pauseProducing()

    def take(self) -> None:
        """Take all that was sent, and all that is sent after that."""
        while self.producer and len(self.value()) > self.taken:
            self.taken = len(self.value())
            self.producer.resumeProducing()

    def loseWriteConnection(self) -> None:
        """Note it."""
        self.half_closed = True


class StaticServerTests(SynchronousTestCase):
    """A listener with nothing but one long document."""

    def setUp(self) -> None:
        """Make it."""
        self.clock = MemoryReactorClock()
        documents = StaticService("name")
        documents.documents = (Document("/iphttps.crl", "application/pkix-crl", CONTENT),)
        self.port = Port()
        self.publication = published = Listener(
            self.clock,
            lambda factory: cast(IListeningPort, self.port),
            (documents,),
            name="name",
            limiter=HandshakeLimiter(CONNECTIONS, PER_SOURCE),
            handshake_deadline=DEADLINE,
        )
        self.publication.start()
        self.accept_filter = AcceptFilter(
            published, self.clock, published.limiter, published.rejections, TrustedProxies(()), proxy_protocol=False
        )

    def connect(self, host: str = "192.0.2.7") -> tuple[Protocol | None, Transport]:
        """Connect from an address; without a protocol it was turned away."""
        transport = Transport()
        protocol = self.accept_filter.buildProtocol(IPv4Address("TCP", host, 40000))
        if protocol:
            transport.protocol = protocol
            protocol.makeConnection(transport)
        return protocol, transport

    def ask(self, request: bytes) -> Transport:
        """Send a request, or anything else, byte by byte; take the answer."""
        protocol, transport = self.connect()
        assert protocol
        for at in range(len(request)):
            transport.protocol.dataReceived(request[at : at + 1])  # the one that is there at the time
        transport.take()
        return transport

    def test_get(self) -> None:
        """GET gets the whole document, and then the end of the connection."""
        transport = self.ask(REQUEST + REQUEST)
        head, _, body = transport.value().partition(b"\r\n\r\n")
        self.assertIn(b"Content-Length: 256000", head)
        self.assertEqual((CONTENT, True), (body, transport.half_closed))

    def test_head(self) -> None:
        """HEAD gets the head alone."""
        transport = self.ask(REQUEST.replace(b"GET", b"HEAD"))
        self.assertTrue(transport.value().endswith(b"Content-Length: 256000\r\n\r\n"))
        self.assertTrue(transport.half_closed)

    def test_refused(self) -> None:
        """Any other request or data is rejected with its status, and the connection ends."""
        for request, status in (
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404),
            (b"POST /IPHTTPS HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n", 404),
            (b"POST /iphttps.crl HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 405),
            (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 \r\n", 400),
            (b"GET /" + b"x" * 20000, 414),
            (b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"x" * 20000, 431),
            (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ):
            transport = self.ask(request)
            self.assertTrue(transport.value().startswith(b"HTTP/1.1 %d " % status), transport.value()[:100])
            self.assertTrue(transport.half_closed)

    def test_folded(self) -> None:
        """A head with a folded line is rejected."""
        transport = self.ask(b"GET /iphttps.crl HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n")
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 400 "), transport.value()[:100])

    def test_pieces(self) -> None:
        """For a client that does not read, only a part of the response is queued."""
        protocol, transport = self.connect()
        assert protocol
        protocol.dataReceived(REQUEST)
        self.assertLess(len(transport.value()), 3 * ROOM)
        transport.take()
        self.assertGreater(len(transport.value()), len(CONTENT))

    def test_deadline(self) -> None:
        """A connection ends in time, whether its peer says nothing, or takes nothing."""
        for said in (b"G", REQUEST[:20], REQUEST):
            protocol, transport = self.connect()
            assert protocol
            protocol.dataReceived(said)
            self.clock.advance(DEADLINE - 1)
            self.assertFalse(transport.disconnecting)
            self.clock.advance(1)
            self.clock.advance(CLOSE_DEADLINE)
            self.assertTrue(transport.disconnected)

    def test_bounds(self) -> None:
        """Of one source few connections are taken; of too many together one of the fullest source ends."""
        for _ in range(PER_SOURCE):
            protocol, _ = self.connect()
            assert protocol
            protocol.dataReceived(b"G")
        self.assertIsNone(self.connect()[0])
        others = [self.connect(f"{1 + number}.51.100.1") for number in range(CONNECTIONS)]
        self.assertTrue(all(protocol for protocol, _ in others))
        self.assertFalse(any(transport.disconnected for _, transport in others))
        self.assertTrue(self.connect()[0])
        self.assertEqual(CONNECTIONS, len(self.publication.limiter))

    def test_stops(self) -> None:
        """When it is closed every connection ends."""
        _, silent = self.connect()
        protocol, speaking = self.connect()
        assert protocol
        protocol.dataReceived(b"G")
        self.accept_filter.doStart()
        self.accept_filter.doStop()
        self.publication.stop()
        self.publication.disconnect("server shutting down")
        self.assertEqual((True, True, False), (silent.disconnected, speaking.disconnecting, self.port.open))


class BesideTunnelTests(SynchronousTestCase):
    """The same document beside the tunnel."""

    def setUp(self) -> None:
        """Start a server."""
        self.clock = MemoryReactorClock()
        self.end = ServerEnd(self.clock)
        self.addCleanup(self.end.device.close)
        self.end.documents.documents = (Document("/iphttps.crl", "application/pkix-crl", CONTENT),)

    def ask(self) -> Transport:
        """Ask for the document; the answer is not taken yet."""
        assert self.end.factory
        transport = Transport()
        protocol = self.end.factory.buildProtocol(IPv4Address("TCP", "192.0.2.7", 40000))
        assert protocol
        protocol.makeConnection(transport)
        protocol.dataReceived(REQUEST)
        return transport

    def test_get(self) -> None:
        """GET gets it whole, and no session; that is no rejection."""
        with capturedLogs() as events:
            transport = self.ask()
            transport.take()
        self.assertEqual(CONTENT, transport.value().partition(b"\r\n\r\n")[2])
        self.assertTrue(transport.half_closed)
        self.assertEqual(([], 0), (events, len(self.end.service.table)))

    def test_not_taken(self) -> None:
        """A client that does not read is disconnected at the end of the handshake phase."""
        transport = self.ask()
        self.clock.advance(HANDSHAKE_DEADLINE - 1)
        self.assertFalse(transport.disconnected)
        self.clock.advance(1)
        self.assertTrue(transport.disconnected)
