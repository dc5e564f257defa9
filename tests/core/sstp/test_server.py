"""Tests for iphttps.core.sstp.server: events as a script, commands compared."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from iphttps.core.sstp.attributes import Attribute, CryptoBindingRequest, StatusInfo, encapsulated_protocol, read
from iphttps.core.sstp.machine import Command, Send, VerifyBinding
from iphttps.core.sstp.packet import message
from iphttps.core.sstp.server import ServerMachine
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
    STATES,
    STOP,
    UNRECOGNIZED,
    UNSUPPORTED,
    E,
    M,
    MachineTestCase,
    S,
    aborted,
    machine_in,
    play,
)

EXPECTED = """
                        1     2     3     4     5     6     7     8     9
    disconnected        -     -     -     -     -     -     -     -     -
    request pending     ok    bad   bad   bad   5     7     bad   bad   bad
    connected pending   bad   bad   bad   ok    5     7     bad   bad   bad
    connected           bad   bad   bad   bad   5     7     bad   9     -
    abort pending       -     -     -     -     wait  -     -     -     -
    abort timeout       -     -     -     -     -     -     -     -     -
    disconnect ack      -     -     -     -     5     7     drop  -     -
    disconnect timeout  -     -     -     -     -     -     -     -     -
"""
"""The effect of each message in each state (3.3.5.2.2 to 3.3.5.2.8): a row for each state, in the order of STATES.

-: ignored; ok: the state's own message; bad: Call Abort with status 5; a number: that message is the answer.
"""


class EstablishmentTests(MachineTestCase):
    """From the HTTPS connection to Server_Call_Connected (3.3.1.1.1)."""

    def test_call(self) -> None:
        """A request is acknowledged, PPP starts; once the binding is verified, data passes (3.3.5.2.2, 3.3.5.2.3)."""
        machine = ServerMachine(NONCE)
        self.assertEqual(S.SERVER_CALL_DISCONNECTED, machine.state)
        self.assert_step(machine, [], S.SERVER_CONNECT_REQUEST_PENDING, E.NEW_CONNECTION)
        self.assert_step(machine, [Send(ACK), START], S.SERVER_CALL_CONNECTED_PENDING, REQUEST)
        self.assert_step(machine, [], S.SERVER_CALL_CONNECTED_PENDING, E.HLAK)
        self.assert_step(machine, [VerifyBinding(CONNECTED)], S.SERVER_CALL_CONNECTED_PENDING, CONNECTED)
        self.assert_step(machine, [PASS], S.SERVER_CALL_CONNECTED, E.VERIFIED)

    def test_held(self) -> None:
        """A Call Connected that comes before the HLAK is held until then (3.3.7.1)."""
        machine = machine_in(S.SERVER_CALL_CONNECTED_PENDING)
        self.assert_step(machine, [], S.SERVER_CALL_CONNECTED_PENDING, CONNECTED)
        self.assertFalse(machine.data_passes)
        self.assert_step(machine, [VerifyBinding(CONNECTED)], S.SERVER_CALL_CONNECTED_PENDING, E.HLAK)

    def test_held_twice(self) -> None:
        """A second Call Connected while one is held is not acceptable (3.3.5.2.3)."""
        machine = machine_in(S.SERVER_CALL_CONNECTED_PENDING)
        self.assert_step(machine, [STOP, BAD], S.CALL_ABORT_PENDING, CONNECTED, CONNECTED)
        self.assert_step(machine, [], S.CALL_ABORT_PENDING, E.HLAK)

    def test_hashes(self) -> None:
        """The ACK has the hash protocols of the server's choice (2.2.6, 3.3.1)."""
        machine = ServerMachine(NONCE, 2)
        sent = Send(message(M.CALL_CONNECT_ACK, CryptoBindingRequest(2, NONCE).build()))
        self.assert_step(machine, [sent, START], S.SERVER_CALL_CONNECTED_PENDING, E.NEW_CONNECTION, REQUEST)

    def test_gates(self) -> None:
        """Control frames pass in two states, data frames only in Server_Call_Connected (3.3.7.1, 3.3.7.2)."""
        for state in STATES:
            machine = machine_in(state)
            self.assertEqual(state, machine.state)
            self.assertEqual(state is S.SERVER_CALL_CONNECTED, machine.data_passes)
            both = (S.SERVER_CALL_CONNECTED_PENDING, S.SERVER_CALL_CONNECTED)
            self.assertEqual(state in both, machine.control_passes)

    def test_not_verified(self) -> None:
        """A wrong nonce, hash or MAC: Call Abort with CRYPTO_BINDING and VALUE_NOT_SUPPORTED (3.3.5.2.3)."""
        machine = machine_in(S.SERVER_CALL_CONNECTED_PENDING)
        play(machine, E.HLAK, CONNECTED)
        self.assert_step(machine, [STOP, aborted(3, 4)], S.CALL_ABORT_PENDING, E.NOT_VERIFIED)
        self.assertEqual(StatusInfo(3, 4), machine.sent_status)

    def test_no_binding(self) -> None:
        """Without the binding, or with one of a wrong length: ATTRIB_NOT_SUPPORTED_IN_MSG (3.3.5.2.3)."""
        for wrong in ((), (Attribute(3, bytes(99)).build(),), (StatusInfo(1, 4).build(),)):
            machine = machine_in(S.SERVER_CALL_CONNECTED_PENDING)
            self.assert_step(
                machine, [STOP, aborted(2, 9)], S.CALL_ABORT_PENDING, E.HLAK, message(M.CALL_CONNECTED, *wrong)
            )


class NakTests(MachineTestCase):
    """Requests that are not acceptable (3.3.5.2.2)."""

    def test_retries(self) -> None:
        """Three get a NAK, one more gets a Call Abort with RETRY_COUNT_EXCEEDED (3.3.5.2.2)."""
        machine = machine_in(S.SERVER_CONNECT_REQUEST_PENDING)
        for _ in range(3):
            self.assert_step(machine, [Send(NAK)], S.SERVER_CONNECT_REQUEST_PENDING, UNSUPPORTED)
        self.assert_step(machine, [aborted(2, 6)], S.CALL_ABORT_PENDING, UNSUPPORTED)

    def test_acceptable_at_last(self) -> None:
        """After a NAK the client may come with an acceptable request (3.3.5.2.2)."""
        machine = machine_in(S.SERVER_CONNECT_REQUEST_PENDING)
        play(machine, *[UNSUPPORTED] * 3)
        self.assert_step(machine, [Send(ACK), START], S.SERVER_CALL_CONNECTED_PENDING, REQUEST)

    def test_no_more_time(self) -> None:
        """A NAK does not make the negotiation timer start again (3.3.2.1)."""
        machine = machine_in(S.SERVER_CONNECT_REQUEST_PENDING)
        play(machine, UNSUPPORTED, now=30.0)
        self.assertEqual(60.0, machine.deadline)

    def test_elsewhere(self) -> None:
        """An unacceptable request in another state is a message in a wrong state, or ignored (3.3.5.2.2)."""
        for state in (S.SERVER_CALL_CONNECTED_PENDING, S.SERVER_CALL_CONNECTED):
            self.assert_step(machine_in(state), [STOP, BAD], S.CALL_ABORT_PENDING, UNSUPPORTED)
        for state in PENDING:
            self.assert_step(machine_in(state), [], state, UNSUPPORTED)


class PairTests(MachineTestCase):
    """All pairs of state and message."""

    def test_all(self) -> None:
        """Each message does in each state what its section says (3.3.5.2.2 to 3.3.5.2.8)."""
        rows = [line.split()[-9:] for line in EXPECTED.strip().splitlines()[1:]]
        for (state, row), at in product(zip(STATES, rows, strict=True), range(9)):
            machine = machine_in(state)
            stop = [STOP] if machine.control_passes else []
            expected: dict[str, tuple[list[Command], State]] = {
                "-": ([], state),
                "bad": ([*stop, BAD], S.CALL_ABORT_PENDING),
                "5": ([*stop, Send(ABORT)], S.CALL_ABORT_TIMEOUT_PENDING),
                "7": ([*stop, Send(DISCONNECT_ACK)], S.CALL_DISCONNECT_TIMEOUT_PENDING),
                "9": ([Send(ECHOED)], state),
                "wait": ([], S.CALL_ABORT_TIMEOUT_PENDING),
                "drop": ([DROP], S.SERVER_CALL_DISCONNECTED),
            }
            if row[at] == "ok":
                self.assertNotIn(BAD, play(machine, MESSAGES[at]))
                self.assertEqual(S.SERVER_CALL_CONNECTED_PENDING, machine.state)
            else:
                self.assert_step(machine, *expected[row[at]], MESSAGES[at])

    def test_invalid(self) -> None:
        """A message that violates the syntax is answered by Call Abort, with the reason (3.3.5.2.1, 3.1.5.1)."""
        unread = (UNRECOGNIZED, ECHO[:6], ECHO + b"\0", REQUEST + b"\0", CONNECTED + b"\0")
        more = message(M.ECHO_REQUEST, encapsulated_protocol())
        for state in STATES:
            for wrong, info in (*((each, aborted(0, 7)) for each in unread), (more, aborted(1, 9))):
                machine = machine_in(state)
                stop = [STOP] if machine.control_passes else []
                if state in (S.SERVER_CALL_DISCONNECTED, *PENDING):
                    self.assert_step(machine, [], state, wrong)
                else:
                    self.assert_step(machine, [*stop, info], S.CALL_ABORT_PENDING, wrong)

    def test_ends_whatever_is_in_it(self) -> None:
        """Call Abort and Call Disconnect end the call whatever their attributes are (3.3.5.2.4, 3.3.5.2.5)."""
        for rest in (b"\0\0", b"\0\1", b"\0\0?", b"\0\1\0\2\0\x08\0\0\0\0"):
            for kind, state in ((5, S.CALL_ABORT_TIMEOUT_PENDING), (6, S.CALL_DISCONNECT_TIMEOUT_PENDING)):
                machine = machine_in(S.SERVER_CALL_CONNECTED)
                play(machine, b"\x10\x01\0\0\0" + bytes((kind,)) + rest)
                self.assertEqual((state, None), (machine.state, machine.received_status))

    def test_received_status(self) -> None:
        """The status in the client's first Call Abort or Call Disconnect is kept for the log (2.2.13, 2.2.14)."""
        machine = machine_in(S.SERVER_CALL_CONNECTED)
        play(machine, message(M.CALL_ABORT, StatusInfo(3, 4).build()), DISCONNECT)
        self.assertEqual(StatusInfo(3, 4), machine.received_status)

    def test_events(self) -> None:
        """An event that the state does not know raises, and changes nothing."""
        unknown = {
            E.NEW_CONNECTION: {*STATES} - {S.SERVER_CALL_DISCONNECTED},
            E.RETRIES_EXCEEDED: {*STATES} - {S.SERVER_CONNECT_REQUEST_PENDING},
            E.HLAK: {S.SERVER_CONNECT_REQUEST_PENDING},
            E.VERIFIED: {*STATES} - {S.SERVER_CALL_CONNECTED_PENDING},
            E.NOT_VERIFIED: {*STATES} - {S.SERVER_CALL_CONNECTED_PENDING},
            E.EXPIRED: {S.SERVER_CALL_DISCONNECTED},
            E.UNANSWERED: {*STATES} - {S.SERVER_CALL_CONNECTED},
        }
        for event, states in unknown.items():
            for state in states:
                machine = machine_in(state)
                self.assertRaises(KeyError, machine.handle, event, 0.0)
                self.assertEqual(state, machine.state)

    @given(st.lists(st.sampled_from([*MESSAGES, UNSUPPORTED, UNRECOGNIZED, E.HLAK, E.DISCONNECT_TUNNEL, E.LOST])))
    def test_any_order(self, script: list[bytes | Event]) -> None:
        """In any order: data passes only once a binding was verified, and PPP stops as often as it starts."""
        machine = ServerMachine(NONCE)
        commands = play(machine, E.NEW_CONNECTION)
        for each in script:
            if each is E.HLAK and machine.state is S.SERVER_CONNECT_REQUEST_PENDING:
                continue
            commands += play(machine, each)
            if isinstance(commands[-1] if commands else None, VerifyBinding) and not machine.data_passes:
                commands += play(machine, E.VERIFIED)
        self.assertEqual(commands.count(START), commands.count(STOP) + machine.control_passes)
        self.assertLessEqual(commands.count(PASS), sum(isinstance(each, VerifyBinding) for each in commands))
        sent = [read(command.packet).fault for command in commands if isinstance(command, Send)]
        self.assertEqual([None] * len(sent), sent)
