"""Tests for what the requests do to server and client, in every state."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_RS, IPv6
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.config.reload import Changes
from iphttps.app.control import client_actions, server_actions
from iphttps.app.control.client_actions import ClientActions
from iphttps.app.control.resource import Asked, Refusal, Route
from iphttps.app.control.served import ServedIPHTTPS
from iphttps.app.control.server_actions import BY_OPERATOR, ServerActions
from iphttps.core.errors import ConfigError
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.core.iphttps.neighbors import NeighborCache
from iphttps.core.iphttps.server import ServerEvent, ServerState
from iphttps.net.connect.condition import always
from iphttps.net.connect_condition import ConnectCondition
from tests.net.iphttps.test_server import session_of
from tests.net.support import ClientEnd, ServerEnd

REQUEST = b"POST /IPHTTPS HTTP/1.1\r\nHost: vpn.example.org\r\nContent-Length: 18446744073709551615\r\n\r\n"

MESSAGE = "reloaded; changed: route; restart to apply: interface"
RELOADED = {"changed": ["route"], "restart": ["interface"], "message": MESSAGE}
"""The answer to a reload."""


class ActionCase(SynchronousTestCase):
    """Requests, without the socket."""

    routes: tuple[Route, ...]

    def ask(self, method: str, path: str, body: object = None) -> Deferred[Any]:
        """Ask for something."""
        for route in self.routes:
            words = route.words(path)
            if route.method == method and words is not None:
                return maybeDeferred(route.action, Asked(words, json.dumps(body).encode()))
        raise AssertionError(f"no route for {path}")

    def done(self, method: str, path: str, body: object = None) -> Any:
        """Ask for something that is done at once, and return the answer."""
        return self.successResultOf(self.ask(method, path, body))

    def refusal(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        """Ask for something that is refused."""
        failure = self.failureResultOf(self.ask(method, path, body), Refusal)
        return failure.value.status, str(failure.value)


class ServerActionsTests(ActionCase):
    """The server (3.2.4, 3.2.7)."""

    def setUp(self) -> None:
        """Start it, without TLS."""
        self.clock = MemoryReactorClock()
        self.clock.advance(1772352000.0)
        self.patch(server_actions, "time", self.clock.seconds)
        self.end = ServerEnd(self.clock)
        self.addCleanup(self.end.device.close)
        self.mode = AuthenticationMode.CERTIFICATES
        self.impossible = False
        self.reading: Callable[[], object] = lambda: None
        cache = NeighborCache()
        self.routes = tuple(
            ServerActions(
                self.end.server,
                ServedIPHTTPS(self.end.service, self.end.link, cache, self.end.device),
                None,
                self.settings,
                self.change_mode,
                self.reload,
            ).routes()
        )

    def settings(self) -> dict[str, Any]:
        """Return what the options make."""
        return {"authentication": self.mode.value}

    def change_mode(self, mode: AuthenticationMode) -> None:
        """Change the mode, unless the test has it impossible."""
        if self.impossible:
            raise ConfigError("--client-ca is missing")
        self.mode = mode
        self.end.server.handle(ServerEvent.AUTHENTICATION)

    def reload(self) -> Changes:
        """Reload, unless the test has it impossible."""
        self.reading()
        if self.impossible:
            raise ConfigError("cannot read server.pem")
        return Changes(("route",), ("interface",))

    def session(self) -> tuple[Protocol, StringTransport]:
        """Open a session."""
        transport = StringTransport()
        protocol = self.end.accept(transport)
        protocol.dataReceived(REQUEST)
        return session_of(transport), transport

    def test_status(self) -> None:
        """The status counts clients, and what those that are gone sent still (3.2.5.3)."""
        protocol, _ = self.session()
        (entry,) = self.end.table
        entry.counters.received(3, 120)
        self.end.link.counters.sent(1, 40)
        before = self.done("GET", "/status")
        self.assertEqual(({"now": 1, "maximum": 8}, "LISTEN"), (before["clients"], before["state"]))
        self.assertEqual(3, before["counters"]["link"]["packets_in"])
        protocol.connectionLost(Failure(ConnectionDone()))
        after = self.done("GET", "/status")
        self.assertEqual(0, after["clients"]["now"])
        self.assertEqual(before["counters"]["link"], after["counters"]["link"])

    def test_disconnect(self) -> None:
        """One client is disconnected, and told of as it was; the others stay (3.2.7.2)."""
        (_, one), (_, two) = self.session(), self.session()
        self.assertEqual([1, 2], [client["number"] for client in self.done("GET", "/clients")["clients"]])
        self.assertEqual(1, self.done("POST", "/clients/1/disconnect")["number"])
        self.assertEqual((True, False), (one.disconnecting, two.disconnecting))
        self.assertEqual([2], [client["number"] for client in self.done("GET", "/clients")["clients"]])

    def test_disconnect_nobody(self) -> None:
        """A number that no client has is refused with those that there are."""
        self.assertEqual(
            (404, "no client with ID 1; no client is connected"), self.refusal("POST", "/clients/1/disconnect")
        )
        self.session()
        for word in ("2", "0", "-1", "01", "x", ""):
            status, sentence = self.refusal("POST", f"/clients/{word}/disconnect")
            self.assertEqual((404, True), (status, sentence.endswith("connected clients: 1")), word)

    def test_reason(self) -> None:
        """The log says who disconnected the client."""
        self.session()
        (entry,) = self.end.table
        said: list[str] = []
        self.patch(entry, "connection", type("Connection", (), {"disconnect": staticmethod(said.append)})())
        self.done("POST", "/clients/1/disconnect")
        self.assertEqual([BY_OPERATOR], said)

    def test_disable(self) -> None:
        """Disabled, the server is silent and has no clients; the answer comes when they have gone (3.2.4.2)."""
        protocol, transport = self.session()
        answer = self.ask("POST", "/disable")
        self.assertNoResult(answer)
        self.assertEqual(([False], True), ([port.open for port in self.end.ports], transport.disconnecting))
        protocol.connectionLost(Failure(ConnectionDone()))
        status = self.successResultOf(answer)
        self.assertEqual(("DISABLED", 0), (status["state"], status["clients"]["now"]))

    def test_idempotent(self) -> None:
        """What is so already stays so (3.2.4.1, 3.2.4.2)."""
        _, transport = self.session()
        self.assertEqual("LISTEN", self.done("POST", "/enable")["state"])
        self.assertEqual((1, False), (len(self.end.ports), transport.disconnecting))
        since = self.done("GET", "/status")["since"]
        self.clock.advance(9)
        self.assertEqual(since, self.done("POST", "/enable")["since"])
        self.done("POST", "/authentication", {"mode": "certificates"})
        self.assertFalse(transport.disconnecting)
        self.end.server.handle(ServerEvent.DISABLE)
        for _ in range(2):
            self.ask("POST", "/disable")
        self.assertEqual([False], [port.open for port in self.end.ports])

    def test_enable_waits(self) -> None:
        """Enabled while it is being disabled, the server listens once it has done with that (3.2.4.1)."""
        protocol, _ = self.session()
        disabled, enabled = self.ask("POST", "/disable"), self.ask("POST", "/enable")
        self.assertEqual(1, len(self.end.ports))
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual("DISABLED", self.successResultOf(disabled)["state"])
        self.assertEqual("LISTEN", self.successResultOf(enabled)["state"])
        self.assertEqual([False, True], [port.open for port in self.end.ports])

    def test_cannot_listen(self) -> None:
        """A server that cannot listen any more says so and stays disabled; later it can be enabled."""
        self.done("POST", "/disable")

        def taken(factory: object) -> None:
            raise ConfigError("another program listens there")

        listen = self.end.listener._listen
        self.patch(self.end.listener, "_listen", taken)
        self.failureResultOf(self.ask("POST", "/enable"), ConfigError)
        self.assertEqual("DISABLED", self.done("GET", "/status")["state"])
        self.patch(self.end.listener, "_listen", listen)
        self.assertEqual("LISTEN", self.done("POST", "/enable")["state"])

    def test_authentication(self) -> None:
        """A change of the mode ends every session, those that are being opened too (3.2.7.1)."""
        (open_, one) = self.session()
        opening = StringTransport()
        half = self.end.accept(opening)
        answer = self.ask("POST", "/authentication", {"mode": "none"})
        self.assertEqual((True, True), (one.disconnecting, opening.disconnecting))
        self.assertEqual([True], [port.open for port in self.end.ports])
        for protocol in (open_, half):
            protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual("none", self.successResultOf(answer)["authentication"])
        self.assertIs(AuthenticationMode.NONE, self.mode)

    def test_authentication_refused(self) -> None:
        """A mode that cannot be entered changes nothing, and ends no session; nor does one that there is not."""
        _, transport = self.session()
        self.impossible = True
        self.failureResultOf(self.ask("POST", "/authentication", {"mode": "none"}), ConfigError)
        self.assertEqual(400, self.refusal("POST", "/authentication", {"mode": "some"})[0])
        self.assertEqual((False, AuthenticationMode.CERTIFICATES), (transport.disconnecting, self.mode))
        self.assertEqual("certificates", self.done("GET", "/status")["authentication"])

    def test_reload(self) -> None:
        """A reload tells what changed, and what takes a restart; one that is refused says why."""
        self.assertEqual(RELOADED, self.done("POST", "/reload"))
        self.impossible = True
        self.failureResultOf(self.ask("POST", "/reload"), ConfigError)

    def test_reload_waits(self) -> None:
        """While the server is being disabled, a reload waits for its turn; its answer is its own."""
        protocol, _ = self.session()
        read: list[str] = []
        self.reading = lambda: read.append(self.end.server.state.name)
        disabled, reloaded = self.ask("POST", "/disable"), self.ask("POST", "/reload")
        self.assertNoResult(reloaded)
        self.assertEqual([], read)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual("DISABLED", self.successResultOf(disabled)["state"])
        self.assertEqual(RELOADED, self.successResultOf(reloaded))
        self.assertEqual(["DISABLED"], read)

    def test_authentication_while_disabled(self) -> None:
        """The mode can be changed while nobody is there (3.2.7.1)."""
        self.done("POST", "/disable")
        status = self.done("POST", "/authentication", {"mode": "none"})
        self.assertEqual(("DISABLED", "none"), (status["state"], status["authentication"]))

    def test_stopping(self) -> None:
        """A server that shuts down takes no orders (3.2.7.3)."""
        protocol, _ = self.session()
        self.ask("POST", "/disable")
        waiting = self.ask("POST", "/enable")
        self.end.server.handle(ServerEvent.SHUTDOWN)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.failureResultOf(waiting, Refusal)
        for path in ("/enable", "/disable", "/authentication", "/reload"):
            self.assertEqual(409, self.refusal("POST", path)[0])
        self.assertIs(ServerState.STOPPED, self.end.server.state)


class ClientActionsTests(ActionCase):
    """The client (3.1.4)."""

    def setUp(self) -> None:
        """Prepare it; it is disabled."""
        self.clock = MemoryReactorClock()
        self.patch(client_actions, "time", self.clock.seconds)
        self.server = ServerEnd(self.clock)
        self.end = ClientEnd(self.clock)
        for end in (self.server, self.end):
            self.addCleanup(end.device.close)
        precondition = ConnectCondition(self.clock, self.end.client, always)
        link = {"interface": "i", "addresses": ["fe80::2/64"], "routes": ["2001:db8:2::/64"]}
        actions = ClientActions(self.end.client, precondition, self.end.device, lambda: link)
        self.routes = tuple(actions.routes())

    def join(self) -> None:
        """Let the attempt succeed."""
        self.end.connect(self.server)

    def established(self) -> None:
        """Let the attempt succeed, and the server say nothing."""
        self.end.endpoint.accept(StringTransport())

    def test_every_state(self) -> None:
        """From every state the client can be disabled, and then enabled, and then it can connect (3.1.4)."""
        ways: tuple[tuple[str, Any], ...] = (
            ("LINK_DOWN", lambda: None),
            ("LINK_DOWN", self.fail_now),
            ("ESTABLISHED", self.established),
            ("LINK_UP", self.join),
        )
        for state, way in ways:
            self.assertEqual("DISABLED", self.done("GET", "/status")["state"])
            self.assertEqual("LINK_DOWN", self.done("POST", "/enable")["state"])
            way()
            self.assertEqual(state, self.end.state.name)
            attempts = len(self.end.endpoint.attempts)
            self.assertEqual(state, self.done("POST", "/enable")["state"])  # it is already
            self.assertEqual(attempts, len(self.end.endpoint.attempts))
            self.ask("POST", "/disable")
            self.clock.advance(1000)
            status = self.done("GET", "/status")
            self.assertEqual(("DISABLED", None), (status["state"], status["next_attempt"]), state)
            self.assertEqual(attempts, len(self.end.endpoint.attempts), state)
            self.ask("POST", "/disable")

    def fail_now(self) -> None:
        """Let the attempt fail."""
        self.end.endpoint.refuse(ConnectionRefusedError())

    def test_disable_waits(self) -> None:
        """The answer comes when the connection has ended (3.1.4.2)."""
        self.done("POST", "/enable")
        connection = self.end.connect(self.server)
        answers = [self.ask("POST", "/disable") for _ in range(2)]
        for answer in answers:
            self.assertNoResult(answer)
        connection.settle()
        for answer in answers:
            self.assertEqual("DISABLED", self.successResultOf(answer)["state"])
        self.assertEqual(["up", "down"], self.end.link)

    def test_status(self) -> None:
        """The status has the settings and the interface's addresses."""
        status = self.done("GET", "/status")
        self.assertEqual(("i", "fe80::2/64", None), (status["interface"], *status["addresses"], status["router"]))

    def test_router(self) -> None:
        """The router is asked, so the status says how far away it is now, or that it does not answer."""
        self.done("POST", "/enable")
        connection = self.end.connect(self.server)
        self.end.from_host(bytes(IPv6(src="fe80::2", dst="ff02::2", hlim=255) / ICMPv6ND_RS()))
        connection.settle()
        asked = self.ask("GET", "/status")
        self.assertNoResult(asked)
        self.clock.advance(0.5)
        connection.settle()
        answer = IPv6(src="fe80::1", dst="fe80::2", hlim=255) / ICMPv6ND_NA(tgt="fe80::1", R=1, S=1)
        self.server.from_host(bytes(answer))
        connection.settle()
        self.assertEqual({"address": "fe80::1", "round_trip": 0.5}, self.successResultOf(asked)["router"])
        asked = self.ask("GET", "/status")
        self.clock.pump([1.0] * 3)
        status = self.successResultOf(asked)
        self.assertEqual(({"address": "fe80::1", "round_trip": None}, "LINK_UP"), (status["router"], status["state"]))
