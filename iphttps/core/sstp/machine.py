"""The common part of the state machines of client and server ([MS-SSTP] 3.1): states, timers, abort and disconnect.

Each side's table has a row for each event and a column for each state of its own. The four columns in which a call is
aborted or disconnected are the same on both sides; `ending` returns them. The four states named
Call_Abort_In_Progress_1 and _2, Call_Disconnect_In_Progress_1 and _2 are in no table: the specification enters and
leaves each of them in one step.

Two rules are in no table. When a machine leaves the two states in which PPP runs, PPP's lower layer goes down
(3.1.7.1). Each state has at most one timer, which starts when the state is entered (3.1.2, 3.2.2.1, 3.3.2.1). Two
timers restart: the Hello timer with each packet received (3.1.2.3), and the client's negotiation timer with each NAK
(3.2.5.3.3).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from .attributes import (
    NO_ERROR,
    NO_FRAME,
    AttributeID,
    Message,
    Status,
    StatusInfo,
    check_bare,
    peer_status,
    read,
)
from .packet import MessageType, message
from .states import CONNECTED, ENDING_STATES, HELLO, PPP_RUNS, RUNNING, TIMERS, Event, State

_S, _E = State, Event

_IGNORED = (
    *(_E.ECHO_REQUEST, _E.ECHO_RESPONSE, _E.UNACCEPTABLE, _E.INVALID),
    *(_E.REQUEST, _E.REQUEST_REFUSED, _E.CONNECTED, _E.CONNECTED_REFUSED, _E.ACK, _E.ACK_REFUSED, _E.NAK),
    *(_E.HLAK, _E.AUTHENTICATED, _E.DISCONNECT_TUNNEL),
)
"""The events that are ignored while a call ends."""


class Action(Enum):
    """The commands that need no value."""

    START_PPP = auto()  # 3.1.7.1: Lower Link Up
    STOP_PPP = auto()  # Lower Link Down
    SEND_CONNECTED = auto()  # 3.2.7.1: the client's Call Connected; the owner computes it
    PASS_DATA = auto()  # 3.2.7.1, 3.3.5.2.3: from now on PPP data frames pass
    DROP = auto()  # close the HTTPS connection, after everything sent before


@dataclass(frozen=True, slots=True)
class Send:
    """Send a control packet."""

    packet: bytes


@dataclass(frozen=True, slots=True)
class VerifyBinding:
    """Verify the binding in this Call Connected, 112 bytes; VERIFIED or NOT_VERIFIED is the answer (3.3.5.2.3)."""

    packet: bytes


Command = Action | Send | VerifyBinding


class Step(Enum):
    """The steps that need a value from outside the table."""

    ABORT = auto()  # send Call Abort with the fault of the message
    ACK = auto()  # the server's: send Call Connect ACK with the nonce
    NAK = auto()  # the server's: send Call Connect NAK with the faults of the request
    VERIFY = auto()  # the server's: once it has received Call Connected and knows the HLAK
    RETRY = auto()  # the client's: send Call Connect Request again, and start the negotiation timer again


Steps = tuple[Action | Send | StatusInfo | Step, ...]
"""A StatusInfo is sent in a Call Abort."""

Cell = tuple[State | None, Steps] | None
"""The new state, None for no change, and the steps. A cell is None if the event is impossible in the state."""

Transitions = dict[tuple[State, Event], tuple[State, Steps]]

IMPOSSIBLE: Cell = None
IGNORE: Cell = (None, ())
WRONG_STATE: Cell = (
    _S.CALL_ABORT_PENDING,
    (StatusInfo(AttributeID.NO_ERROR, Status.UNACCEPTED_FRAME_RECEIVED),),
)
FAULT: Cell = (_S.CALL_ABORT_PENDING, (Step.ABORT,))
OVER: Cell = (_S.CALL_ABORT_PENDING, (StatusInfo(AttributeID.STATUS_INFO, Status.RETRY_COUNT_EXCEEDED),))
LATE: Cell = (_S.CALL_ABORT_PENDING, (StatusInfo(AttributeID.NO_ERROR, Status.NEGOTIATION_TIMEOUT),))
ABORTED: Cell = (_S.CALL_ABORT_TIMEOUT_PENDING, (Send(message(MessageType.CALL_ABORT, NO_ERROR.build())),))
LEAVE: Cell = (
    _S.CALL_DISCONNECT_ACK_PENDING,
    (Send(message(MessageType.CALL_DISCONNECT, NO_ERROR.build())),),
)
LEFT: Cell = (_S.CALL_DISCONNECT_TIMEOUT_PENDING, (Send(message(MessageType.CALL_DISCONNECT_ACK)),))
REPLY: Cell = (None, (Send(message(MessageType.ECHO_RESPONSE)),))
ASK: Cell = (None, (Send(message(MessageType.ECHO_REQUEST)),))


def drop(disconnected: State) -> Cell:
    """Return the cell that closes the connection; `disconnected` is the side's first state."""
    return disconnected, (Action.DROP,)


def ending(disconnected: State) -> dict[Event, tuple[Cell, Cell, Cell, Cell]]:
    """Return the columns of the states that end a call; `disconnected` is the first and the last state of the side."""
    _no, _drop, _gone = IGNORE, drop(disconnected), (disconnected, ())
    _wait: Cell = (_S.CALL_ABORT_TIMEOUT_PENDING, ())
    # fmt: off
    table: dict[Event, tuple[Cell, Cell, Cell, Cell]] = {
        #                  Call_Abort_  Call_Abort_      Call_Disconnect_  Call_Disconnect_
        #                  Pending      Timeout_Pending  Ack_Pending       Timeout_Pending
        _E.ABORT:          (_wait,      _no,             ABORTED,          _no),  # 3.1.2.1
        _E.DISCONNECT:     (_no,        _no,             LEFT,             _no),  # 3.1.1
        _E.DISCONNECT_ACK: (_no,        _no,             _drop,            _no),  # 3.1.2.2
        _E.UNDELINEABLE:   (_drop,      _drop,           _drop,            _drop),  # 3.1.5.1
        _E.EXPIRED:        (_drop,      _drop,           _drop,            _drop),  # 3.1.6
        _E.LOST:           (_gone,      _gone,           _gone,            _gone),  # 3.1.7.2
    }
    # fmt: on
    return table | dict.fromkeys(_IGNORED, (_no, _no, _no, _no))


def transitions(states: Sequence[State], table: Mapping[Event, Sequence[Cell]]) -> Transitions:
    """Return the transitions of a side with these states, in the order of the table's columns."""
    nothing = (None,) * len(ENDING_STATES)
    ends = ending(states[0])
    return {
        (before, event): (cell[0] or before, cell[1])
        for event, row in table.items()
        for before, cell in zip((*states, *ENDING_STATES), (*row, *ends.get(event, nothing)), strict=True)
        if cell
    }


_COMMON = {
    MessageType.CALL_ABORT: _E.ABORT,
    MessageType.CALL_DISCONNECT: _E.DISCONNECT,
    MessageType.CALL_DISCONNECT_ACK: _E.DISCONNECT_ACK,
    MessageType.ECHO_REQUEST: _E.ECHO_REQUEST,
    MessageType.ECHO_RESPONSE: _E.ECHO_RESPONSE,
}
"""The messages that both sides send."""
_ENDS = (_E.ABORT, _E.DISCONNECT)


class Machine(ABC):
    """The state of one connection, and the statuses of its end.

    `transitions` is the whole table of the side, `disconnected` its first state. `deadline` is the time to call
    `expired`, None if no timer runs. Earlier calls of `expired` do nothing, so that the owner need not set a new timer
    for each packet that moves the deadline of the Hello timer. `sent_status` is the status in this side's Call Abort,
    `received_status` the one in the peer's Call Abort or Call Disconnect.
    """

    def __init__(self, transitions: Transitions, disconnected: State) -> None:
        self.state = disconnected
        self.deadline: float | None = None
        self.sent_status: StatusInfo | None = None
        self.received_status: StatusInfo | None = None
        self._transitions = transitions
        self._faults: tuple[StatusInfo, ...] = ()
        self._asked = False

    @property
    def runs(self) -> bool:
        """True if the call has started and is not ending."""
        return self.state in RUNNING

    @property
    def control_passes(self) -> bool:
        """True if PPP control frames pass, both ways (3.2.7.1, 3.2.7.2, 3.3.7.1, 3.3.7.2)."""
        return self.state in PPP_RUNS

    @property
    def data_passes(self) -> bool:
        """True if PPP data frames pass, both ways (3.2.7.1, 3.2.7.2, 3.3.5.2.3, 3.3.7.1, 3.3.7.2)."""
        return self.state in CONNECTED

    def heard(self, now: float) -> None:
        """Note that a data or control packet was received: restart the Hello timer (3.1.2.3)."""
        if self.data_passes:
            self.deadline = now + HELLO
            self._asked = False

    def received(self, packet: bytes, now: float) -> list[Command]:
        """Process a whole control packet; return the commands to perform, in order."""
        self.heard(now)
        found = read(packet)
        event = self._event(found, packet)
        if event in _ENDS:
            self.received_status = self.received_status or peer_status(found)
        return self.handle(event, now)

    def _event(self, found: Message, packet: bytes) -> Event:
        """Return the event for a message; keep its faults in `_faults`."""
        kind = found.kind
        event = None if kind is None else _COMMON.get(kind)
        # A Call Abort or Call Disconnect ends the call, and gets the same answer, even if its attributes are invalid.
        if kind is None or (found.fault == NO_FRAME and event not in _ENDS):
            self._faults = (NO_FRAME,)
            return _E.INVALID
        if event is None:
            return self._one_sided(found, packet)
        if event not in _ENDS and (refusal := check_bare(found)):
            self._faults = (refusal,)
            return _E.INVALID
        return event

    @abstractmethod
    def _one_sided(self, found: Message, packet: bytes) -> Event:
        """Return the event for a message that only one side sends."""

    def expired(self, now: float) -> list[Command]:
        """Process the expiry of the state's timer if it is due; return the commands to perform."""
        if self.deadline is None or now < self.deadline:
            return []
        commands = self.handle(_E.UNANSWERED if self._asked else _E.EXPIRED, now)
        if self.data_passes:
            self._asked = True
            self.deadline = now + HELLO
        return commands

    def handle(self, event: Event, now: float) -> list[Command]:
        """Process an event other than a message at the time `now`, in seconds; return the commands to perform in order.

        Raises:
            KeyError: The table has no such event in this state, which is a bug of the caller.
        """
        before = self.state
        self.state, steps = self._transitions[before, event]
        commands: list[Command] = []
        if self.state is not before or Step.RETRY in steps:
            timer = TIMERS.get(self.state)
            self.deadline = None if timer is None else now + timer
            self._asked = False
            if before in PPP_RUNS and self.state not in PPP_RUNS:
                commands.append(Action.STOP_PPP)
        for step in steps:
            commands += self._perform(step)
        return commands

    def _perform(self, step: Action | Send | StatusInfo | Step) -> list[Command]:
        match step:
            case StatusInfo():
                self.sent_status = step
                return [Send(message(MessageType.CALL_ABORT, step.build()))]
            case Step.ABORT:
                return self._perform(self._faults[0])
            case Step():
                return self._take(step)
            case _:
                return [step]

    @abstractmethod
    def _take(self, step: Step) -> list[Command]:
        """Perform a step of one side."""
