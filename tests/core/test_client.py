"""Tests for iphttps.core.client: events as a script, commands compared with figure 6."""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.client import (
    SHORT_SESSIONS,
    SHORT_SESSIONS_PERIOD,
    STABLE_AFTER,
    Action,
    ClientEvent,
    ClientMachine,
    ClientState,
    Command,
    StartTimer,
)
from iphttps.core.reconnect import ReconnectTimer

Step = tuple[float, ClientEvent, list[Command], ClientState]

ENABLE, DISABLE, PRECONDITION = ClientEvent.ENABLE, ClientEvent.DISABLE, ClientEvent.PRECONDITION
CONNECTED, RESPONSE = ClientEvent.CONNECTED, ClientEvent.RESPONSE
FAILED, LOST, TIMER = ClientEvent.FAILED, ClientEvent.LOST, ClientEvent.TIMER
UNANSWERED = ClientEvent.UNANSWERED
NETWORK, CUT_OFF = ClientEvent.NETWORK, ClientEvent.CUT_OFF
DISABLED, ENABLED, LINK_DOWN = ClientState.DISABLED, ClientState.ENABLED, ClientState.LINK_DOWN
ESTABLISHED, LINK_UP = ClientState.ESTABLISHED, ClientState.LINK_UP

CONNECTING: tuple[Step, ...] = (
    (0.0, ENABLE, [], ENABLED),
    (0.0, PRECONDITION, [Action.CONNECT], LINK_DOWN),
)
REQUESTING: tuple[Step, ...] = (*CONNECTING, (1.0, CONNECTED, [Action.SEND_REQUEST], ESTABLISHED))
UP: tuple[Step, ...] = (*REQUESTING, (2.0, RESPONSE, [Action.LINK_UP], LINK_UP))


class ClientMachineTests(SynchronousTestCase):
    """The states of 3.1.1 and what leads from one to another."""

    def play(self, *script: Step) -> None:
        """Assert that the events, from the start on, bring about just these commands and states."""
        machine = ClientMachine(ReconnectTimer())
        events = [(now, event) for now, event, _, _ in script]
        played = [(now, event, machine.handle(event, now), machine.state) for now, event in events]
        self.assertEqual(list(script), played)

    def test_initial(self) -> None:
        """The client does nothing until it is enabled (3.1.4.1)."""
        self.assertEqual(DISABLED, ClientMachine(ReconnectTimer()).state)

    def test_link_up(self) -> None:
        """Enabled, preconditions, connection, request, successful response: the link is up (3.1.1, 3.1.5)."""
        self.play(*UP)

    def test_connection_fails(self) -> None:
        """An unsuccessful connection is retried when the reconnect timer expires (3.1.2.1, 3.1.6)."""
        self.play(
            *CONNECTING,
            (1.0, FAILED, [StartTimer(30.0)], LINK_DOWN),
            (31.0, TIMER, [Action.CONNECT], LINK_DOWN),
            (41.0, FAILED, [StartTimer(40.0)], LINK_DOWN),
            (81.0, TIMER, [Action.CONNECT], LINK_DOWN),
            (82.0, CONNECTED, [Action.SEND_REQUEST], ESTABLISHED),
            (83.0, RESPONSE, [Action.LINK_UP], LINK_UP),
        )

    def test_request_fails(self) -> None:
        """Only a successful response brings the link up; any other is a failure (3.1.5.2)."""
        self.play(
            *REQUESTING,
            (2.0, FAILED, [StartTimer(30.0)], LINK_DOWN),
            (32.0, TIMER, [Action.CONNECT], LINK_DOWN),
            (33.0, CONNECTED, [Action.SEND_REQUEST], ESTABLISHED),
            # TLS alone is no success: the time goes on from the first failure.
            (62.0, FAILED, [StartTimer(60.0)], LINK_DOWN),
        )

    def test_asked_to_wait(self) -> None:
        """A server that asks for more time gets it; one that asks for less gets the usual (3.1.2.1)."""
        for asked, delay in ((120.0, 120.0), (1.0, 30.0)):
            machine = ClientMachine(ReconnectTimer())
            for now, event, _, _ in REQUESTING:
                machine.handle(event, now)
            self.assertEqual([StartTimer(delay)], machine.handle(FAILED, 2.0, at_least=asked))

    def test_connectivity_lost(self) -> None:
        """Upon loss of connectivity the client MUST attempt to establish the connection again (3.1.5.4)."""
        self.play(
            *UP,
            (500.0, FAILED, [Action.LINK_DOWN, StartTimer(30.0)], LINK_DOWN),
            (530.0, TIMER, [Action.CONNECT], LINK_DOWN),
            (531.0, CONNECTED, [Action.SEND_REQUEST], ESTABLISHED),
            (532.0, RESPONSE, [Action.LINK_UP], LINK_UP),
        )

    def test_success_resets(self) -> None:
        """A successful HTTPS connection resets the timer (3.1.2.1)."""
        self.play(
            *CONNECTING,
            (0.0, FAILED, [StartTimer(30.0)], LINK_DOWN),
            (30.0, TIMER, [Action.CONNECT], LINK_DOWN),
            (30.0, FAILED, [StartTimer(30.0)], LINK_DOWN),
            (60.0, TIMER, [Action.CONNECT], LINK_DOWN),
            (60.0, FAILED, [StartTimer(60.0)], LINK_DOWN),
            (120.0, TIMER, [Action.CONNECT], LINK_DOWN),
            (121.0, CONNECTED, [Action.SEND_REQUEST], ESTABLISHED),
            (122.0, RESPONSE, [Action.LINK_UP], LINK_UP),
            (123.0, FAILED, [Action.LINK_DOWN, StartTimer(30.0)], LINK_DOWN),
        )

    def test_disable(self) -> None:
        """From every state disabling leads to Disabled, and what there is, is torn down (3.1.4.2)."""
        self.play((0.0, DISABLE, [], DISABLED))
        self.play((0.0, ENABLE, [], ENABLED), (1.0, DISABLE, [], DISABLED))
        self.play(*CONNECTING, (9.0, DISABLE, [Action.CANCEL_TIMER, Action.DISCONNECT], DISABLED))
        self.play(*REQUESTING, (9.0, DISABLE, [Action.DISCONNECT], DISABLED))
        self.play(*UP, (9.0, DISABLE, [Action.LINK_DOWN, Action.DISCONNECT], DISABLED))

    def test_disable_resets(self) -> None:
        """A client enabled anew begins the reconnection algorithm anew (3.1.2.1)."""
        self.play(
            *CONNECTING,
            (0.0, FAILED, [StartTimer(30.0)], LINK_DOWN),
            (10.0, DISABLE, [Action.CANCEL_TIMER, Action.DISCONNECT], DISABLED),
            (500.0, ENABLE, [], ENABLED),
            (500.0, PRECONDITION, [Action.CONNECT], LINK_DOWN),
            (501.0, FAILED, [StartTimer(30.0)], LINK_DOWN),
        )

    def test_elsewhere(self) -> None:
        """A session that is lost is followed at once by an attempt elsewhere; the timer starts if that fails."""
        self.play(
            *UP,
            (500.0, LOST, [Action.LINK_DOWN, Action.CONNECT_NEXT], LINK_DOWN),
            (501.0, FAILED, [StartTimer(30.0)], LINK_DOWN),
            (531.0, TIMER, [Action.CONNECT], LINK_DOWN),
        )

    def test_in_turn(self) -> None:
        """Each of several connections sends its request; the first successful response brings the link up."""
        self.play(
            *REQUESTING,
            (2.0, CONNECTED, [Action.SEND_REQUEST], ESTABLISHED),
            (3.0, UNANSWERED, [], LINK_DOWN),
            (4.0, CONNECTED, [Action.SEND_REQUEST], ESTABLISHED),
            (5.0, RESPONSE, [Action.LINK_UP], LINK_UP),
        )

    def sessions(self, event: ClientEvent, seconds: float, number: int) -> list[Command]:
        """Return the last command at the end of each of so many sessions of so many seconds, one after the other."""
        machine = ClientMachine(ReconnectTimer())
        for now, before, _, _ in UP[:-2]:
            machine.handle(before, now)
        ends, now = [], 0.0
        for _ in range(number):
            machine.handle(CONNECTED, now)
            machine.handle(RESPONSE, now)
            now += seconds
            ends.append(machine.handle(event, now)[-1])
        return ends

    def test_short_sessions(self) -> None:
        """Servers that answer and hang up at once are called on four times without a pause, then by the timer."""
        for event in (LOST, CUT_OFF):
            ends = self.sessions(event, 1.0, SHORT_SESSIONS + 2)
            self.assertEqual([Action.CONNECT_NEXT] * SHORT_SESSIONS + [StartTimer(30.0)] * 2, ends)

    def test_few_short_sessions(self) -> None:
        """A short session in each half a minute, and any number of long ones, cost no pause."""
        for seconds in (SHORT_SESSIONS_PERIOD, STABLE_AFTER):
            self.assertEqual([Action.CONNECT_NEXT] * 20, self.sessions(LOST, seconds, 20))

    def test_network_changed(self) -> None:
        """When the network has changed, what failed in the old one is tried in the new one at once."""
        self.play(
            *CONNECTING,
            (1.0, FAILED, [StartTimer(30.0)], LINK_DOWN),
            (2.0, NETWORK, [Action.CANCEL_TIMER, Action.DISCONNECT, Action.CONNECT], LINK_DOWN),
            (3.0, FAILED, [StartTimer(30.0)], LINK_DOWN),
        )
        self.play(*REQUESTING, (2.0, NETWORK, [Action.DISCONNECT, Action.CONNECT], LINK_DOWN))

    def test_silent_router(self) -> None:
        """A router that is silent after a change of the network costs the session, and an attempt follows at once."""
        self.play(
            *UP,
            (9.0, NETWORK, [Action.ASK_ROUTER], LINK_UP),
            (12.0, CUT_OFF, [Action.LINK_DOWN, Action.DISCONNECT, Action.CONNECT_NEXT], LINK_DOWN),
            (13.0, FAILED, [StartTimer(30.0)], LINK_DOWN),
        )

    def test_delay(self) -> None:
        """The delay grows by a fifth at most, at random, and by what the server asks for (3.1.2.1)."""
        for jitter, at_least, delay in ((0.0, 0.0, 30.0), (1.0, 0.0, 36.0), (1.0, 35.0, 36.0), (0.5, 120.0, 120.0)):
            machine = ClientMachine(ReconnectTimer())
            machine.state = LINK_DOWN
            commands = machine.handle(FAILED, 0.0, jitter=jitter, at_least=at_least)
            self.assertEqual([StartTimer(delay)], commands)

    def test_unknown_events(self) -> None:
        """An event that figure 6 does not have in a state raises, and changes nothing (3.1)."""
        known = {
            DISABLED: {ENABLE, DISABLE},
            ENABLED: {PRECONDITION, DISABLE},
            LINK_DOWN: {CONNECTED, FAILED, TIMER, NETWORK, DISABLE},
            ESTABLISHED: {CONNECTED, UNANSWERED, RESPONSE, FAILED, NETWORK, DISABLE},
            LINK_UP: {FAILED, LOST, NETWORK, CUT_OFF, DISABLE},
        }
        for state, event in product(ClientState, ClientEvent):
            machine = ClientMachine(ReconnectTimer())
            machine.state = state
            if event in known[state]:
                machine.handle(event, 0.0)
            else:
                self.assertRaises(KeyError, machine.handle, event, 0.0)
                self.assertEqual(state, machine.state)
