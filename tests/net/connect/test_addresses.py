"""An attempt goes on with the next address where TCP works, but TLS or HTTP does not."""

from __future__ import annotations

from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import succeed
from twisted.internet.error import ConnectionDone, ConnectionRefusedError, TCPTimedOutError
from twisted.internet.interfaces import IAddress, IConnector, IReactorFDSet, IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.client import ClientEvent, ClientMachine, ClientState
from iphttps.core.proxy.url import Proxy
from iphttps.core.reconnect import INITIAL, ReconnectTimer
from iphttps.host.device.memory import MemoryDevice
from iphttps.net.client import Client
from iphttps.net.connect.addresses import Addresses
from iphttps.net.connect.alternatives import MAXIMUM_CONNECTIONS, PATIENCE
from iphttps.net.connect.endpoints import URI, client_endpoint
from iphttps.net.connect.fallback import FallbackEndpoint
from iphttps.net.connect.remote_server import RemoteServer
from iphttps.net.connection import HANDSHAKE_DEADLINE
from iphttps.net.device_reader import DeviceReader

from ..support import NAME, Endpoint, iphttps_session, unheard
from .test_endpoints import Named

V6 = [IPv6Address("TCP", f"2001:db8::{number}", 80) for number in range(1, 4)]
V4 = [IPv4Address("TCP", f"192.0.2.{number}", 80) for number in range(1, 4)]
PROXY = Proxy.parse("http://proxy.example:3128")
OK = b"HTTP/1.1 200 OK\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n"


class OrderTests(SynchronousTestCase):
    """In which order the addresses of a name are tried."""

    def test_families(self) -> None:
        """The resolver's order stays (RFC 6724), but the families take turns (RFC 8305 section 4)."""
        self.assertEqual([V6[0], V4[0], V6[1], V4[1], V6[2]], Addresses().chosen([*V6, *V4[:2]]))
        self.assertEqual([V4[0], V6[0], V4[1]], Addresses().chosen([V4[0], V4[0], V4[1], V6[0]]))

    def test_struck(self) -> None:
        """An address that is struck is left out until a new attempt begins."""
        addresses = Addresses()
        self.assertEqual([V6[0], V4[0]], addresses.chosen([V6[0], V4[0]]))
        addresses.using(V6[0])
        self.assertTrue(addresses.others)
        addresses.strike()
        self.assertEqual([V4[0]], addresses.chosen([V6[0], V4[0]]))
        addresses.using(V4[0])
        self.assertFalse(addresses.others)
        addresses.begin()
        self.assertEqual([V6[0], V4[0]], addresses.chosen([V6[0], V4[0]]))

    def test_unknown(self) -> None:
        """A connection of another kind strikes nothing."""
        addresses = Addresses()
        addresses.chosen([V4[0]])
        addresses.using(None)
        addresses.strike()
        self.assertEqual([V4[0]], addresses.chosen([V4[0]]))


class AddressesCase(SynchronousTestCase):
    """A client whose server has three addresses, and a reactor in memory."""

    found: tuple[IAddress, ...] = (V6[0], V4[0], V4[1])
    ways: tuple[Proxy | None, ...] = (None,)

    def setUp(self) -> None:
        """Enable the client."""
        self.clock = MemoryReactorClock()
        self.clock.installNameResolver(Named(*self.found))
        device = MemoryDevice("client")
        self.addCleanup(device.close)
        self.proxied = Endpoint()
        addresses = Addresses()
        direct = client_endpoint(self.clock, URI.parse(f"http://{NAME}/"), None, None, addresses)
        by_proxy = cast(IStreamClientEndpoint, self.proxied)
        ways = FallbackEndpoint(
            lambda: succeed(self.ways), lambda way: by_proxy if way else direct, lambda: None, addresses
        )
        self.client = Client(
            self.clock,
            ClientMachine(ReconnectTimer()),
            [RemoteServer(f"http://{NAME}", ways, iphttps_session(NAME, "/"))],
            device,
            lambda deliver: DeviceReader(cast(IReactorFDSet, self.clock), device, deliver, self.fail),
            bring_up=lambda tunnel: None,
            take_down=lambda: None,
            liveness=unheard(self.clock),
        )
        self.client.handle(ClientEvent.ENABLE)
        self.client.handle(ClientEvent.PRECONDITION)

    def accept(self, host: IAddress) -> tuple[Protocol, StringTransport]:
        """Let the latest connection, which must be to this address, be accepted."""
        reached, _, factory, _, _ = self.clock.tcpClients[-1]
        self.assertEqual(cast(IPv4Address, host).host, reached)
        protocol = cast(Protocol, factory.buildProtocol(host))
        transport = StringTransport()
        protocol.makeConnection(transport)
        self.assertIn(b"POST / HTTP/1.1", transport.value())
        return protocol, transport

    def refuse(self, host: IAddress, error: Exception) -> None:
        """Let the latest connection, which must be to this address, fail in TCP."""
        reached, _, factory, _, _ = self.clock.tcpClients[-1]
        self.assertEqual(cast(IPv4Address, host).host, reached)
        factory.clientConnectionFailed(cast(IConnector, self.clock.connectors[-1]), Failure(error))

    def lose(self, protocol: Protocol) -> None:
        """End a connection."""
        protocol.connectionLost(Failure(ConnectionDone()))

    def answer(self, host: IAddress, answer: bytes) -> Protocol:
        """Let the latest connection be accepted, and the request answered so."""
        protocol, _ = self.accept(host)
        protocol.dataReceived(answer)
        if answer != OK:
            self.lose(protocol)
        return protocol

    def silence(self, host: IAddress, seconds: float) -> None:
        """Let the latest connection be accepted, and nothing be said for so long."""
        protocol, transport = self.accept(host)
        self.clock.advance(seconds - 0.1)
        self.assertFalse(transport.disconnecting)
        self.clock.advance(0.1)
        self.assertTrue(transport.disconnecting)
        self.lose(protocol)

    def assert_failed(self, sentence: str, delay: float = INITIAL) -> None:
        """Check that the attempt is over, and why, and that the reconnect timer counts one failure."""
        assert self.client.last_failure and self.client.next_attempt
        self.assertIn(sentence, self.client.last_failure[0].sentence)
        self.assertEqual(delay, self.client.next_attempt - self.clock.seconds())


class NextAddressTests(AddressesCase):
    """One attempt, address after address."""

    def test_refusal(self) -> None:
        """An answer other than 200 leads to the next address at once, and the timer does not start."""
        with capturedLogs() as events:
            self.answer(V6[0], BUSY)
        self.assertTrue(any("503" in str(formatEvent(event)) for event in events))
        self.assertIsNone(self.client.next_attempt)
        self.assertIsNone(self.client.last_failure)
        self.answer(V4[0], OK)
        self.assertIs(self.client.state, ClientState.LINK_UP)

    def test_hung_up(self) -> None:
        """An address that hangs up instead of answering is followed by the next one."""
        self.lose(self.accept(V6[0])[0])
        self.answer(V4[0], OK)
        self.assertIs(self.client.state, ClientState.LINK_UP)

    def test_silence(self) -> None:
        """A silent address is given up soon where there are others; the last one has the whole time."""
        self.silence(V6[0], PATIENCE)
        self.silence(V4[0], PATIENCE)
        self.silence(V4[1], HANDSHAKE_DEADLINE)
        self.assert_failed("did not open the session within 30 seconds")

    def test_slow(self) -> None:
        """A silent address gets the whole time where no other leads to a session."""
        self.silence(V6[0], PATIENCE)
        self.refuse(V4[0], TCPTimedOutError())
        self.clock.advance(0.3)
        self.refuse(V4[1], ConnectionRefusedError())
        self.clock.advance(0.3)
        protocol, transport = self.accept(V6[0])
        self.clock.advance(HANDSHAKE_DEADLINE - 1)
        self.assertFalse(transport.disconnecting)
        protocol.dataReceived(OK)
        self.assertIs(self.client.state, ClientState.LINK_UP)

    def test_all(self) -> None:
        """If all fail, the last failure is told, and the longest wait that was asked for holds."""
        self.answer(V6[0], BUSY)
        self.answer(V4[0], b"HTTP/1.1 404 Not Found\r\n\r\n")
        self.answer(V4[1], b"HTTP/1.1 403 Forbidden\r\n\r\n")
        self.assert_failed("403", 100.0)
        self.clock.advance(100.0)
        self.answer(V6[0], OK)
        self.assertIs(self.client.state, ClientState.LINK_UP)

    def test_telling(self) -> None:
        """The error of an address that answered is preferred to those of unreachable ones."""
        self.answer(V6[0], b"HTTP/1.1 404 Not Found\r\n\r\n")
        self.refuse(V4[0], TCPTimedOutError())
        self.clock.advance(0.3)
        self.refuse(V4[1], ConnectionRefusedError())
        self.clock.advance(0.3)
        self.assert_failed("404")

    def test_session(self) -> None:
        """After a session the other addresses are tried at once, and last the one that was lost (3.1.2.1)."""
        self.answer(V6[0], BUSY)
        self.lose(self.answer(V4[0], OK))
        self.assertIsNone(self.client.next_attempt)
        for address in (V6[0], V4[1], V4[0]):
            self.lose(self.accept(address)[0])
        self.assert_failed("closed the connection")
        self.clock.advance(INITIAL)
        self.accept(V6[0])

    def test_disabled(self) -> None:
        """A client that is disabled goes on with no address."""
        protocol, _ = self.accept(V6[0])
        self.client.disable("enough")
        self.lose(protocol)
        self.assertEqual(1, len(self.clock.tcpClients))
        self.assertEqual([], self.clock.getDelayedCalls())


class ManyAddressesTests(AddressesCase):
    """A server with more addresses than an attempt may burden."""

    found = (*V6, *V4)

    def test_bounded(self) -> None:
        """A rejection that all addresses share is met on four of them, and then the client waits."""
        for host in (V6[0], V4[0], V6[1], V4[1]):
            self.answer(host, b"HTTP/1.1 403 Forbidden\r\n\r\n")
        self.assertEqual(MAXIMUM_CONNECTIONS, len(self.clock.tcpClients))
        self.assert_failed("403")


class NextWayTests(AddressesCase):
    """A proxy, and the direct way with one address."""

    found = (V4[0],)
    ways = (PROXY, None)

    def test_next_way(self) -> None:
        """If a proxy opens the way, and the session does not open behind it, the next way is tried."""
        protocol = self.proxied.accept(StringTransport())
        self.lose(protocol)
        self.assertIsNone(self.client.next_attempt)
        self.answer(V4[0], b"HTTP/1.1 403 Forbidden\r\n\r\n")
        self.assert_failed("403")
        self.clock.advance(INITIAL)
        self.assertEqual(2, len(self.proxied.attempts))
