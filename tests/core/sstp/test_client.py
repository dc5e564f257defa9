"""Tests for iphttps.core.sstp.client and its part of machine.py: scripts of events, and the commands for them."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from iphttps.core.sstp.attributes import CryptoBindingRequest, StatusInfo, encapsulated_protocol, read
from iphttps.core.sstp.client import CLIENT_STATES, ClientMachine
from iphttps.core.sstp.machine import Action, Command, Send
from iphttps.core.sstp.packet import message
from iphttps.core.sstp.states import Event, State
from tests.core.sstp.calls import (
    ABORT,
    ACK,
    BAD,
    CONNECTED,
    DISCONNECT,
    DISCONNECT_ACK,
    DROP,
    ECHO,
    ECHOED,
    MESSAGES,
    NAK,
    NONCE,
    PASS,
    PENDING,
    REQUEST,
    START,
    STOP,
    UNRECOGNIZED,
    E,
    M,
    MachineTestCase,
    S,
    aborted,
    client_in,
    play,
)

STATES = (*CLIENT_STATES, *PENDING)
RUNNING = CLIENT_STATES[1:]
BIND = Action.SEND_CONNECTED

EXPECTED = """
                        1     2     3     4     5     6     7     8     9
    disconnected        -     -     -     -     -     -     -     -     -
    request sent        bad   ok    1     bad   5     7     bad   9     bad
    ack received        bad   bad   bad   bad   5     7     bad   9     bad
    connected           bad   bad   bad   bad   5     7     bad   9     -
    abort pending       -     -     -     -     wait  -     -     -     -
    abort timeout       -     -     -     -     -     -     -     -     -
    disconnect ack      -     -     -     -     5     7     drop  -     -
    disconnect timeout  -     -     -     -     -     -     -     -     -
"""
"""The effect of each message in each state (3.2.5.3.2 to 3.2.5.3.8): a row for each state, in the order of STATES.

-: ignored; ok: the state's own message; bad: Call Abort with status 5; a number: that message is the answer.
"""


class EstablishmentTests(MachineTestCase):
    """From the HTTPS connection to Client_Call_Connected (3.2.1.1.1)."""

    def test_call(self) -> None:
        """The request is sent, PPP starts with the ACK, and after the login the binding is sent (3.2.4.1, 3.2.7.1)."""
        machine = ClientMachine()
        self.assertEqual(S.CLIENT_CALL_DISCONNECTED, machine.state)
        self.assert_step(machine, [Send(REQUEST)], S.CLIENT_CONNECT_REQUEST_SENT, E.ESTABLISHED)
        self.assert_step(machine, [START], S.CLIENT_CONNECT_ACK_RECEIVED, ACK)
        self.assertEqual(CryptoBindingRequest(3, NONCE), machine.binding)
        self.assert_step(machine, [BIND, PASS], S.CLIENT_CALL_CONNECTED, E.AUTHENTICATED)

    def test_gates(self) -> None:
        """Control frames pass in two states, data frames only in Client_Call_Connected (3.2.7.1, 3.2.7.2)."""
        for state in STATES:
            machine = client_in(state)
            self.assertEqual(state, machine.state)
            self.assertEqual(state is S.CLIENT_CALL_CONNECTED, machine.data_passes)
            self.assertEqual(state in RUNNING[1:], machine.control_passes)
            self.assertEqual(state in RUNNING, machine.runs)

    def test_hashes(self) -> None:
        """The server must allow a hash protocol that the client supports (3.2.5.3.2)."""
        for supported, offered, good in ((1, 1, True), (2, 3, True), (1, 2, False), (3, 4, False), (3, 0, False)):
            machine = ClientMachine(supported)
            ack = message(M.CALL_CONNECT_ACK, CryptoBindingRequest(offered, NONCE).build())
            commands = play(machine, E.ESTABLISHED, ack)
            self.assertEqual(START if good else aborted(4, 4), commands[-1])
            self.assertEqual(good, machine.binding is not None)

    def test_second_ack(self) -> None:
        """The binding is that of the first ACK; a second one aborts the call (3.2.5.3.2)."""
        machine = client_in(S.CLIENT_CONNECT_ACK_RECEIVED)
        other = message(M.CALL_CONNECT_ACK, CryptoBindingRequest(3, bytes(32)).build())
        self.assert_step(machine, [STOP, BAD], S.CALL_ABORT_PENDING, other)
        self.assertEqual(CryptoBindingRequest(3, NONCE), machine.binding)


class NakTests(MachineTestCase):
    """Call Connect NAK (3.2.5.3.3)."""

    def test_retries(self) -> None:
        """The first three get another request, the fourth a Call Abort with RETRY_COUNT_EXCEEDED (3.2.5.3.3)."""
        machine = client_in(S.CLIENT_CONNECT_REQUEST_SENT)
        for _ in range(3):
            self.assert_step(machine, [Send(REQUEST)], S.CLIENT_CONNECT_REQUEST_SENT, NAK)
        self.assert_step(machine, [aborted(2, 6)], S.CALL_ABORT_PENDING, NAK)
        self.assertEqual(StatusInfo(1, 4, b"\0\2"), machine.nak_status)

    def test_timer(self) -> None:
        """Each NAK restarts the negotiation timer (3.2.5.3.3)."""
        machine = client_in(S.CLIENT_CONNECT_REQUEST_SENT)
        play(machine, NAK, now=30.0)
        self.assertEqual(90.0, machine.deadline)

    def test_at_last(self) -> None:
        """After a NAK the server may still accept (3.2.5.3.3)."""
        machine = client_in(S.CLIENT_CONNECT_REQUEST_SENT)
        play(machine, NAK, NAK, NAK)
        self.assert_step(machine, [START], S.CLIENT_CONNECT_ACK_RECEIVED, ACK)


class PairTests(MachineTestCase):
    """All pairs of state and message."""

    def test_all(self) -> None:
        """Each message has in each state the effect that its section specifies (3.2.5.3.2 to 3.2.5.3.8)."""
        rows = [line.split()[-9:] for line in EXPECTED.strip().splitlines()[1:]]
        for (state, row), at in product(zip(STATES, rows, strict=True), range(9)):
            machine = client_in(state)
            stop = [STOP] if machine.control_passes else []
            expected: dict[str, tuple[list[Command], State]] = {
                "-": ([], state),
                "ok": ([START], S.CLIENT_CONNECT_ACK_RECEIVED),
                "1": ([Send(REQUEST)], state),
                "bad": ([*stop, BAD], S.CALL_ABORT_PENDING),
                "5": ([*stop, Send(ABORT)], S.CALL_ABORT_TIMEOUT_PENDING),
                "7": ([*stop, Send(DISCONNECT_ACK)], S.CALL_DISCONNECT_TIMEOUT_PENDING),
                "9": ([Send(ECHOED)], state),
                "wait": ([], S.CALL_ABORT_TIMEOUT_PENDING),
                "drop": ([DROP], S.CLIENT_CALL_DISCONNECTED),
            }
            self.assert_step(machine, *expected[row[at]], MESSAGES[at])

    def test_invalid(self) -> None:
        """A message that violates the syntax is answered by Call Abort, with the reason (3.2.5.3.1, 3.1.5.1)."""
        unread = (UNRECOGNIZED, ECHO[:6], ECHO + b"\0", ACK + b"\0", NAK + b"\0")
        more = message(M.ECHO_REQUEST, encapsulated_protocol())
        for state in STATES:
            for wrong, info in (*((each, aborted(0, 7)) for each in unread), (more, aborted(1, 9))):
                machine = client_in(state)
                stop = [STOP] if machine.control_passes else []
                if state not in RUNNING:
                    self.assert_step(machine, [], state, wrong)
                else:
                    self.assert_step(machine, [*stop, info], S.CALL_ABORT_PENDING, wrong)

    def test_wrong_ack(self) -> None:
        """A wrong ACK in another state is a message in a wrong state, or ignored (3.2.5.3.2)."""
        wrong = message(M.CALL_CONNECT_ACK)
        for state in STATES:
            machine = client_in(state)
            stop = [STOP] if machine.control_passes else []
            if state is S.CLIENT_CONNECT_REQUEST_SENT:
                self.assert_step(machine, [aborted(4, 10)], S.CALL_ABORT_PENDING, wrong)
            elif state in RUNNING:
                self.assert_step(machine, [*stop, BAD], S.CALL_ABORT_PENDING, wrong)
            else:
                self.assert_step(machine, [], state, wrong)

    def test_events(self) -> None:
        """An event that is impossible in the state raises an error, and changes nothing."""
        everywhere = {*STATES}
        unknown: dict[Event, set[State]] = {
            E.ESTABLISHED: everywhere - {S.CLIENT_CALL_DISCONNECTED},
            E.NAKS_EXCEEDED: everywhere - {S.CLIENT_CONNECT_REQUEST_SENT},
            E.AUTHENTICATED: {S.CLIENT_CONNECT_REQUEST_SENT, S.CLIENT_CALL_CONNECTED},
            E.EXPIRED: {S.CLIENT_CALL_DISCONNECTED},
            E.UNANSWERED: everywhere - {S.CLIENT_CALL_CONNECTED},
            E.HLAK: {*CLIENT_STATES},
        }
        for event, states in unknown.items():
            for state in states:
                machine = client_in(state)
                self.assertRaises(KeyError, machine.handle, event, 0.0)
                self.assertEqual(state, machine.state)

    @given(st.lists(st.sampled_from([*MESSAGES, UNRECOGNIZED, E.AUTHENTICATED, E.DISCONNECT_TUNNEL, E.LOST])))
    def test_any_order(self, script: list[bytes | Event]) -> None:
        """In any order of events, data passes only after the binding was sent, and PPP stops as often as it starts."""
        machine = ClientMachine()
        commands = play(machine, E.ESTABLISHED)
        for each in script:
            if each is E.AUTHENTICATED and machine.state in (S.CLIENT_CONNECT_REQUEST_SENT, S.CLIENT_CALL_CONNECTED):
                continue
            commands += play(machine, each)
        self.assertEqual(commands.count(START), commands.count(STOP) + machine.control_passes)
        self.assertEqual(commands.count(BIND), commands.count(PASS))
        self.assertLessEqual(commands.count(BIND), script.count(ACK))
        sent = [read(command.packet).fault for command in commands if isinstance(command, Send)]
        self.assertEqual([None] * len(sent), sent)


class EndTests(MachineTestCase):
    """Disconnection, abort and timers of the client (3.1.1.1, 3.1.2, 3.2.2)."""

    def test_disconnect(self) -> None:
        """The owner disconnects: Call Disconnect is sent, and its acknowledgement closes the connection (3.2.4.2)."""
        for state in RUNNING:
            machine = client_in(state)
            stop = [STOP] if machine.control_passes else []
            self.assert_step(machine, [*stop, Send(DISCONNECT)], S.CALL_DISCONNECT_ACK_PENDING, E.DISCONNECT_TUNNEL)
            self.assert_step(machine, [DROP], S.CLIENT_CALL_DISCONNECTED, DISCONNECT_ACK)
            self.assert_step(machine, [], S.CLIENT_CALL_DISCONNECTED, E.LOST)
        for state in (S.CLIENT_CALL_DISCONNECTED, *PENDING):
            self.assert_step(client_in(state), [], state, E.DISCONNECT_TUNNEL)

    def test_lost(self) -> None:
        """When the HTTPS connection is lost, nothing is sent, and PPP stops (3.1.7.2)."""
        for state in STATES:
            machine = client_in(state)
            stop = [STOP] if machine.control_passes else []
            self.assert_step(machine, stop, S.CLIENT_CALL_DISCONNECTED, E.LOST)
            self.assertIsNone(machine.deadline)

    def test_undelineable(self) -> None:
        """When the stream cannot be delineated the connection is dropped without a message (3.1.5.1)."""
        for state in STATES[1:]:
            machine = client_in(state)
            stop = [STOP] if machine.control_passes else []
            self.assert_step(machine, [*stop, DROP], S.CLIENT_CALL_DISCONNECTED, E.UNDELINEABLE)

    def test_deadlines(self) -> None:
        """Each state has its timer: 60 s to negotiate, 3 and 1 s to abort, 5 and 1 s to disconnect (3.1.2, 3.2.2.1)."""
        seconds = (None, 60.0, 60.0, 60.0, 3.0, 1.0, 5.0, 1.0)
        for state, delay in zip(STATES, seconds, strict=True):
            expected = None if delay is None else 100.0 + delay
            self.assertEqual(expected, client_in(state, 100.0).deadline, state)

    def test_negotiation(self) -> None:
        """Without an ACK, or the end of the login, in time: Call Abort (3.2.6.1)."""
        for state in RUNNING[:2]:
            machine = client_in(state)
            stop = [STOP] if machine.control_passes else []
            self.assertEqual([], machine.expired(59.9))
            self.assertEqual([*stop, aborted(0, 8)], machine.expired(60.0))
            self.assertEqual((S.CALL_ABORT_PENDING, 63.0), (machine.state, machine.deadline))

    def test_cleanup(self) -> None:
        """When a timer of abort or disconnect expires, the connection is dropped at once (3.1.6.1, 3.1.6.2)."""
        for state in PENDING:
            machine = client_in(state)
            self.assertEqual([DROP], machine.expired(machine.deadline or 0.0))
            self.assertEqual((S.CLIENT_CALL_DISCONNECTED, None), (machine.state, machine.deadline))

    def test_hello(self) -> None:
        """60 s without a packet: Echo Request; another 60 s: dropped, without Call Abort (3.1.2.3)."""
        for word in (None, ECHO, ECHOED):
            machine = client_in(S.CLIENT_CALL_CONNECTED)
            self.assertEqual([Send(ECHO)], machine.expired(60.0))
            if word:
                machine.received(word, 70.0)
                self.assertEqual([Send(ECHO)], machine.expired(130.0))
            else:
                self.assertEqual([STOP, DROP], machine.expired(120.0))

    def test_own_messages(self) -> None:
        """A message that only a client sends is not acceptable to one (2.2.8)."""
        for each in (REQUEST, CONNECTED):
            self.assert_step(client_in(S.CLIENT_CALL_CONNECTED), [STOP, BAD], S.CALL_ABORT_PENDING, each)
