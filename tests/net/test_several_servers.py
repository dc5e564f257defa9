"""Several servers: which is tried when, and how the machine's rounds meet the shell's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.interfaces import IReactorFDSet, IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.client import STABLE_AFTER, ClientEvent, ClientMachine, ClientState
from iphttps.core.reconnect import INITIAL, ReconnectTimer
from iphttps.host.device.memory import MemoryDevice
from iphttps.net.client import Client, Server, SessionMaker
from iphttps.net.connect.remote_server import Choice, RemoteServer, as_listed
from iphttps.net.device_reader import DeviceReader
from iphttps.net.round import DELAY

from .support import Endpoint, iphttps_session, unheard

ANSWER = b"HTTP/1.1 200 OK\r\n\r\n"


class SeveralServersTests(SynchronousTestCase):
    """A client with three servers, named a, b and c."""

    def setUp(self) -> None:
        """Make the client."""
        self.clock = MemoryReactorClock()
        self.begin(as_listed)

    def begin(self, choose: Choice[SessionMaker]) -> None:
        """Make a client that orders its servers so, and enable it."""
        self.endpoints = {name: Endpoint() for name in "abc"}
        servers = [self.server(name, endpoint) for name, endpoint in self.endpoints.items()]
        device = MemoryDevice("client")
        self.addCleanup(device.close)
        self.client = Client(
            self.clock,
            ClientMachine(ReconnectTimer()),
            servers,
            device,
            lambda deliver: DeviceReader(cast(IReactorFDSet, self.clock), device, deliver, self.fail),
            bring_up=lambda tunnel: None,
            take_down=lambda: None,
            liveness=unheard(self.clock),
            choose=choose,
        )
        self.client.handle(ClientEvent.ENABLE)
        self.client.handle(ClientEvent.PRECONDITION)

    def server(self, name: str, endpoint: Endpoint) -> Server:
        """Return a server with this name."""
        return RemoteServer(name, cast(IStreamClientEndpoint, endpoint), iphttps_session(name, f"/{name}"))

    def refuse(self, *names: str) -> None:
        """Let these servers reject the attempt, each in its turn."""
        for name in names:
            self.assertEqual(self.client.server.uri, name)
            self.endpoints[name].refuse(ConnectionRefusedError())

    def accept(self, name: str) -> Protocol:
        """Let this server accept the attempt, and answer."""
        self.assertEqual(self.client.server.uri, name)
        transport = StringTransport()
        protocol = self.endpoints[name].accept(transport)
        self.assertIn(f"POST /{name} HTTP/1.1\r\nHost: {name}\r\n".encode(), transport.value())
        protocol.dataReceived(ANSWER)
        return protocol

    def lose(self, protocol: Protocol) -> None:
        """End this connection."""
        protocol.connectionLost(Failure(ConnectionDone()))

    def attempts(self) -> list[int]:
        """Return how often each server was tried."""
        return [len(endpoint.attempts) for endpoint in self.endpoints.values()]

    def test_in_order(self) -> None:
        """When one server fails the next is tried at once, and when all have, the timer starts (3.1.2.1)."""
        self.refuse("a", "b", "c")
        self.assertEqual((self.attempts(), self.client.next_attempt), ([1, 1, 1], INITIAL))
        self.clock.advance(INITIAL)
        self.refuse("a")
        self.accept("b")
        self.assertIs(self.client.state, ClientState.LINK_UP)

    def test_after_a_session(self) -> None:
        """After a session the next server is tried first, the lost one last, before the timer starts (3.1.2.1)."""
        protocol = self.accept("a")
        self.clock.advance(STABLE_AFTER)
        self.lose(protocol)
        self.refuse("b", "c", "a")
        self.assertEqual((self.attempts(), self.client.next_attempt), ([2, 1, 1], STABLE_AFTER + INITIAL))

    def test_after_the_last_servers_session(self) -> None:
        """After a session with the last of them, the first comes next."""
        self.refuse("a", "b")
        protocol = self.accept("c")
        self.clock.advance(STABLE_AFTER)
        self.lose(protocol)
        self.refuse("a", "b", "c")
        self.assertIsNotNone(self.client.next_attempt)

    def test_short_sessions(self) -> None:
        """Restarts of servers within a minute cost no pause while another one answers; many do."""
        for name in "abca":
            self.lose(self.accept(name))
            self.assertIsNone(self.client.next_attempt)
        self.lose(self.accept("b"))
        self.assertEqual(self.client.next_attempt, INITIAL)

    def test_cut_off(self) -> None:
        """After a session whose router is silent, too, the next server is tried first."""
        self.accept("a")
        self.client.silent()
        self.accept("b")

    def test_dead_server(self) -> None:
        """The next server is tried after a second without a session, and the first that opens one is used."""
        self.clock.advance(DELAY)
        self.assertEqual(self.attempts(), [1, 1, 0])
        self.accept("b")
        self.assertEqual((self.client.state, self.endpoints["a"].cancelled), (ClientState.LINK_UP, 1))
        self.clock.advance(DELAY)
        self.assertEqual((self.attempts(), self.client.server.uri), ([1, 1, 0], "b"))

    def test_slow_server(self) -> None:
        """A server that has opened the session before the next one is connected keeps it."""
        self.clock.advance(DELAY)
        self.endpoints["a"].accept(StringTransport()).dataReceived(ANSWER)
        self.assertEqual((self.client.server.uri, self.endpoints["b"].cancelled), ("a", 1))

    def test_one_request(self) -> None:
        """A request is sent on one connection, and on the next only after a second without an answer."""
        self.clock.advance(DELAY)
        silent, next_one = StringTransport(), StringTransport()
        self.clock.advance(DELAY / 2)
        self.endpoints["a"].accept(silent)
        protocol = self.endpoints["b"].accept(next_one)
        self.clock.advance(DELAY / 2)
        self.assertEqual((bool(silent.value()), bool(next_one.value())), (True, False))
        self.clock.advance(DELAY / 2)
        self.assertTrue(next_one.value())
        protocol.dataReceived(ANSWER)
        self.assertEqual((self.client.state, self.client.server.uri), (ClientState.LINK_UP, "b"))
        self.assertTrue(silent.disconnected)  # aborted, not closed
        self.assertEqual((1, self.client.tunnel), (self.endpoints["c"].cancelled, protocol))

    def test_first_answer(self) -> None:
        """The answer of the first server, though late, decides as well; the other connection has no session."""
        self.clock.advance(DELAY)
        first, second = StringTransport(), StringTransport()
        protocol = self.endpoints["a"].accept(first)
        self.endpoints["b"].accept(second)
        self.clock.advance(DELAY)
        protocol.dataReceived(ANSWER)
        self.assertEqual((self.client.server.uri, self.client.tunnel), ("a", protocol))
        self.assertEqual((first.disconnected, second.disconnected), (False, True))

    def test_refusal_in_turn(self) -> None:
        """If the server that was asked first fails, the request goes to the next connection at once."""
        self.clock.advance(DELAY)
        second = StringTransport()
        protocol = self.endpoints["a"].accept(StringTransport())
        self.endpoints["b"].accept(second)
        self.assertEqual(second.value(), b"")
        self.lose(protocol)
        self.assertTrue(second.value())
        self.assertEqual((self.client.state, self.attempts()), (ClientState.ESTABLISHED, [1, 1, 1]))

    def test_unanswered(self) -> None:
        """After the failure of the only request the client is back in LINK_DOWN while other servers are tried."""
        self.clock.advance(DELAY)
        self.lose(self.endpoints["a"].accept(StringTransport()))
        self.assertEqual((self.client.state, self.attempts()), (ClientState.LINK_DOWN, [1, 1, 1]))
        self.endpoints["b"].refuse(ConnectionRefusedError())
        self.assertIsNone(self.client.next_attempt)
        self.endpoints["c"].refuse(ConnectionRefusedError())
        self.assertEqual(self.client.next_attempt, DELAY + INITIAL)

    def test_disabled(self) -> None:
        """A client that is disabled gives up all attempts; `gone` fires when the last connection has ended."""
        self.clock.advance(DELAY)
        protocols = [self.endpoints[name].accept(StringTransport()) for name in "ab"]
        self.client.handle(ClientEvent.DISABLE)
        gone = self.client.gone()
        for protocol in protocols:
            self.assertNoResult(gone)
            self.lose(protocol)
        self.successResultOf(gone)
        self.clock.advance(60.0)
        self.assertEqual((self.attempts(), self.clock.getDelayedCalls()), ([1, 1, 0], []))

    def test_retry_after(self) -> None:
        """The client comes back when the first of the servers wants it to, and no earlier than by the timer."""
        for seconds in (300, 100, 200):
            protocol = self.endpoints["abc"[sum(self.attempts()) - 1]].accept(StringTransport())
            protocol.dataReceived(
                f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            self.lose(protocol)
        self.assertEqual(self.client.next_attempt, 100.0)

    def test_not_chosen(self) -> None:
        """If the order cannot be found out, the attempt has failed."""
        self.client.handle(ClientEvent.DISABLE)
        self.begin(lambda servers: fail(ConnectionRefusedError()))
        self.assertEqual((self.attempts(), self.client.next_attempt), ([0, 0, 0], INITIAL))

    def test_chosen(self) -> None:
        """The order may be found out first, at the beginning of each round; that can be given up, too."""
        self.client.handle(ClientEvent.DISABLE)
        choices: list[Deferred[str]] = []

        def choose(
            servers: Sequence[Server],
        ) -> Deferred[Sequence[Server]]:
            choice: Deferred[str] = Deferred()
            choices.append(choice)
            return choice.addCallback(lambda order: [servers["abc".index(name)] for name in order])

        self.begin(choose)
        self.assertEqual(self.attempts(), [0, 0, 0])
        choices[0].callback("cab")
        self.refuse("c", "a", "b")
        self.clock.advance(INITIAL)
        self.assertEqual(len(choices), 2)
        self.client.handle(ClientEvent.DISABLE)
        self.assertEqual((self.attempts(), self.clock.getDelayedCalls()), ([1, 1, 1], []))
        self.assertIs(self.client.state, ClientState.DISABLED)
