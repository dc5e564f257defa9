"""Tests for iphttps.core.iphttps.server: events as a script, commands compared."""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.iphttps.server import ServerCommand, ServerEvent, ServerMachine, ServerState

Step = tuple[ServerEvent, list[ServerCommand], ServerState]

START, ENABLE, DISABLE = ServerEvent.START, ServerEvent.ENABLE, ServerEvent.DISABLE
AUTHENTICATION, SHUTDOWN = ServerEvent.AUTHENTICATION, ServerEvent.SHUTDOWN
DO_LISTEN, QUIET = [ServerCommand.LISTEN], [ServerCommand.STOP_LISTENING, ServerCommand.DISCONNECT_ALL]
STOPPED, LISTEN, DISABLED = ServerState.STOPPED, ServerState.LISTEN, ServerState.DISABLED


class ServerMachineTests(SynchronousTestCase):
    """The states of 3.2.1 and what leads from one to another."""

    def play(self, *script: Step) -> None:
        """Assert that the events, from the start on, bring about just these commands and states."""
        machine = ServerMachine()
        events = [event for event, _, _ in script]
        played = [(event, list(machine.handle(event)), machine.state) for event in events]
        self.assertEqual(list(script), played)

    def test_initial(self) -> None:
        """Stopped is the initial state (3.2.1)."""
        self.assertEqual(STOPPED, ServerMachine().state)

    def test_initialization(self) -> None:
        """From the Stopped state the server MUST transition to the Listen state (3.2.3)."""
        self.play((START, DO_LISTEN, LISTEN))

    def test_disable(self) -> None:
        """Disabling MUST disconnect all clients, and no operations are possible any more (3.2.4.2)."""
        self.play((START, DO_LISTEN, LISTEN), (DISABLE, QUIET, DISABLED), (DISABLE, [], DISABLED))

    def test_enable(self) -> None:
        """From the Disabled state, and only from there, enabling leads to the Listen state (3.2.4.1)."""
        self.play(
            (START, DO_LISTEN, LISTEN),
            (ENABLE, [], LISTEN),
            (DISABLE, QUIET, DISABLED),
            (ENABLE, DO_LISTEN, LISTEN),
            (ENABLE, [], LISTEN),
        )

    def test_authentication_mode(self) -> None:
        """When the Authentication Mode is changed all connections MUST be terminated (3.2.7.1)."""
        self.play(
            (START, DO_LISTEN, LISTEN),
            (AUTHENTICATION, [ServerCommand.DISCONNECT_ALL], LISTEN),
            (DISABLE, QUIET, DISABLED),
            (AUTHENTICATION, [], DISABLED),
        )

    def test_shutdown(self) -> None:
        """At shutdown the server MUST disconnect all clients and transition to the Stopped state (3.2.7.3)."""
        self.play((START, DO_LISTEN, LISTEN), (SHUTDOWN, QUIET, STOPPED), (START, DO_LISTEN, LISTEN))
        self.play((START, DO_LISTEN, LISTEN), (DISABLE, QUIET, DISABLED), (SHUTDOWN, [], STOPPED))

    def test_unknown_events(self) -> None:
        """An event that the state does not know raises, and changes nothing (3.2.1)."""
        unknown = {
            *product((STOPPED,), (ENABLE, DISABLE, AUTHENTICATION, SHUTDOWN)),
            *product((LISTEN, DISABLED), (START,)),
        }
        for state, event in product(ServerState, ServerEvent):
            machine = ServerMachine()
            machine.state = state
            if (state, event) in unknown:
                self.assertRaises(KeyError, machine.handle, event)
                self.assertEqual(state, machine.state)
            else:
                machine.handle(event)
