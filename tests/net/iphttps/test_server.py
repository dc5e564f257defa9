"""The server: its answers, its table, its states, and what it does to which client."""

from __future__ import annotations

from email.utils import formatdate
from ipaddress import IPv6Address as Address
from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import DropReason
from iphttps.core.ip.router_advertisement import RouterAdvertisement
from iphttps.core.iphttps.server import ServerEvent
from iphttps.net.connection import CLOSE_DEADLINE, HANDSHAKE_DEADLINE
from iphttps.net.iphttps.server_session import ServerSession
from iphttps.net.stream import fanout

from ..support import PREFIX, PRIVATE_HOST, SERVER_LINK_LOCAL, ServerEnd, client_address, packet

REQUEST = b"POST /IPHTTPS HTTP/1.1\r\nHost: vpn.example.org\r\nContent-Length: 18446744073709551615\r\n\r\n"
NOW = 1700000000.0
ANSWER = (
    "HTTP/1.1 200 OK\r\n"
    "Server: iphttps Microsoft-HTTPAPI/2.0\r\n"
    f"Date: {formatdate(NOW, usegmt=True)}\r\n"
    "\r\n"
).encode()  # fmt: skip
OTHERS = packet(client_address(1), PRIVATE_HOST, b"x")
ALL_NODES = Address("ff02::1")


def session_of(transport: StringTransport) -> Protocol:
    """Return the protocol that the transport gives its bytes to now."""
    return cast(Protocol, vars(transport)["protocol"])


class ServerCase(SynchronousTestCase):
    """A server that listens on plain HTTP, with clients as strings of bytes."""

    maximum = 8

    def setUp(self) -> None:
        """Start the server at a known time of day."""
        self.clock = MemoryReactorClock()
        self.clock.advance(NOW)
        self.end = ServerEnd(self.clock, maximum=self.maximum)
        self.addCleanup(self.end.device.close)

    def connection(self) -> tuple[Protocol, StringTransport]:
        """Accept a connection."""
        transport = StringTransport()
        return self.end.accept(transport), transport

    def session(self, number: int) -> tuple[Protocol, StringTransport]:
        """Open a session, in which the client with this number has sent a packet; forget what was sent so far."""
        protocol, transport = self.connection()
        protocol.dataReceived(REQUEST + packet(client_address(number), PRIVATE_HOST))
        transport.clear()
        self.end.device.taken.clear()
        return session_of(transport), transport


class OpeningTests(ServerCase):
    """POST and 200 (3.2.5.1)."""

    def test_answer(self) -> None:
        """The answer to the POST is 200 OK with Server, Date and a blank line, and nothing else (3.2.5.1)."""
        protocol, transport = self.connection()
        protocol.dataReceived(REQUEST)
        self.assertEqual(transport.value(), ANSWER)
        self.assertEqual(len(self.end.table), 1)

    def test_no_answer_before_the_request_is_whole(self) -> None:
        """Cut at every point, the request is answered once, when its last byte is there (3.2.5.1)."""
        for cut in range(1, len(REQUEST)):
            protocol, transport = self.connection()
            protocol.dataReceived(REQUEST[:cut])
            self.assertEqual(transport.value(), b"", f"cut at {cut}")
            protocol.dataReceived(REQUEST[cut:])
            self.assertEqual(transport.value(), ANSWER, f"cut at {cut}")
            session_of(transport).connectionLost(Failure(ConnectionDone()))

    def test_packets_with_the_request(self) -> None:
        """Packets in the same bytes as the request reach the host (3.2.5.2.2)."""
        protocol, _ = self.connection()
        protocol.dataReceived(REQUEST + OTHERS)
        self.assertEqual(self.end.device.taken, [OTHERS])

    def test_rejections(self) -> None:
        """A request that cannot open a session is answered with its status, and the connection ends (3.2.5.1)."""
        for request, status in (
            (REQUEST.replace(b"/IPHTTPS", b"/"), b"404 Not Found"),
            (REQUEST.replace(b"POST", b"GET"), b"405 Method Not Allowed"),
            (REQUEST.replace(b"Content-Length: 18446744073709551615\r\n", b""), b"411 Length Required"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400 Bad Request"),
        ):
            protocol, transport = self.connection()
            protocol.dataReceived(request)
            self.assertTrue(transport.value().startswith(b"HTTP/1.1 " + status + b"\r\n"), transport.value())
            self.assertTrue(transport.disconnecting)
            self.assertEqual(len(self.end.table), 0)

    def test_refused_client_sends_packets(self) -> None:
        """Packets behind a rejected request go nowhere."""
        protocol, _ = self.connection()
        protocol.dataReceived(REQUEST.replace(b"/IPHTTPS", b"/") + OTHERS)
        protocol.dataReceived(OTHERS)
        self.assertEqual(self.end.device.taken, [])

    def test_deadline(self) -> None:
        """A client that sends no complete request in time is disconnected."""
        protocol, transport = self.connection()
        protocol.dataReceived(REQUEST[:-1])
        self.clock.advance(HANDSHAKE_DEADLINE)
        self.assertEqual((transport.disconnecting, transport.value()), (True, b""))
        self.clock.advance(CLOSE_DEADLINE)
        self.assertTrue(transport.disconnected)

    def test_logged_names(self) -> None:
        """A client is named by its outer address, an IPv4 client of an IPv6 socket as IPv4."""
        for address, name in (
            (IPv4Address("TCP", "192.0.2.7", 1234), "192.0.2.7:1234"),
            (IPv6Address("TCP", "2001:db8::7", 1234), "[2001:db8::7]:1234"),
            (IPv6Address("TCP", "::ffff:192.0.2.7", 1234), "192.0.2.7:1234"),
        ):
            self.assertEqual(self.end.listener.buildProtocol(address).peer, name)


class FullTableTests(ServerCase):
    """A server with room for one client."""

    maximum = 1

    def test_full(self) -> None:
        """A client for whom there is no room gets no 200, and is disconnected (3.2.5.1)."""
        self.session(1)
        with capturedLogs() as events:
            protocol, transport = self.connection()
            protocol.dataReceived(REQUEST + OTHERS)
        self.assertEqual((transport.value(), transport.disconnecting), (b"", True))
        self.assertEqual(self.end.device.taken, [])
        self.assertIn("the table is full with 1 clients", str([formatEvent(event) for event in events]))

    def test_room_again(self) -> None:
        """When a client has gone there is room for another (3.2.5.3)."""
        first, _ = self.session(1)
        first.connectionLost(Failure(ConnectionDone()))
        protocol, transport = self.connection()
        protocol.dataReceived(REQUEST)
        self.assertEqual(transport.value(), ANSWER)


class PacketTests(ServerCase):
    """Packets in both directions, and what becomes of the client that breaks the rules."""

    def test_to_the_holder_alone(self) -> None:
        """Packets from the host go to the client that holds the destination, in one piece (3.2.5.2.1)."""
        (_, one), (_, two) = self.session(1), self.session(2)
        first, second = (packet(PRIVATE_HOST, client_address(1), payload) for payload in (b"first", b"second"))
        self.end.from_host(first, second)
        self.assertEqual((one.value(), two.value()), (first + second, b""))

    def test_mixed_batch(self) -> None:
        """A batch for several clients is sorted by client, in order (3.2.5.2.1)."""
        (_, one), (_, two) = self.session(1), self.session(2)
        packets = [packet(PRIVATE_HOST, client_address(number), bytes((number,))) for number in (1, 2, 1)]
        self.end.from_host(*packets)
        self.assertEqual((one.value(), two.value()), (packets[0] + packets[2], packets[1]))

    def test_congestion_is_one_clients_own(self) -> None:
        """A congested client loses packets, counted as its own; its neighbour gets all (3.2.5.2.1)."""
        (slow, one), (_, two) = self.session(1), self.session(2)
        full, other = self.end.table
        assert isinstance(slow, ServerSession)
        slow.pauseProducing()
        slow.backlog.room = 0
        lost, kept = packet(PRIVATE_HOST, client_address(1)), packet(PRIVATE_HOST, client_address(2))
        self.end.from_host(lost, kept)
        self.assertEqual((one.value(), two.value()), (b"", kept))
        self.assertEqual((full.counters.drops, other.counters.drops), ({DropReason.CONGESTED: 1}, {}))
        slow.resumeProducing()
        self.end.from_host(lost)
        self.assertEqual(one.value(), lost)

    def test_framing_fault_ends_one_session(self) -> None:
        """A client that loses step is disconnected at once and counted; the others stay (3.2.5.2.2)."""
        (bad, one), (good, two) = self.session(1), self.session(2)
        offender, other = self.end.table
        bad.dataReceived(OTHERS + b"\x45" + OTHERS)
        self.assertEqual((one.disconnecting, two.disconnecting), (True, False))
        self.assertEqual((offender.counters.drops, other.counters.drops), ({DropReason.NOT_IPV6: 1}, {}))
        bad.connectionLost(Failure(ConnectionDone()))
        passed = packet(client_address(2), PRIVATE_HOST, b"still here")
        good.dataReceived(passed)
        self.assertEqual(self.end.device.taken, [OTHERS, passed])
        self.assertEqual(len(self.end.table), 1)

    def test_ending_session_is_over(self) -> None:
        """A session that is being ended is torn down at once, however long the peer takes to hang up (3.2.7.2)."""
        first, one = self.session(1)
        (entry,) = self.end.table
        entry.connection.disconnect("enough")
        self.end.from_host(packet(PRIVATE_HOST, client_address(1)))
        first.dataReceived(OTHERS)
        self.assertEqual((len(self.end.table), one.value(), self.end.device.taken), (0, b"", []))

    def test_end_of_a_connection(self) -> None:
        """When a connection ends, entry and addresses are gone, and another may have them (3.2.5.3)."""
        first, one = self.session(1)
        first.connectionLost(Failure(ConnectionDone()))
        self.end.from_host(packet(PRIVATE_HOST, client_address(1)))
        self.assertEqual((len(self.end.table), one.value()), (0, b""))
        self.assertEqual(self.end.link.counters.drops, {DropReason.NO_NEIGHBOR: 1})
        _, two = self.session(1)
        self.end.from_host(packet(PRIVATE_HOST, client_address(1)))
        self.assertEqual(two.value(), packet(PRIVATE_HOST, client_address(1)))

    def test_advertisement_to_many(self) -> None:
        """To many clients an advertisement goes in several turns of the reactor, and to none that has left."""
        self.patch(fanout, "TURN", 0)  # one client in a turn
        sessions = [self.session(number) for number in range(1, 6)]
        for _, transport in sessions:
            transport.clear()
        self.end.service.advertise()
        reached = [bool(transport.value()) for _, transport in sessions]
        self.assertEqual(reached, [True, False, False, False, False])
        sessions[3][0].connectionLost(Failure(ConnectionDone()))
        self.clock.advance(0)
        reached = [bool(transport.value()) for _, transport in sessions]
        self.assertEqual(reached, [True, True, True, False, True])

    def test_multicast_to_many(self) -> None:
        """A client's multicast goes to many others in several turns, too; what is too much is dropped and counted."""
        self.patch(fanout, "TURN", 0)
        self.patch(fanout, "MAXIMUM_WAITING_OF_SOURCE", 2)
        sessions = [self.session(number) for number in range(1, 6)]
        for _, transport in sessions:
            transport.clear()
        sent = packet(SERVER_LINK_LOCAL + 4, ALL_NODES)
        for _ in range(3):
            sessions[4][0].dataReceived(sent)
        self.assertEqual([len(transport.value()) // len(sent) for _, transport in sessions], [1, 0, 0, 0, 0])
        self.clock.pump([0.0] * 10)
        self.assertEqual([transport.value() for _, transport in sessions], [sent * 2] * 4 + [b""])
        entry = list(self.end.table)[4]
        self.assertEqual(entry.counters.drops, {DropReason.TOO_MUCH: 1})

    def test_periodic_advertisement(self) -> None:
        """All clients hear Router Advertisements from time to time, while the server listens (3.2.3.1)."""
        (_, one), (_, two) = self.session(1), self.session(2)
        self.clock.pump([1.0] * 60)
        advertisement = RouterAdvertisement(PREFIX).packet(SERVER_LINK_LOCAL.packed)
        self.assertIn(one.value(), (advertisement * 3, advertisement * 4))
        self.assertEqual(two.value(), one.value())
        self.end.server.handle(ServerEvent.DISABLE)
        one.clear()
        self.clock.pump([1.0] * 1000)
        self.assertEqual(one.value(), b"")


class StateTests(ServerCase):
    """The server's states and what they do to connections (3.2.3, 3.2.4, 3.2.7)."""

    def test_start(self) -> None:
        """Started, the server listens (3.2.3.1)."""
        self.assertEqual([port.open for port in self.end.ports], [True])

    def test_shutdown(self) -> None:
        """A shutdown closes the port and disconnects every client, with and without a session (3.2.7.3)."""
        open_, one = self.session(1)
        opening, two = self.connection()
        self.end.server.handle(ServerEvent.SHUTDOWN)
        gone = self.end.server.wait_closed()
        self.assertEqual([port.open for port in self.end.ports], [False])
        self.assertEqual((one.disconnecting, two.disconnecting), (True, True))
        open_.connectionLost(Failure(ConnectionDone()))
        self.assertNoResult(gone)
        opening.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(gone)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_shutdown_of_an_idle_server(self) -> None:
        """A server without clients has shut down at once (3.2.7.3)."""
        self.end.server.handle(ServerEvent.SHUTDOWN)
        self.successResultOf(self.end.server.wait_closed())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_disable_and_enable(self) -> None:
        """Disabled, the server disconnects all and does not listen; enabled, it does again (3.2.4.1, 3.2.4.2)."""
        client, transport = self.session(1)
        self.end.server.handle(ServerEvent.DISABLE)
        self.assertEqual([port.open for port in self.end.ports], [False])
        self.assertTrue(transport.disconnecting)
        client.connectionLost(Failure(ConnectionDone()))
        self.end.server.handle(ServerEvent.ENABLE)
        self.assertEqual([port.open for port in self.end.ports], [False, True])
        protocol, transport = self.connection()
        protocol.dataReceived(REQUEST)
        self.assertEqual(transport.value(), ANSWER)

    def test_change_of_mode(self) -> None:
        """A change of the Authentication Mode disconnects all clients and goes on listening (3.2.7.1)."""
        _, transport = self.session(1)
        self.end.server.handle(ServerEvent.AUTHENTICATION)
        self.assertTrue(transport.disconnecting)
        self.assertEqual([port.open for port in self.end.ports], [True])

    def test_unknown_event(self) -> None:
        """An event that the state does not know is a bug and is not swallowed."""
        self.assertRaises(KeyError, self.end.server.handle, ServerEvent.START)
