"""The line that says what a daemon is at, and from when on it counts as up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.daemon.state import DaemonState, of_client, of_server
from iphttps.core.client import ClientState
from iphttps.core.failure import FailureReason, Stage
from iphttps.core.iphttps.server import ServerState
from iphttps.net.client import Client
from iphttps.net.iphttps.server import Server

URI = "https://vpn.example.org/IPHTTPS"


def client(state: ClientState, **choices: Any) -> DaemonState:
    """Return the condition of a client, of which only what is looked at is there."""
    facts = {
        "last_failure": None,
        "next_attempt": None,
        "looking": False,
        "waiting": None,
        "used": False,
        "obstacle": None,
    } | choices
    seen = SimpleNamespace(
        state=state,
        server=SimpleNamespace(uri=URI),
        last_failure=facts["last_failure"],
        next_attempt=facts["next_attempt"],
    )
    return of_client(
        cast(Client, seen),
        looking=facts["looking"],
        waiting=facts["waiting"],
        used=facts["used"],
        obstacle=facts["obstacle"],
    )


class ServerConditionTests(SynchronousTestCase):
    """A server."""

    def condition(self, state: ServerState, clients: int) -> DaemonState:
        """Return the condition of a server with so many clients."""
        return of_server(cast(Server, SimpleNamespace(state=state)), "https://*:443/IPHTTPS", clients)

    def test_listening(self) -> None:
        """It says where it listens, and how many clients there are."""
        for clients, words in ((0, "0 clients"), (1, "1 client"), (2, "2 clients")):
            wanted = DaemonState(up=True, text=f"listening at https://*:443/IPHTTPS; {words}")
            self.assertEqual(wanted, self.condition(ServerState.LISTEN, clients))

    def test_not_taken(self) -> None:
        """It says which file it cannot use."""
        server = cast(Server, SimpleNamespace(state=ServerState.LISTEN))
        condition = of_server(server, URI, 0, ["revocation list not taken: it is damaged"])
        wanted = f"listening at {URI}; 0 clients; revocation list not taken: it is damaged"
        self.assertEqual(DaemonState(up=True, text=wanted), condition)

    def test_disabled(self) -> None:
        """One that was disabled says how it listens again."""
        self.assertIn("iphttps enable", self.condition(ServerState.DISABLED, 0).text)


class ClientConditionTests(SynchronousTestCase):
    """A client."""

    def test_link(self) -> None:
        """It is up when its link has an address, and not before."""
        up, early = client(ClientState.LINK_UP, used=True), client(ClientState.LINK_UP)
        self.assertEqual(DaemonState(up=True, text=f"link up to {URI}"), up)
        self.assertEqual(DaemonState(up=False, text=f"link up to {URI}, no address yet"), early)

    def test_obstacle(self) -> None:
        """An address that this host keeps from coming is not waited for; the line has the reason."""
        wanted = DaemonState(up=True, text=f"link up to {URI}: the filter drops it")
        self.assertEqual(wanted, client(ClientState.LINK_UP, obstacle="the filter drops it"))

    def test_first_attempt(self) -> None:
        """While the first attempt is under way it is not up."""
        for state in (ClientState.LINK_DOWN, ClientState.ESTABLISHED):
            self.assertEqual(DaemonState(up=False, text=f"connecting to {URI}"), client(state))

    def test_failed_attempt(self) -> None:
        """After a failure it is not waited for any more; the line has the reason, and is one line."""
        failure = FailureReason(Stage.TLS, "the server hung up\nand laughed"), URI, 0.0
        waiting = client(ClientState.LINK_DOWN, last_failure=failure, next_attempt=30.0)
        self.assertTrue(waiting.up)
        self.assertEqual(rf"{URI}: the server hung up\0Aand laughed; waiting for the next attempt", waiting.text)
        again = client(ClientState.LINK_DOWN, last_failure=failure)
        self.assertTrue(again.up and again.text.endswith(f"; connecting to {URI}"))

    def test_not_wanted(self) -> None:
        """A client that wants no connection counts as up, unless it is still finding out whether it wants one."""
        idle = client(ClientState.ENABLED, waiting="for `iphttps enable`")
        self.assertEqual(DaemonState(up=True, text="not connected: for `iphttps enable`"), idle)
        self.assertFalse(client(ClientState.ENABLED, waiting="for a proxy", looking=True).up)
        self.assertTrue(client(ClientState.DISABLED).up)
