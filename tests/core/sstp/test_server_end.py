"""Tests for iphttps.core.sstp.server, how calls end and the timers: events as a script, commands compared."""

from __future__ import annotations

from iphttps.core.sstp.machine import Send
from tests.core.sstp.calls import (
    ABORT,
    CONNECTED,
    DISCONNECT,
    DISCONNECT_ACK,
    DROP,
    ECHO,
    ECHOED,
    PENDING,
    STATES,
    STOP,
    E,
    MachineTestCase,
    S,
    aborted,
    machine_in,
    play,
)


class EndTests(MachineTestCase):
    """Disconnection and abort (3.1.1.1.1, 3.1.1.1.2)."""

    def test_disconnect(self) -> None:
        """The management layer disconnects: Call Disconnect, and on its acknowledgement the connection goes (3.3.4)."""
        for state in (S.SERVER_CONNECT_REQUEST_PENDING, S.SERVER_CALL_CONNECTED_PENDING, S.SERVER_CALL_CONNECTED):
            machine = machine_in(state)
            stop = [STOP] if machine.control_passes else []
            self.assert_step(machine, [*stop, Send(DISCONNECT)], S.CALL_DISCONNECT_ACK_PENDING, E.DISCONNECT_TUNNEL)
            self.assert_step(machine, [DROP], S.SERVER_CALL_DISCONNECTED, DISCONNECT_ACK)
            self.assert_step(machine, [], S.SERVER_CALL_DISCONNECTED, E.LOST)
        for state in (S.SERVER_CALL_DISCONNECTED, *PENDING):
            self.assert_step(machine_in(state), [], state, E.DISCONNECT_TUNNEL)

    def test_lost(self) -> None:
        """When the HTTPS connection is lost nothing is sent, and PPP is told (3.1.7.2)."""
        for state in STATES:
            machine = machine_in(state)
            stop = [STOP] if machine.control_passes else []
            self.assert_step(machine, stop, S.SERVER_CALL_DISCONNECTED, E.LOST)
            self.assertIsNone(machine.deadline)

    def test_undelineable(self) -> None:
        """When the stream cannot be delineated the connection is dropped without a message (3.1.5.1)."""
        for state in STATES[1:]:
            machine = machine_in(state)
            stop = [STOP] if machine.control_passes else []
            self.assert_step(machine, [*stop, DROP], S.SERVER_CALL_DISCONNECTED, E.UNDELINEABLE)


class TimerTests(MachineTestCase):
    """Timers (3.1.2, 3.1.6, 3.3.2, 3.3.6)."""

    def test_deadlines(self) -> None:
        """Each state has its timer: 60 s to negotiate, 3 and 1 s to abort, 5 and 1 s to disconnect (3.1.2, 3.3.2.1)."""
        seconds = (None, 60.0, 60.0, 60.0, 3.0, 1.0, 5.0, 1.0)
        for state, delay in zip(STATES, seconds, strict=True):
            expected = None if delay is None else 100.0 + delay
            self.assertEqual(expected, machine_in(state, 100.0).deadline, state)

    def test_too_soon(self) -> None:
        """Before the deadline nothing happens; a shell may ask too often."""
        for state in STATES:
            machine = machine_in(state)
            deadline = machine.deadline
            self.assertEqual([], machine.expired(0.0 if deadline is None else deadline - 0.25))
            self.assertEqual((state, deadline), (machine.state, machine.deadline))

    def test_negotiation(self) -> None:
        """No acceptable request, or no Call Connected, in time: Call Abort (3.3.6.1)."""
        for state in (S.SERVER_CONNECT_REQUEST_PENDING, S.SERVER_CALL_CONNECTED_PENDING):
            machine = machine_in(state)
            stop = [STOP] if machine.control_passes else []
            self.assertEqual([*stop, aborted(0, 8)], machine.expired(60.0))
            self.assertEqual((S.CALL_ABORT_PENDING, 63.0), (machine.state, machine.deadline))

    def test_cleanup(self) -> None:
        """When a timer of abort or disconnect expires, the connection is dropped at once (3.1.6.1, 3.1.6.2)."""
        for state in PENDING:
            machine = machine_in(state)
            self.assertEqual([DROP], machine.expired(machine.deadline or 0.0))
            self.assertEqual((S.SERVER_CALL_DISCONNECTED, None), (machine.state, machine.deadline))

    def test_abort_collision(self) -> None:
        """On the Call Abort of the other end, the first timer gives way to the second (3.1.2.1, 3.3.5.2.4)."""
        machine = machine_in(S.CALL_ABORT_PENDING)
        play(machine, ABORT, now=2.0)
        self.assertEqual(3.0, machine.deadline)

    def test_disconnect_collision(self) -> None:
        """Call Disconnect of both ends at once: it is acknowledged, and the second timer runs (3.3.5.2.5)."""
        machine = machine_in(S.CALL_DISCONNECT_ACK_PENDING)
        self.assertEqual([Send(DISCONNECT_ACK)], play(machine, DISCONNECT, now=2.0))
        self.assertEqual(3.0, machine.deadline)

    def test_hello(self) -> None:
        """60 s without a packet: Echo Request; another 60 s: dropped, without Call Abort (3.1.2.3, 3.1.6.3)."""
        machine = machine_in(S.SERVER_CALL_CONNECTED)
        self.assertEqual([Send(ECHO)], machine.expired(60.0))
        self.assertEqual(120.0, machine.deadline)
        self.assertEqual([STOP, DROP], machine.expired(120.0))
        self.assertEqual(S.SERVER_CALL_DISCONNECTED, machine.state)

    def test_heard(self) -> None:
        """Any packet received, of control or data, starts the Hello timer again (3.1.2.3, 3.3.5.2.7, 3.3.5.2.8)."""
        for word in (ECHO, ECHOED, None):
            machine = machine_in(S.SERVER_CALL_CONNECTED)
            for now in (60.0, 130.0):
                self.assertEqual([Send(ECHO)], machine.expired(now))
                if word:
                    machine.received(word, now + 10.0)
                else:
                    machine.heard(now + 10.0)
                self.assertEqual(now + 70.0, machine.deadline)

    def test_heard_elsewhere(self) -> None:
        """No other timer starts again with a packet received (3.3.2.1)."""
        machine = machine_in(S.SERVER_CALL_CONNECTED_PENDING)
        machine.heard(30.0)
        play(machine, CONNECTED, now=30.0)
        self.assertEqual(60.0, machine.deadline)
