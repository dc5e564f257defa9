"""The client: its attempts, its link, its timer, and how it is stopped in every state."""

from __future__ import annotations

from twisted.internet.error import ConnectError, ConnectionDone, ConnectionRefusedError, DNSLookupError
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.client import ClientEvent, ClientState
from iphttps.core.errors import DropReason
from iphttps.core.reconnect import INITIAL
from iphttps.net.connection import CLOSE_DEADLINE, HANDSHAKE_DEADLINE
from iphttps.net.iphttps.client import IPHTTPSClientSession

from ..support import NAME, PRIVATE_HOST, ClientEnd, client_address, packet

REQUEST = b"POST /IPHTTPS HTTP/1.1\r\nHost: vpn.example.org\r\nContent-Length: 18446744073709551615\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nServer: Microsoft-HTTPAPI/2.0\r\nDate: Fri, 21 Nov 2025 02:40:00 GMT\r\n\r\n"
TO_US = packet(PRIVATE_HOST, client_address(1))
FROM_US = packet(client_address(1), PRIVATE_HOST)


class ClientCase(SynchronousTestCase):
    """A client that connects by plain HTTP, with the server as strings of bytes."""

    def setUp(self) -> None:
        """Make the client, disabled."""
        self.clock = MemoryReactorClock()
        self.end = ClientEnd(self.clock)
        self.addCleanup(self.end.device.close)

    def start(self) -> None:
        """Enable the client."""
        self.end.client.handle(ClientEvent.ENABLE)
        self.end.client.handle(ClientEvent.PRECONDITION)

    def established(self) -> tuple[Protocol, StringTransport]:
        """Let the latest attempt succeed; the request is not answered yet."""
        transport = StringTransport()
        return self.end.endpoint.accept(transport), transport

    def link_up(self) -> tuple[IPHTTPSClientSession, StringTransport]:
        """Let the latest attempt succeed and answer the request; forget what was sent so far."""
        protocol, transport = self.established()
        protocol.dataReceived(ANSWER)
        transport.clear()
        assert isinstance(protocol, IPHTTPSClientSession)
        return protocol, transport

    def lose(self, protocol: Protocol) -> None:
        """End the connection."""
        protocol.connectionLost(Failure(ConnectionDone()))

    def delays(self) -> list[float]:
        """Return the seconds until each timer fires."""
        return [call.getTime() - self.clock.seconds() for call in self.clock.getDelayedCalls()]


class OpeningTests(ClientCase):
    """From the precondition to the link that is up (3.1.3 to 3.1.5)."""

    def test_nothing_before_the_precondition(self) -> None:
        """Enabled, the client waits for a precondition before it connects (3.1.3)."""
        self.end.client.handle(ClientEvent.ENABLE)
        self.assertEqual((self.end.state, self.end.endpoint.attempts), (ClientState.ENABLED, []))
        self.end.client.handle(ClientEvent.PRECONDITION)
        self.assertEqual((self.end.state, len(self.end.endpoint.attempts)), (ClientState.LINK_DOWN, 1))

    def test_request(self) -> None:
        """The client sends the POST with the greatest length there is, and no packet before the answer (3.1.5.2)."""
        self.start()
        _, transport = self.established()
        self.end.from_host(FROM_US)
        self.assertEqual(transport.value(), REQUEST)
        self.assertEqual((self.end.state, self.end.link), (ClientState.ESTABLISHED, []))

    def test_link_up_only_after_the_answer(self) -> None:
        """Cut at every point, the 200 brings the link up when its last byte is there, and not before (3.1.5.2)."""
        for cut in range(1, len(ANSWER)):
            end = ClientEnd(self.clock)
            self.addCleanup(end.device.close)
            end.client.handle(ClientEvent.ENABLE)
            end.client.handle(ClientEvent.PRECONDITION)
            protocol = end.endpoint.accept(StringTransport())
            protocol.dataReceived(ANSWER[:cut])
            self.assertEqual((end.state, end.link, end.reading), (ClientState.ESTABLISHED, [], False))
            protocol.dataReceived(ANSWER[cut:])
            self.assertEqual((end.state, end.link, end.reading), (ClientState.LINK_UP, ["up"], True))

    def test_packets_with_the_answer(self) -> None:
        """Packets in the same bytes as the answer reach the kernel, for which the link is up by then (3.1.5.3)."""
        self.start()
        protocol, _ = self.established()
        protocol.dataReceived(ANSWER + TO_US)
        self.assertEqual((self.end.link, self.end.device.taken), (["up"], [TO_US]))

    def test_packets_both_ways(self) -> None:
        """With the link up, packets pass in both directions, bare (3.1.5.3)."""
        self.start()
        protocol, transport = self.link_up()
        protocol.dataReceived(TO_US)
        self.end.from_host(FROM_US, FROM_US)
        self.assertEqual((self.end.device.taken, transport.value()), ([TO_US], FROM_US * 2))


class FailureTests(ClientCase):
    """What goes wrong leads to the reconnect timer (3.1.2.1, 3.1.5.4)."""

    def assert_waits(self, sentence: str, events: object) -> None:
        """Check that the client waits for its next attempt and has said why."""
        self.assertEqual((self.end.state, self.end.reading), (ClientState.LINK_DOWN, False))
        self.assertEqual(self.delays(), [INITIAL])
        assert isinstance(events, list)
        self.assertIn(f"https://{NAME}/IPHTTPS: {sentence}", [formatEvent(event) for event in events])

    def test_refused_connection(self) -> None:
        """A connection that does not come about starts the timer of 30 seconds (3.1.2.1)."""
        with capturedLogs() as events:
            self.start()
            self.end.endpoint.refuse(ConnectionRefusedError())
        self.assert_waits("connection refused: nothing listens there, or a firewall rejects it", events)

    def test_wrong_answers(self) -> None:
        """Any other answer than a successful one is a failure, named in the log; the link never comes up (3.1.5.2)."""
        for answer, sentence in (
            (b"HTTP/1.1 403 Forbidden\r\n\r\n", "the server answered 403 Forbidden, where an IP-HTTPS server"),
            (
                b"HTTP/1.1 302 Found\r\nLocation: https://login.example.org/\r\n\r\n",
                "the server answered 302 Found, pointing to https://login.example.org/, where we do not go",
            ),
            (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "the server's answer is not HTTP: "),
        ):
            end = self.end = ClientEnd(self.clock)
            self.addCleanup(end.device.close)
            with capturedLogs() as events:
                self.start()
                protocol, transport = self.established()
                protocol.dataReceived(answer)
                self.assertTrue(transport.disconnecting)
                self.lose(protocol)
            self.assertEqual((end.state, end.link), (ClientState.LINK_DOWN, []))
            self.assertEqual(self.delays(), [INITIAL])
            self.assertIn(sentence, str([formatEvent(event) for event in events]))
            end.client.handle(ClientEvent.DISABLE)

    def test_no_answer(self) -> None:
        """A server that does not answer in time is given up, and cut off if it does not answer that either."""
        with capturedLogs() as events:
            self.start()
            protocol, transport = self.established()
            self.clock.advance(HANDSHAKE_DEADLINE)
            self.assertTrue(transport.disconnecting)
            self.clock.advance(CLOSE_DEADLINE)
            self.assertTrue(transport.disconnected)
            self.lose(protocol)
        self.assert_waits("the server did not open the session within 30 seconds", events)

    def test_lost_link(self) -> None:
        """When the connection is lost, the link goes down and the timer starts (3.1.5.4)."""
        with capturedLogs() as events:
            self.start()
            protocol, _ = self.link_up()
            self.lose(protocol)
        self.assertEqual(self.end.link, ["up", "down"])
        self.assert_waits("closed by the server", events)

    def test_framing_fault(self) -> None:
        """A server that loses step is left: what came before it is delivered, the fault is counted (3.1.5.3)."""
        with capturedLogs() as events:
            self.start()
            protocol, transport = self.link_up()
            protocol.dataReceived(TO_US + b"\x45garbage")
            self.assertTrue(transport.disconnecting)
            self.lose(protocol)
        self.assertEqual((self.end.device.taken, self.end.link), ([TO_US], ["up", "down"]))
        self.assertEqual(protocol.counters.drops, {DropReason.NOT_IPV6: 1})
        self.assert_waits("framing is lost: not an IPv6 packet", events)

    def test_coming_back(self) -> None:
        """When the timer expires the client connects anew, and the link comes up again (3.1.6)."""
        self.start()
        self.lose(self.link_up()[0])
        self.clock.advance(INITIAL - 0.001)
        self.assertEqual(len(self.end.endpoint.attempts), 1)
        self.clock.advance(0.001)
        self.assertEqual(len(self.end.endpoint.attempts), 2)
        _, transport = self.link_up()
        self.end.from_host(FROM_US)
        self.assertEqual((self.end.link, transport.value()), (["up", "down", "up"], FROM_US))

    def test_growing_delays(self) -> None:
        """Each further failure waits for as long as has passed since the first, at most 15 minutes (3.1.2.1)."""
        self.start()
        waited = []
        for _ in range(8):
            self.end.endpoint.refuse(ConnectionRefusedError())
            waited.extend(self.delays())
            self.clock.advance(waited[-1])
        self.assertEqual(waited, [30, 30, 60, 120, 240, 480, 900, 900])

    def test_success_resets_the_delay(self) -> None:
        """A successful connection resets the timer (3.1.2.1)."""
        self.start()
        for _ in range(4):
            self.end.endpoint.refuse(ConnectionRefusedError())
            self.clock.advance(self.delays()[0])
        self.lose(self.link_up()[0])
        self.assertEqual(self.delays(), [INITIAL])

    def test_a_connection_without_success_does_not(self) -> None:
        """A server that takes connections only to drop them is called less and less often."""
        self.start()
        waited = []
        for _ in range(4):
            self.lose(self.established()[0])
            waited.extend(self.delays())
            self.clock.advance(waited[-1])
        self.assertEqual(waited, [30, 30, 60, 120])


class CongestionTests(ClientCase):
    """While the connection is full."""

    def test_wait(self) -> None:
        """The device is read on, and its packets wait for the connection, or are dropped where there is no room."""
        self.start()
        protocol, transport = self.link_up()
        protocol.pauseProducing()
        self.end.from_host(FROM_US)
        self.assertEqual((self.end.reading, transport.value()), (True, b""))
        protocol.resumeProducing()
        self.end.from_host(FROM_US)
        self.assertEqual((transport.value(), protocol.counters.drops), (FROM_US * 2, {}))

    def test_other_direction(self) -> None:
        """A connection that is full in one direction still delivers in the other."""
        self.start()
        protocol, _ = self.link_up()
        protocol.pauseProducing()
        protocol.dataReceived(TO_US)
        self.assertEqual(self.end.device.taken, [TO_US])


class DisableTests(ClientCase):
    """The client can be disabled in every state, and then does nothing more (3.1.4.2)."""

    def test_resolving(self) -> None:
        """An attempt given up while the name is looked up is no failure, though the resolver says so (3.1.4.2)."""
        self.end.endpoint.cancelling = DNSLookupError
        self.start()
        self.end.client.network_changed()
        self.assertEqual((self.end.state, self.delays()), (ClientState.LINK_DOWN, []))
        self.assertEqual(len(self.end.endpoint.attempts), 2)
        self.end.client.handle(ClientEvent.DISABLE)
        self.assertEqual(
            (self.end.state, self.delays(), self.end.client.last_failure), (ClientState.DISABLED, [], None)
        )

    def disable(self) -> None:
        """Disable the client and let a lot of time pass."""
        attempts = len(self.end.endpoint.attempts)
        self.end.client.handle(ClientEvent.DISABLE)
        self.clock.advance(3600)
        self.assertEqual((self.end.state, self.end.reading), (ClientState.DISABLED, False))
        self.assertEqual(len(self.end.endpoint.attempts), attempts)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_disabled(self) -> None:
        """Disabled already, it stays so."""
        self.disable()

    def test_enabled(self) -> None:
        """Enabled without a precondition, it has nothing to undo."""
        self.end.client.handle(ClientEvent.ENABLE)
        self.disable()

    def test_connecting(self) -> None:
        """While it connects, the attempt is cancelled, silently."""
        with capturedLogs() as events:
            self.start()
            self.disable()
        self.assertEqual(self.end.endpoint.cancelled, 1)
        self.assertEqual([event for event in events if event["log_level"].name == "warn"], [])

    def test_waiting(self) -> None:
        """While it waits for its next attempt, the timer is cancelled."""
        self.start()
        self.end.endpoint.refuse(ConnectError())
        self.disable()

    def test_established(self) -> None:
        """While it waits for the answer, the connection is closed; its end is no failure any more."""
        self.start()
        protocol, transport = self.established()
        self.disable()
        self.assertTrue(transport.disconnecting)
        protocol.dataReceived(ANSWER)
        self.lose(protocol)
        self.assertEqual((self.end.state, self.end.link), (ClientState.DISABLED, []))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_link_up(self) -> None:
        """With the link up, the link goes down and the connection is closed; `gone` tells when it has ended."""
        self.start()
        protocol, transport = self.link_up()
        self.end.client.handle(ClientEvent.DISABLE)
        gone = self.end.client.gone()
        self.assertEqual((self.end.link, transport.disconnecting), (["up", "down"], True))
        self.assertNoResult(gone)
        self.lose(protocol)
        self.successResultOf(gone)
        self.assertEqual((self.end.state, self.clock.getDelayedCalls()), (ClientState.DISABLED, []))

    def test_enabled_again(self) -> None:
        """Enabled again, it connects, and the end of the earlier connection does not disturb it (3.1.4.1)."""
        self.start()
        earlier, _ = self.link_up()
        self.end.client.handle(ClientEvent.DISABLE)
        self.start()
        self.link_up()
        self.lose(earlier)
        self.assertEqual((self.end.state, self.end.link), (ClientState.LINK_UP, ["up", "down", "up"]))

    def test_gone_without_a_connection(self) -> None:
        """Without a connection there is nothing to wait for."""
        self.disable()
        self.successResultOf(self.end.client.gone())
