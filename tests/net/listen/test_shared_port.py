"""Two protocols on one port: the one demands client certificates, the other does without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from iphttps.core.http.document import Document
from iphttps.core.iphttps.server import ServerEvent
from iphttps.lab.authority import Identity
from iphttps.net.listen.service import CertificatePolicy, Peer
from iphttps.net.tls.contexts import ServerTLS, TLSSettings
from iphttps.pki.certificates import Credentials
from iphttps.pki.revocation import RevocationLists, now_of
from tests.net.certificates import Certificates, credentials, unchecked
from tests.net.iphttps.test_server import REQUEST, session_of
from tests.net.listen.echo import ANSWER, EchoService
from tests.net.listen.echo import REQUEST as ECHO
from tests.net.support import OUTER, PRIVATE_HOST, Connection, ServerEnd, client_address, packet
from tests.support import every_cut

PACKET = packet(client_address(1), PRIVATE_HOST)
FETCH = b"GET /iphttps.crl HTTP/1.1\r\nHost: gateway.example\r\n\r\n"


class PlainTests(SynchronousTestCase):
    """Without TLS."""

    def setUp(self) -> None:
        """Start the server."""
        self.clock = MemoryReactorClock()
        self.echo = EchoService(self.clock)
        self.end = ServerEnd(self.clock, others=(self.echo,))
        self.addCleanup(self.end.device.close)

    def say(self, *pieces: bytes) -> StringTransport:
        """Connect, and send the pieces, each to the protocol that is there at the time."""
        transport = StringTransport()
        vars(transport)["protocol"] = self.end.accept(transport)
        for piece in pieces:
            session_of(transport).dataReceived(piece)
        return transport

    def test_each(self) -> None:
        """Each request reaches its service, however the stream is cut, with all that comes behind it."""
        for pieces in every_cut(ECHO + b"one\ntwo\nthr"):
            self.assertEqual(ANSWER + b"one\ntwo\n", self.say(*pieces).value())
        self.assertTrue(self.say(REQUEST + PACKET).value().startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertEqual(([PACKET], 1), (self.end.device.taken, len(self.end.table)))

    def test_methods(self) -> None:
        """Another method is answered with those of the path alone."""
        for request, allowed in (
            (ECHO.replace(b"ECHO", b"POST"), b"ECHO"),
            (REQUEST.replace(b"POST", b"ECHO"), b"POST"),
        ):
            transport = self.say(request)
            self.assertTrue(transport.value().startswith(b"HTTP/1.1 405 "), transport.value())
            self.assertIn(b"\r\nAllow: " + allowed + b"\r\n", transport.value())

    def test_refused(self) -> None:
        """A request rejected by a service is answered with its status or closed, and logged."""
        self.assertTrue(
            self.say(ECHO.replace(b"\r\n\r\n", b"\r\nExpect: x\r\n\r\n")).value().startswith(b"HTTP/1.1 417 ")
        )
        self.echo.welcome = False
        with capturedLogs() as events:
            transport = self.say(ECHO)
        self.assertEqual((b"", True), (transport.value(), transport.disconnecting))
        self.assertIn("rejected 192.0.2.7:1234: there is an echo already", [formatEvent(event) for event in events])

    def test_out_of_the_way(self) -> None:
        """A session is neither in the handshake phase any more, nor under its deadline."""
        transport = self.say(ECHO)
        self.assertEqual(0, len(self.end.listener.limiter))
        self.clock.advance(3600)
        self.assertFalse(transport.disconnecting)

    def test_states(self) -> None:
        """The services begin and end with the port; a change of the mode ends the sessions of IP-HTTPS alone."""
        echo, tunnel, unsaid = self.say(ECHO), self.say(REQUEST), self.say(b"E")
        self.end.server.handle(ServerEvent.AUTHENTICATION)
        self.assertEqual((False, True, True), tuple(each.disconnecting for each in (echo, tunnel, unsaid)))
        self.assertTrue(self.echo.running)
        self.end.server.handle(ServerEvent.DISABLE)
        self.assertEqual((False, True), (self.echo.running, echo.disconnecting))


class Client(Protocol):
    """Sends a request, and keeps what comes."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.received = b""

    def connectionMade(self) -> None:
        """Send it."""
        assert self.transport
        self.transport.write(self.request)

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.received += data


@implementer(IOpenSSLClientConnectionCreator)
class Creator:
    """TLS of a client that trusts everybody; its certificate is whatever it has."""

    def __init__(self, shown: Credentials | None, version: int) -> None:
        self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self._context.set_max_proto_version(version)
        if shown:
            shown.install(self._context)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make the TLS side of a connection."""
        return SSL.Connection(self._context, None)


class CertificateTests(SynchronousTestCase):
    """With TLS, which asks everybody for a certificate."""

    def setUp(self) -> None:
        """Start the server."""
        self.clock = MemoryReactorClock()
        self.certificates = Certificates(Path(self.mktemp()))
        server = credentials(self.certificates.server)
        self.settings = TLSSettings(server, self.certificates.trusted, certificate_optional=True)
        self.tls = ServerTLS(self.settings)
        self.echo = EchoService(self.clock)
        self.end = ServerEnd(self.clock, self.tls, others=(self.echo,))
        self.addCleanup(self.end.device.close)
        self.tls.changed = self.end.listener.end_unwelcome
        self.said: list[str] = []

    def ask(self, request: bytes, shown: Identity | None = None, version: int = SSL.TLS1_3_VERSION) -> bytes:
        """Connect, show a certificate or none, and send a request; return what is answered."""
        client = Client(request)
        creator = Creator(unchecked(shown) if shown else None, version)
        factory = TLSMemoryBIOFactory(creator, True, Factory.forProtocol(lambda: client), self.clock)
        factory.noisy = False
        with capturedLogs() as events:
            connection = Connection(self.clock, *self._ends(factory))
            connection.settle()
            self.clock.advance(0)
            connection.settle()
        self.said = [str(formatEvent(event)) for event in events]
        return client.received

    def _ends(self, factory: TLSMemoryBIOFactory) -> tuple[Protocol, Protocol]:
        assert self.end.factory
        return cast(Protocol, self.end.factory.buildProtocol(OUTER)), cast(Protocol, factory.buildProtocol(OUTER))

    def test_without(self) -> None:
        """Without a certificate a client has the service that needs none, and is rejected by the other (3.2.5.1)."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            self.assertEqual(ANSWER + b"line\n", self.ask(ECHO + b"line\n", version=version))
            answer = self.ask(REQUEST + PACKET, version=version)
            self.assertTrue(answer.startswith(b"HTTP/1.1 403 Forbidden\r\n"), answer)
            self.assertIn(
                "rejected 192.0.2.7:1234: the client presented no certificate, and this path requires one", self.said
            )
        self.assertEqual(([], 0), (self.end.device.taken, len(self.end.table)))

    def test_with(self) -> None:
        """With one it has both; who it is, the service learns that demands it."""
        alice = self.certificates.client
        self.assertEqual(ANSWER, self.ask(ECHO, alice))
        self.assertTrue(self.ask(REQUEST, alice).startswith(b"HTTP/1.1 200 OK\r\n"))
        (entry,) = self.end.table
        self.assertEqual("CN=alice", entry.identity and entry.identity.subject)
        (peer,) = self.echo.peers
        self.assertEqual((None, "TLSv1.3"), (peer.identity, str(peer.suite).split()[0]))

    def test_bad(self) -> None:
        """A certificate that is shown must be good, whatever the request: the handshake fails (3.2.5.1)."""
        stranger = self.certificates.other_authority().client("mallory")
        own = self.certificates.self_signed("alice")
        server = self.certificates.server
        for shown in (stranger, own, server):
            for request in (ECHO, REQUEST, FETCH):
                self.assertEqual(b"", self.ask(request, shown))
                self.assertRegex(self.said[0], "rejected 192.0.2.7:1234: the certificate of ")
        self.assertEqual(([], 0), (self.echo.peers, len(self.end.table)))

    def test_revoked(self) -> None:
        """One that is revoked ends the sessions of both services, and begins none."""
        alice = self.certificates.client
        self.ask(ECHO, alice)
        self.ask(REQUEST, alice)
        self.assertEqual(2, len(self.end.listener._sessions))
        authority = self.certificates.authority
        lists = RevocationLists.load(authority.revoke(alice), self.certificates.trusted, now_of(self.tls.now()))
        self.tls.change(replace(self.settings, revocation=lists))
        self.assertEqual(0, len(self.end.table))
        for request in (ECHO, REQUEST):
            self.assertEqual(b"", self.ask(request, alice))
        self.assertEqual(ANSWER, self.ask(ECHO))

    def test_documents(self) -> None:
        """Public documents need no client certificate after the TLS handshake."""
        self.end.documents.documents = (Document("/iphttps.crl", "application/pkix-crl", b"list"),)
        self.assertTrue(self.ask(FETCH).endswith(b"\r\n\r\nlist"))

    def test_nobody_else(self) -> None:
        """If all services demand a certificate, the handshake fails without one, and no request is read."""
        self.tls.change(replace(self.settings, certificate_optional=False))
        self.end.documents.documents = (Document("/iphttps.crl", "application/pkix-crl", b"list"),)
        for request in (ECHO, REQUEST, FETCH):
            self.assertEqual(b"", self.ask(request))
            self.assertIn("connection from 192.0.2.7:1234 failed: the client sent no certificate", self.said)

    def test_nobody_asked(self) -> None:
        """In mode None nobody is asked, and whoever comes is nobody (3.2.1)."""
        self.tls.change(replace(self.settings, client_ca=None))
        self.end.service.certificate = CertificatePolicy.OPTIONAL
        self.assertTrue(self.ask(REQUEST, self.certificates.client).startswith(b"HTTP/1.1 200 OK\r\n"))
        (entry,) = self.end.table
        self.assertIsNone(entry.identity)

    def test_check_is_twofold(self) -> None:
        """A service that demands a certificate does so itself, also where TLS has not asked for one."""
        self.tls.change(replace(self.settings, client_ca=None))
        self.assertTrue(self.ask(REQUEST, self.certificates.client).startswith(b"HTTP/1.1 403 "))
        self.assertEqual(0, len(self.end.table))


class PeerTests(SynchronousTestCase):
    """The data about a client passed to a service."""

    def test_default(self) -> None:
        """By default that is a name alone."""
        self.assertEqual((None, None, None), (Peer("a").address, Peer("a").identity, Peer("a").suite))
