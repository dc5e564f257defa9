"""Several servers: which is tried when, and how the machine's rounds meet the shell's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from twisted.internet.defer import Deferred
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
            ClientMachine(ReconnectTimer(), len(servers)),
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
        """Let these servers refuse the attempt, each in its turn."""
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
        """When a session ends that has lasted, every server gets its turn once more, before the timer starts."""
        protocol = self.accept("a")
        self.clock.advance(STABLE_AFTER)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.refuse("b", "c")
        self.assertEqual((self.attempts(), self.client.next_attempt), ([1, 1, 1], STABLE_AFTER + INITIAL))

    def test_after_the_last_servers_session(self) -> None:
        """After a session with the last of them, the first comes next."""
        self.refuse("a", "b")
        protocol = self.accept("c")
        self.clock.advance(STABLE_AFTER)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.refuse("a", "b")
        self.assertIsNotNone(self.client.next_attempt)

    def test_chosen(self) -> None:
        """The order may be found out first, at the beginning of each round; that can be given up, too."""
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
