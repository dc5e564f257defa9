"""True if the router is there: the client with a real server's link, and with servers that are silent."""

from __future__ import annotations

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_RS, IPv6
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.client import ClientEvent, ClientState
from iphttps.core.iphttps.liveness import QUESTIONS
from iphttps.net.iphttps.client import IPHTTPSClientSession
from iphttps.net.iphttps.liveness import NO_ROUTER

from ..support import PRIVATE_HOST, SERVER_LINK_LOCAL, ClientEnd, client_address, packet

ANSWER = b"HTTP/1.1 200 OK\r\n\r\n"
ROUTER = str(SERVER_LINK_LOCAL)
ADVERTISEMENT = bytes(IPv6(src=ROUTER, dst="ff02::1", hlim=255) / ICMPv6ND_RA())


class LivenessCase(SynchronousTestCase):
    """A client whose link is up; the server is what the test says."""

    def setUp(self) -> None:
        """Bring the link up."""
        self.clock = MemoryReactorClock()
        self.begin()

    def begin(self, keepalive: float = 0.0) -> None:
        """Make a client, and bring its link up."""
        self.end = ClientEnd(self.clock, keepalive=keepalive)
        self.addCleanup(self.end.device.close)
        self.end.client.handle(ClientEvent.ENABLE)
        self.end.client.handle(ClientEvent.PRECONDITION)
        self.transport = StringTransport()
        self.protocol: Protocol = self.end.endpoint.accept(self.transport)
        self.protocol.dataReceived(ANSWER)
        self.transport.clear()

    def questions(self) -> list[IPv6]:
        """Return what the client has asked since the last time."""
        sent = self.transport.value()
        self.transport.clear()
        size = len(IPv6() / ICMPv6ND_NS())
        self.assertEqual(len(sent) % size, 0)
        return [IPv6(sent[start : start + size]) for start in range(0, len(sent), size)]

    def answer(self) -> None:
        """Let the router answer."""
        answer = IPv6(src=ROUTER, dst=str(self.end.own), hlim=255) / ICMPv6ND_NA(tgt=ROUTER, R=1, S=1)
        self.protocol.dataReceived(bytes(answer))

    def assert_state(self, state: ClientState, attempts: int) -> None:
        """Check the client's state, and how often it has tried to connect."""
        self.assertEqual((self.end.state, len(self.end.endpoint.attempts)), (state, attempts))


class QuestionTests(LivenessCase):
    """Questions to the router, and what comes of them."""

    def test_answered(self) -> None:
        """A router that answers is there, and so far away (RFC 4861 7.3)."""
        self.protocol.dataReceived(ADVERTISEMENT)
        asked = [self.end.client.liveness.ask(), self.end.client.liveness.ask()]
        (question,) = self.questions()
        self.assertEqual((question.src, question.dst, question[ICMPv6ND_NS].tgt), ("fe80::2", ROUTER, ROUTER))
        self.clock.advance(0.25)
        self.answer()
        self.assertEqual([self.successResultOf(each) for each in asked], [0.25, 0.25])
        self.clock.advance(NO_ROUTER)
        self.assertEqual((self.questions(), self.clock.getDelayedCalls()), ([], []))

    def test_solicited(self) -> None:
        """Routers are asked to advertise themselves again, from the host's address, while the link is up."""
        self.end.client.liveness.solicit()
        asked = IPv6(self.transport.value())
        self.assertEqual((True, "fe80::2", "ff02::2"), (ICMPv6ND_RS in asked, asked.src, asked.dst))
        self.transport.clear()
        self.end.client.handle(ClientEvent.DISABLE)
        self.end.client.liveness.solicit()
        self.assertEqual(b"", self.transport.value())

    def test_network_changed(self) -> None:
        """After a change of the network a router that answers keeps the session."""
        self.protocol.dataReceived(ADVERTISEMENT)
        self.end.client.network_changed()
        self.clock.advance(1)
        self.assertEqual(len(self.questions()), 2)
        self.answer()
        self.clock.advance(10)
        self.assert_state(ClientState.LINK_UP, 1)

    def test_silent(self) -> None:
        """After a change of the network a router that does not answer three questions costs the session at once."""
        self.protocol.dataReceived(ADVERTISEMENT)
        with capturedLogs() as events:
            self.end.client.network_changed()
            self.clock.pump([1.0] * 3)
        self.assertEqual(len(self.questions()), 3)
        self.assert_state(ClientState.LINK_DOWN, 2)
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(self.end.link, ["up", "down"])
        self.assertTrue(any("does not answer" in str(formatEvent(event)) for event in events))

    def test_address_gone(self) -> None:
        """If the host has lost the address that the connection was made from, nobody needs to be asked."""
        self.protocol.dataReceived(ADVERTISEMENT)
        self.end.client.network_changed(address_gone=True)
        self.assertEqual(self.questions(), [])
        self.assert_state(ClientState.LINK_DOWN, 2)
        self.end.client.network_changed(address_gone=True)  # no session, so another attempt in its place
        self.assert_state(ClientState.LINK_DOWN, 3)

    def test_nobody_to_ask(self) -> None:
        """If no router advertises itself nobody can be asked, and a change of the network ends no session."""
        self.clock.advance(NO_ROUTER)
        self.end.client.network_changed()
        self.clock.advance(NO_ROUTER)
        self.assert_state(ClientState.LINK_UP, 1)
        self.begin()
        self.protocol.dataReceived(ADVERTISEMENT)
        self.end.own = None  # duplicate address detection goes on
        self.assertIsNone(self.successResultOf(self.end.client.liveness.ask()))

    def test_nobody_yet(self) -> None:
        """After a change of the network, the router of a young link is asked as soon as it can be."""
        self.end.client.network_changed()
        self.assertEqual(self.questions(), [])
        self.protocol.dataReceived(ADVERTISEMENT)
        self.assertEqual(len(self.questions()), 1)
        self.answer()
        self.clock.advance(NO_ROUTER)
        self.assertEqual(self.questions(), [])
        self.assert_state(ClientState.LINK_UP, 1)

        self.begin()
        self.end.own, own = None, self.end.own  # duplicate address detection goes on
        self.protocol.dataReceived(ADVERTISEMENT)
        self.end.client.network_changed()
        self.assertEqual(self.questions(), [])
        self.end.own = own
        self.protocol.dataReceived(ADVERTISEMENT)
        self.assertEqual(len(self.questions()), 1)
        self.clock.pump([1.0] * 3)
        self.assert_state(ClientState.LINK_DOWN, 2)

    def test_end(self) -> None:
        """When the link goes down, open questions are over, and there is nothing left to wait for."""
        self.protocol.dataReceived(ADVERTISEMENT)
        asked = self.end.client.liveness.ask()
        self.end.client.network_changed()
        self.end.client.handle(ClientEvent.DISABLE)
        self.assertIsNone(self.successResultOf(asked))
        self.assert_state(ClientState.DISABLED, 1)
        self.assertIsNone(self.successResultOf(self.end.client.liveness.ask()))

    def test_no_router(self) -> None:
        """A link on which no router advertises itself is worth a warning, once."""
        with capturedLogs() as events:
            self.clock.advance(NO_ROUTER)
            self.clock.advance(NO_ROUTER)
        warnings = [event for event in events if "no router has advertised itself" in str(formatEvent(event))]
        self.assertEqual(len(warnings), 1)
        self.assert_state(ClientState.LINK_UP, 1)


class KeepaliveTests(LivenessCase):
    """Questions for the sake of proxies that cut quiet connections."""

    def setUp(self) -> None:
        """Bring the link up with a keepalive of 20 seconds."""
        self.clock = MemoryReactorClock()
        self.begin(keepalive=20.0)
        self.protocol.dataReceived(ADVERTISEMENT)

    def test_rest(self) -> None:
        """No rest is longer than what is configured, and an answer suffices."""
        for _ in range(3):
            self.clock.pump([1.0] * 20)
            self.assertEqual(len(self.questions()), 1)
            self.answer()
        self.assert_state(ClientState.LINK_UP, 1)

    def test_traffic(self) -> None:
        """If there is traffic, nothing is asked."""
        for _ in range(10):
            self.clock.advance(5.0)
            self.protocol.dataReceived(ADVERTISEMENT)
        self.assertEqual(self.questions(), [])

    def test_cut(self) -> None:
        """A connection that was cut without a word is found out."""
        self.clock.pump([1.0] * 23)
        self.assert_state(ClientState.LINK_DOWN, 2)

    def test_own_packets(self) -> None:
        """Packets that the client sends are no sign of life: a silent path is found out all the same (3.1.5.4)."""
        for _ in range(20 + QUESTIONS):
            self.assert_state(ClientState.LINK_UP, 1)
            self.end.from_host(packet(client_address(1), PRIVATE_HOST))
            self.clock.advance(1.0)
        self.assert_state(ClientState.LINK_DOWN, 2)

    def test_late_answer(self) -> None:
        """Packets that arrive while an answer is late are a sign of life: the router is asked again later."""
        for _ in range(20 + QUESTIONS):
            if self.questions():
                self.protocol.dataReceived(packet(PRIVATE_HOST, client_address(1)))
            self.clock.advance(1.0)
        self.assert_state(ClientState.LINK_UP, 1)

    def test_congested(self) -> None:
        """The question goes ahead of packets that wait for a congested connection."""
        assert isinstance(self.protocol, IPHTTPSClientSession)
        self.protocol.pauseProducing()
        self.end.from_host(packet(client_address(1), PRIVATE_HOST))
        self.clock.pump([10.0] * 2)
        self.protocol.resumeProducing()
        self.assertTrue(self.transport.value().endswith(packet(client_address(1), PRIVATE_HOST)))
        self.assertIn(ICMPv6ND_NS, IPv6(self.transport.value()))

    def test_off(self) -> None:
        """By default nothing is asked for no reason."""
        self.begin()
        self.protocol.dataReceived(ADVERTISEMENT)
        self.clock.pump([30.0] * 10)
        self.assertEqual(self.questions(), [])
