"""An attempt goes on with the next address of a proxy's name where one of them is of no use."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.interfaces import IConnector, IProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ProxyError, ProxyFault
from iphttps.core.proxy.login import ProxyCredentials
from iphttps.core.proxy.url import Login, Proxy
from iphttps.net.connect.alternatives import MAXIMUM_CONNECTIONS, PATIENCE
from iphttps.net.connect.endpoints import URI, client_endpoint
from iphttps.net.connect.proxy import DEADLINE, ProxySettings
from iphttps.net.connect.spnego import tokens

from ..certificates import Certificates
from .test_endpoints import Named

ADDRESSES = [f"192.0.2.{number}" for number in range(1, 7)]
OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
LOGIN = b'HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'


class ProxyAddressesTests(SynchronousTestCase):
    """A proxy whose name has several addresses, and a reactor in memory."""

    def begin(self, count: int = 3, *, secure: bool = False) -> None:
        """Begin an attempt by a proxy with so many addresses."""
        self.clock = MemoryReactorClock()
        self.clock.installNameResolver(Named(*(IPv4Address("TCP", each, 3128) for each in ADDRESSES[:count])))
        credentials = ProxyCredentials(lambda: Login("alice", "secret"), basic_in_clear=True)
        tls = Certificates(Path(self.mktemp())).client_tls() if secure else None
        settings = ProxySettings(Proxy(secure, "proxy.example", 3128), credentials, tokens, tls)
        endpoint = client_endpoint(self.clock, URI.parse("http://vpn.example/"), None, settings)
        self.attempt: Deferred[IProtocol] = endpoint.connect(Factory.forProtocol(Protocol))

    def accept(self, number: int) -> tuple[Protocol, StringTransport]:
        """Let the latest connection, which must be the one to this address, be accepted."""
        host, port, factory, _, _ = self.clock.tcpClients[-1]
        self.assertEqual(ADDRESSES[number], host)
        address = IPv4Address("TCP", host, port)
        protocol = cast(Protocol, factory.buildProtocol(address))
        transport = cast(Any, StringTransport(peerAddress=cast(IPv6Address, address)))
        transport.protocol = None
        protocol.makeConnection(transport)
        return protocol, transport

    def answer(self, number: int, *answers: bytes) -> None:
        """Let the latest connection be accepted, and the requests answered so."""
        protocol, transport = self.accept(number)
        for each in answers:
            self.assertIn(b"CONNECT vpn.example:80 ", transport.value())
            transport.clear()
            protocol.dataReceived(each)

    def refuse(self, number: int) -> None:
        """Let the latest connection fail in TCP."""
        self.assertEqual(ADDRESSES[number], self.clock.tcpClients[-1][0])
        connector = cast(IConnector, self.clock.connectors[-1])
        self.clock.tcpClients[-1][2].clientConnectionFailed(connector, Failure(ConnectionRefusedError()))
        self.clock.advance(0.3)

    def assert_open(self) -> None:
        """Check that the way is open, and nothing is left over."""
        self.successResultOf(self.attempt)
        self.assertEqual([], self.clock.getDelayedCalls())

    def assert_fails(self, fault: ProxyFault, words: str) -> None:
        """Check that the attempt is over, and why."""
        error = self.failureResultOf(self.attempt, ProxyError).value
        self.assertEqual(fault, error.fault)
        self.assertIn(words, str(error))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_answers(self) -> None:
        """A rejection, what is no HTTP, a captive portal and a connection that is closed lead to the next address."""
        portal = b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\nContent-Length: 0\r\n\r\n"
        for useless in (BUSY, b"SSH-2.0-OpenSSH\r\n\r\n", portal):
            self.begin()
            self.answer(0, useless)
            self.answer(1, OPEN)
            self.assert_open()
        self.begin()
        self.accept(0)[0].connectionLost(Failure(ConnectionDone()))
        self.answer(1, OPEN)
        self.assert_open()

    def test_tls(self) -> None:
        """So does an address on which TLS fails."""
        self.begin(secure=True)
        protocol, _ = self.accept(0)
        protocol.dataReceived(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        protocol.connectionLost(Failure(ConnectionDone()))
        self.accept(1)
        self.attempt.cancel()
        self.failureResultOf(self.attempt, CancelledError)

    def test_silence(self) -> None:
        """A silent address is given up soon where there are others; the last has the whole time."""
        self.begin()
        for number, seconds in enumerate((PATIENCE, PATIENCE, DEADLINE)):
            _, transport = self.accept(number)
            self.clock.advance(seconds - 0.1)
            self.assertFalse(transport.disconnected)
            self.clock.advance(0.1)
            self.assertTrue(transport.disconnected)
        self.assert_fails(ProxyFault.NO_ANSWER, "did not answer in time")

    def test_slow(self) -> None:
        """A silent address gets the whole time where no other opens the way; one that answers has it for the login."""
        self.begin(2)
        self.accept(0)
        self.clock.advance(PATIENCE)
        self.refuse(1)
        protocol, transport = self.accept(0)
        self.clock.advance(DEADLINE - 1)
        protocol.dataReceived(OPEN)
        self.assert_open()
        self.begin(2)
        protocol, transport = self.accept(0)
        protocol.dataReceived(LOGIN)
        self.clock.advance(PATIENCE + 1)
        self.assertFalse(transport.disconnected)
        protocol.dataReceived(OPEN)
        self.assert_open()

    def test_login(self) -> None:
        """A password that one address rejects is shown to no other: that could lock the account."""
        self.begin()
        self.answer(0, LOGIN, LOGIN)
        self.assertEqual(1, len(self.clock.tcpClients))
        self.assert_fails(ProxyFault.CREDENTIALS_WRONG, "")

    def test_bounded(self) -> None:
        """Of many addresses four are tried; the next attempt begins with the first again."""
        self.begin(6)
        for number in range(MAXIMUM_CONNECTIONS):
            self.answer(number, BUSY)
        self.assertEqual(MAXIMUM_CONNECTIONS, len(self.clock.tcpClients))
        self.assert_fails(ProxyFault.REFUSED, "503")

    def test_telling(self) -> None:
        """The error of a proxy that answered is preferred to those of unreachable ones."""
        self.begin(2)
        self.answer(0, BUSY)
        self.refuse(1)
        self.assert_fails(ProxyFault.REFUSED, "503")
