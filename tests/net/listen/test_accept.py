"""The accept_filter: fronts and what they announce, and sources that come too often."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.client import ClientEvent, ClientState
from iphttps.core.identity import Identity
from iphttps.core.proxy.trusted_proxies import TrustedProxies
from iphttps.net.listen.accept import HEADER_DEADLINE, AcceptFilter, ProxyHeaderProtocol
from iphttps.net.listen.service import CertificatePolicy
from iphttps.net.session_lines import LINES
from iphttps.net.tls.contexts import ClientTLS, ServerTLS, TLSSettings
from tests.net.certificates import Certificates, credentials
from tests.net.support import NAME, ClientEnd, Connection, ServerEnd
from tests.proxyprotocol import LOCAL, UNSPEC, header, tls, version1, version2
from tests.requests import request
from tests.support import every_cut

FRONT = IPv4Address("TCP", "198.51.100.9", 40000)
STRANGER = IPv4Address("TCP", "192.0.2.66", 40000)
HEADER = version2("192.0.2.7", "198.51.100.1", 1234)
ALICE = version2("192.0.2.7", "198.51.100.1", 1234, tls(b"alice"))


class AcceptFilterCase(SynchronousTestCase):
    """A server behind a front at 198.51.100.9."""

    proxy_protocol = True

    def setUp(self) -> None:
        """Start the server."""
        self.clock = MemoryReactorClock()
        self.end = ServerEnd(self.clock)
        self.addCleanup(self.end.device.close)
        self.accept_filter = self.before(self.end)

    def before(self, end: ServerEnd) -> AcceptFilter:
        """Make the accept_filter of a server."""
        assert end.factory
        fronts = TrustedProxies((ip_network("198.51.100.9"), ip_network("2001:db8:f::/64")))
        listener = end.listener
        return AcceptFilter(
            end.factory, self.clock, listener.limiter, listener.rejections, fronts, proxy_protocol=self.proxy_protocol
        )

    def connect(self, address: IAddress = FRONT) -> StringTransport | None:
        """Connect from an address; return the transport, whose `protocol` gets its bytes, or None if turned away."""
        transport = StringTransport()
        transport.protocol = self.accept_filter.buildProtocol(address)  # type: ignore[attr-defined]
        if transport.protocol is None:  # type: ignore[attr-defined]
            return None
        transport.protocol.makeConnection(transport)  # type: ignore[attr-defined]
        return transport

    def say(self, *pieces: bytes, address: IAddress = FRONT) -> StringTransport:
        """Connect and send the pieces, each to the protocol that is there at the time."""
        transport = self.connect(address)
        assert transport
        for piece in pieces:
            transport.protocol.dataReceived(piece)  # type: ignore[attr-defined]
        return transport

    def clients(self) -> list[tuple[str, Identity | None]]:
        """Return who is in the table."""
        return [(entry.peer, entry.identity) for entry in self.end.table]

    def rejections(self, *pieces: bytes, address: IAddress = FRONT) -> list[str]:
        """Return what the log says of a connection on which these pieces come, which must end at once."""
        with capturedLogs() as events:
            transport = self.say(*pieces, address=address)
        self.assertTrue(transport.disconnecting or transport.disconnected)
        self.assertEqual([], self.clients())
        return [str(formatEvent(event)) for event in events]


class AnnouncedTests(AcceptFilterCase):
    """What a front announces by the PROXY protocol."""

    def test_every_cut(self) -> None:
        """The client is the one announced, however the stream is cut."""
        for client in (HEADER, version1("192.0.2.7", "198.51.100.1", 1234, 443)):
            for pieces in every_cut(client + request()):
                transport = self.say(*pieces)
                self.assertTrue(transport.value().startswith(b"HTTP/1.1 200 OK\r\n"))
                self.assertEqual([("192.0.2.7:1234", None)], self.clients())
                transport.protocol.connectionLost(Failure(ConnectionDone()))  # type: ignore[attr-defined]

    def test_addresses(self) -> None:
        """Clients are named as if they had come themselves."""
        for source, destination, name in (
            ("2001:db8::7", "2001:db8::1", "[2001:db8::7]:1234"),
            ("::ffff:192.0.2.7", "::ffff:192.0.2.1", "192.0.2.7:1234"),
        ):
            transport = self.say(version2(source, destination, 1234) + request())
            self.assertEqual([(name, None)], self.clients())
            transport.protocol.connectionLost(Failure(ConnectionDone()))  # type: ignore[attr-defined]

    def test_ipv6_front(self) -> None:
        """A front in a prefix is one, and an IPv4 front of an IPv6 socket as well."""
        for address in ("2001:db8:f::5", "::ffff:198.51.100.9"):
            protocol = self.accept_filter.buildProtocol(IPv6Address("TCP", address, 40000))
            self.assertIsInstance(protocol, ProxyHeaderProtocol)

    def test_no_client(self) -> None:
        """A front that announces nobody is the client itself."""
        self.say(header(LOCAL, UNSPEC, b"") + request())
        self.assertEqual([("198.51.100.9:40000", None)], self.clients())

    def test_mandatory(self) -> None:
        """A front that sends no header is refused: the protocol forbids to guess (section 2)."""
        (line,) = self.rejections(request())
        self.assertIn("rejected 198.51.100.9:40000: the front sent no PROXY header", line)

    def test_malformed(self) -> None:
        """A malformed header ends the connection, and nothing is answered."""
        for stream in (b"PROXY TCP4 nonsense\r\n", version2("192.0.2.7", "198.51.100.1", 1234, tls(b"a" * 65))):
            transport = self.say(stream + request())
            self.assertEqual((b"", True), (transport.value(), transport.disconnected))

    def test_in_time(self) -> None:
        """A front has some seconds for its header."""
        transport = self.say(HEADER[:-1])
        with capturedLogs() as events:
            self.clock.advance(HEADER_DEADLINE)
        self.assertTrue(transport.disconnected)
        self.assertIn("it sent no PROXY header in time", str([formatEvent(event) for event in events]))

    def test_no_deadline_after(self) -> None:
        """The deadline is over with the header."""
        transport = self.say(HEADER + request())
        self.clock.advance(3600)
        self.assertFalse(transport.disconnecting)

    def test_forwarded_for(self) -> None:
        """A front that announces its clients passes on what they say themselves, so their headers are nothing."""
        self.say(HEADER + request(b"X-Forwarded-For: 203.0.113.1\r\n"))
        self.assertEqual([("192.0.2.7:1234", None)], self.clients())

    def test_stranger(self) -> None:
        """From anybody else a header is not HTTP, and is refused as such."""
        (line,) = self.rejections(HEADER + request(), address=STRANGER)
        self.assertIn("rejected 192.0.2.66:40000: it sends a PROXY header, which only a --trusted-proxy may", line)

    def test_stranger_without(self) -> None:
        """Anybody else may come without one."""
        self.say(request(b"X-Forwarded-For: 203.0.113.1\r\n"), address=STRANGER)
        self.assertEqual([("192.0.2.66:40000", None)], self.clients())

    def test_before_tls(self) -> None:
        """The header stands before TLS, where the front passes TLS through."""
        certificates = Certificates(Path(self.mktemp()))
        server = ServerTLS(TLSSettings(credentials(certificates.authority.server(NAME)), certificates.trusted))
        end = ServerEnd(self.clock, server)
        shown = credentials(certificates.authority.client("alice"))
        client = ClientEnd(self.clock, ClientTLS(NAME, certificates.trusted, shown))
        for each in (end, client):
            self.addCleanup(each.device.close)
        client.client.handle(ClientEvent.ENABLE)
        client.client.handle(ClientEvent.PRECONDITION)
        factory, attempt = client.endpoint.attempts[-1]
        inner = cast(Protocol, factory.buildProtocol(FRONT))
        connection = Connection(self.clock, cast(Protocol, self.before(end).buildProtocol(FRONT)), inner, 7)
        connection.client_end.stream.insert(0, version2("192.0.2.7", "198.51.100.1", 1234, tls(b"mallory")))
        attempt.callback(inner)
        connection.settle()
        self.assertEqual(ClientState.LINK_UP, client.state)
        (entry,) = end.table
        self.assertEqual(("192.0.2.7:1234", "CN=alice"), (entry.peer, entry.identity and entry.identity.subject))

    def test_closed_port(self) -> None:
        """When the port closes, who has announced nobody yet never will."""
        transport = self.say(HEADER[:-1])
        self.accept_filter.doStart()
        self.accept_filter.doStop()
        self.assertTrue(transport.disconnected)
        self.assertEqual([], [call for call in self.clock.getDelayedCalls() if call.getTime() == HEADER_DEADLINE])

    def test_lost(self) -> None:
        """A front that hangs up before its header is forgotten."""
        transport = self.say(HEADER[:-1])
        transport.protocol.connectionLost(Failure(ConnectionDone()))  # type: ignore[attr-defined]
        self.assertEqual(0, len(self.accept_filter.announcing))


class VouchedTests(AcceptFilterCase):
    """Identity from a front, in mode Certificates over plain HTTP."""

    def setUp(self) -> None:
        """Have the server rely on the front."""
        super().setUp()
        self.end.service.certificate = CertificatePolicy.REQUIRED

    def test_identity(self) -> None:
        """The client is whom the front has verified, written as its certificate's subject would be."""
        self.say(ALICE + request())
        self.say(version2("192.0.2.8", "198.51.100.1", 1, tls(b"a,b=\nc")) + request())
        expected = [("192.0.2.7:1234", Identity("CN=alice")), ("192.0.2.8:1", Identity(r"CN=a\,b=\0Ac"))]
        self.assertEqual(expected, self.clients())

    def test_lines(self) -> None:
        """Of one who comes and goes all the time only so many sessions are logged, both lines of each."""
        with capturedLogs() as events:
            for _ in range(2 * LINES):
                self.say(ALICE + request()).protocol.connectionLost(Failure(ConnectionDone()))  # type: ignore[attr-defined]
        said = [event["event"] for event in events]
        self.assertEqual((LINES, LINES), (said.count("session-opened"), said.count("session-ended")))

    def test_nobody(self) -> None:
        """Whom the front does not vouch for is refused with 403, and so is who comes past the front (3.2.5.1)."""
        for stream, address in (
            (HEADER + request(), FRONT),
            (version2("192.0.2.7", "198.51.100.1", 1234, tls(b"alice", verify=1)) + request(), FRONT),
            (header(LOCAL, UNSPEC, tls(b"alice")) + request(), FRONT),
            (request(), STRANGER),
        ):
            transport = self.say(stream, address=address)
            self.assertTrue(transport.value().startswith(b"HTTP/1.1 403 Forbidden\r\n"), transport.value())
            self.assertTrue(transport.disconnecting)
        self.assertEqual([], self.clients())

    def test_not_asked_for(self) -> None:
        """In mode None nobody is anybody, whatever the front says (4.2.2)."""
        self.end.service.certificate = CertificatePolicy.OPTIONAL
        self.say(ALICE + request())
        self.assertEqual([("192.0.2.7:1234", None)], self.clients())


class ForwardedTests(AcceptFilterCase):
    """X-Forwarded-For, from fronts that speak HTTP."""

    proxy_protocol = False

    def test_front(self) -> None:
        """From a front the header tells who the client is; its last word counts."""
        self.say(request(b"X-Forwarded-For: 203.0.113.1\r\n", b"X-Forwarded-For: 192.0.2.7\r\n"))
        self.assertEqual([("192.0.2.7", None)], self.clients())

    def test_front_without(self) -> None:
        """Without the header, or with one that says nothing, the front is the client."""
        for head in (request(), request(b"X-Forwarded-For: unknown\r\n")):
            transport = self.say(head)
            self.assertEqual([("198.51.100.9:40000", None)], self.clients())
            transport.protocol.connectionLost(Failure(ConnectionDone()))  # type: ignore[attr-defined]

    def test_stranger(self) -> None:
        """From anybody else it is nothing."""
        self.say(request(b"X-Forwarded-For: 203.0.113.1\r\n"), address=STRANGER)
        self.assertEqual([("192.0.2.66:40000", None)], self.clients())

    def test_no_proxy_protocol(self) -> None:
        """Where no PROXY header is expected, one is not HTTP, from a front as from others."""
        (line,) = self.rejections(HEADER + request())
        self.assertIn("it sends a PROXY header", line)
