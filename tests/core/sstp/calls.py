"""Machines of both sides that have come to each state by real events, and messages for them."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.attributes import (
    NO_ERROR,
    CryptoBinding,
    CryptoBindingRequest,
    StatusInfo,
    encapsulated_protocol,
)
from iphttps.core.sstp.client import ClientMachine
from iphttps.core.sstp.machine import Action, Command, Machine, Send
from iphttps.core.sstp.packet import MessageType, message
from iphttps.core.sstp.server import SERVER_STATES, ServerMachine
from iphttps.core.sstp.states import ENDING_STATES, Event, State

NONCE = bytes(range(32))
M, E, S = MessageType, Event, State

REQUEST = message(M.CALL_CONNECT_REQUEST, encapsulated_protocol())
UNSUPPORTED = message(M.CALL_CONNECT_REQUEST, encapsulated_protocol(2))
ACK = message(M.CALL_CONNECT_ACK, CryptoBindingRequest(3, NONCE).build())
NAK = message(M.CALL_CONNECT_NAK, StatusInfo(1, 4, b"\0\2").build())
CONNECTED = message(M.CALL_CONNECTED, CryptoBinding(2, NONCE, bytes(32), bytes(32)).build())
ABORT, DISCONNECT = message(M.CALL_ABORT, NO_ERROR.build()), message(M.CALL_DISCONNECT, NO_ERROR.build())
DISCONNECT_ACK, ECHO, ECHOED = map(message, (M.CALL_DISCONNECT_ACK, M.ECHO_REQUEST, M.ECHO_RESPONSE))
MESSAGES = (REQUEST, ACK, NAK, CONNECTED, ABORT, DISCONNECT, DISCONNECT_ACK, ECHO, ECHOED)
UNRECOGNIZED = bytes.fromhex("10010008 000a 0000")

START, STOP, PASS, DROP = Action.START_PPP, Action.STOP_PPP, Action.PASS_DATA, Action.DROP
PENDING = ENDING_STATES
STATES = (*SERVER_STATES, *PENDING)
"""The states of a server."""


def aborted(attribute: int, status: int) -> Send:
    """Return the command to send a Call Abort."""
    return Send(message(M.CALL_ABORT, StatusInfo(attribute, status).build()))


BAD = aborted(0, 5)


def machine_in(state: State, now: float = 0.0) -> ServerMachine:
    """Return a machine that has come to a state at this time, by real events."""
    machine = ServerMachine(NONCE)
    script: list[bytes | Event] = []
    if state is not S.SERVER_CALL_DISCONNECTED:
        script += [E.NEW_CONNECTION]
    if state not in (S.SERVER_CALL_DISCONNECTED, S.SERVER_CONNECT_REQUEST_PENDING):
        script += [REQUEST]
    if state in (S.SERVER_CALL_CONNECTED, *PENDING):
        script += [E.HLAK, CONNECTED, E.VERIFIED]
    last: dict[State, list[bytes | Event]] = {
        S.CALL_ABORT_PENDING: [REQUEST],
        S.CALL_ABORT_TIMEOUT_PENDING: [ABORT],
        S.CALL_DISCONNECT_ACK_PENDING: [E.DISCONNECT_TUNNEL],
        S.CALL_DISCONNECT_TIMEOUT_PENDING: [DISCONNECT],
    }
    play(machine, *script, *last.get(state, []), now=now)
    return machine


def client_in(state: State, now: float = 0.0) -> ClientMachine:
    """Return a client's machine that has come to a state at this time, by real events."""
    machine = ClientMachine()
    script: list[bytes | Event] = []
    if state is not S.CLIENT_CALL_DISCONNECTED:
        script += [E.ESTABLISHED]
    if state not in (S.CLIENT_CALL_DISCONNECTED, S.CLIENT_CONNECT_REQUEST_SENT):
        script += [ACK]
    if state in (S.CLIENT_CALL_CONNECTED, *PENDING):
        script += [E.AUTHENTICATED]
    last: dict[State, list[bytes | Event]] = {
        S.CALL_ABORT_PENDING: [ACK],
        S.CALL_ABORT_TIMEOUT_PENDING: [ABORT],
        S.CALL_DISCONNECT_ACK_PENDING: [E.DISCONNECT_TUNNEL],
        S.CALL_DISCONNECT_TIMEOUT_PENDING: [DISCONNECT],
    }
    play(machine, *script, *last.get(state, []), now=now)
    return machine


def play(machine: Machine, *script: bytes | Event, now: float = 0.0) -> list[Command]:
    """Have a machine process messages and events; return all its commands."""
    commands: list[Command] = []
    for each in script:
        commands += machine.received(each, now) if isinstance(each, bytes) else machine.handle(each, now)
    return commands


class MachineTestCase(SynchronousTestCase):
    """Assertions about a machine."""

    def assert_step(self, machine: Machine, commands: Sequence[Command], state: State, *script: bytes | Event) -> None:
        """Assert that messages and events bring about just these commands and this state."""
        self.assertEqual((list(commands), state), (play(machine, *script), machine.state))
