"""The server's state machine ([MS-SSTP] 3.1.1, 3.3.1): from messages, timers and PPP events to commands.

The whole machine is the table `TRANSITIONS`: a row for each event, a column for each state. The four states named
Call_Abort_In_Progress_1 and _2, Call_Disconnect_In_Progress_1 and _2 are not in it: the specification leaves each of
them within the step that enters it.

Two rules are not in the table. PPP's lower layer goes down whenever the machine leaves the two states in which PPP runs
(3.1.7.1). Each state has at most one timer, which starts on entry (3.1.2, 3.3.2.1); only the Hello timer restarts with
each received packet (3.1.2.3).

A client may send Call Connected before the server knows the HLAK: while a RADIUS server is slow to answer, or because
the client does not wait for the end of authentication. The message is held until then.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from .attributes import (
    NO_ERROR,
    NO_FRAME,
    AttributeID,
    CryptoBindingRequest,
    HashProtocol,
    Message,
    Status,
    StatusInfo,
    check_bare,
    check_connected,
    check_request,
    peer_status,
    read,
)
from .packet import MessageType, message

NEGOTIATION = 60.0  # seconds; 3.3.2.1
HELLO = 60.0  # 3.1.2.3
ABORT_1 = 3.0  # 3.1.2.1: TIMER_VAL_ABORT_STATE_TIMER_1
ABORT_2 = 1.0
DISCONNECT_1 = 5.0  # 3.1.2.2: TIMER_VAL_DISCONNECT_STATE_TIMER_1
DISCONNECT_2 = 1.0

MAXIMUM_NAKS = 3
"""Maximum number of NAKs; the next unacceptable request is answered by Call Abort (3.3.5.2.2, note 16)."""


class ServerState(Enum):
    """The states of 3.3.1 and 3.1.1."""

    SERVER_CALL_DISCONNECTED = auto()
    SERVER_CONNECT_REQUEST_PENDING = auto()
    SERVER_CALL_CONNECTED_PENDING = auto()
    SERVER_CALL_CONNECTED = auto()
    CALL_ABORT_PENDING = auto()
    CALL_ABORT_TIMEOUT_PENDING = auto()
    CALL_DISCONNECT_ACK_PENDING = auto()
    CALL_DISCONNECT_TIMEOUT_PENDING = auto()


class ServerEvent(Enum):
    """The events of the server's state machine; `ServerMachine.received` turns a message into one of the first ten."""

    REQUEST = auto()  # 3.3.5.2.2: an acceptable Call Connect Request
    REQUEST_REFUSED = auto()  # 3.3.5.2.2: an unacceptable Call Connect Request
    RETRIES_EXCEEDED = auto()  # an unacceptable Call Connect Request after MAXIMUM_NAKS NAKs
    CONNECTED = auto()  # 3.3.5.2.3: a Call Connected with a Crypto Binding
    CONNECTED_REFUSED = auto()  # 3.3.5.2.3: a Call Connected with other attributes
    ABORT = auto()  # 3.3.5.2.4
    DISCONNECT = auto()  # 3.3.5.2.5
    DISCONNECT_ACK = auto()  # 3.3.5.2.6
    ECHO_REQUEST = auto()  # 3.3.5.2.7
    ECHO_RESPONSE = auto()  # 3.3.5.2.8
    UNACCEPTABLE = auto()  # a message that only a server sends, or a second Call Connected
    INVALID = auto()  # 3.3.5.2.1: a message that violates the syntax
    UNDELINEABLE = auto()  # 3.1.5.1: the stream cannot be delineated
    NEW_CONNECTION = auto()  # 3.3.7.2: the HTTPS connection is established and the request answered
    LOST = auto()  # 3.1.7.2: the HTTPS connection is lost
    HLAK = auto()  # 3.3.7.1: PPP authentication is complete and the HLAK known
    VERIFIED = auto()  # 3.3.5.2.3: the crypto binding is valid
    NOT_VERIFIED = auto()  # 3.3.5.2.3: nonce, certificate hash, hash protocol or compound MAC is invalid
    DISCONNECT_TUNNEL = auto()  # 3.3.4, 3.3.7.1: by the administrator, or after failed authentication
    EXPIRED = auto()  # 3.1.6, 3.3.6: the timer of the state has expired
    UNANSWERED = auto()  # 3.1.2.3: the Hello timer has expired again, after an unanswered Echo Request


class Action(Enum):
    """The commands without a value."""

    START_PPP = auto()  # 3.1.7.1: Lower Link Up
    STOP_PPP = auto()  # Lower Link Down
    PASS_DATA = auto()  # 3.3.5.2.3: from now on PPP data frames pass
    DROP = auto()  # close the HTTPS connection, after the data already written


@dataclass(frozen=True, slots=True)
class Send:
    """Send a control packet."""

    packet: bytes


@dataclass(frozen=True, slots=True)
class VerifyBinding:
    """Verify the binding in this Call Connected, 112 bytes; the result is VERIFIED or NOT_VERIFIED (3.3.5.2.3)."""

    packet: bytes


Command = Action | Send | VerifyBinding


class _Step(Enum):
    """The steps that need a value from outside the table."""

    ACK = auto()  # send Call Connect ACK with the nonce
    NAK = auto()  # send Call Connect NAK with the faults of the request
    ABORT = auto()  # send Call Abort with the fault of the message
    VERIFY = auto()  # verify the binding once both the Call Connected and the HLAK have arrived


Steps = tuple[Action | Send | StatusInfo | _Step, ...]
"""A StatusInfo is sent in a Call Abort."""

Cell = tuple[ServerState | None, Steps] | None
"""The new state, None if it does not change, and the steps; the cell is None if the event cannot occur in the state."""

_S, _E = ServerState, ServerEvent
_ABORT, _ABORT_TIMEOUT = _S.CALL_ABORT_PENDING, _S.CALL_ABORT_TIMEOUT_PENDING
_DISCONNECT_ACK, _DISCONNECT_TIMEOUT = _S.CALL_DISCONNECT_ACK_PENDING, _S.CALL_DISCONNECT_TIMEOUT_PENDING
_ANSWER_ABORT: Final = Send(message(MessageType.CALL_ABORT, NO_ERROR.build()))

__: Cell = None
_no: Cell = (None, ())  # ignore
_new: Cell = (_S.SERVER_CONNECT_REQUEST_PENDING, ())
_ack: Cell = (_S.SERVER_CALL_CONNECTED_PENDING, (_Step.ACK, Action.START_PPP))
_nak: Cell = (None, (_Step.NAK,))
_over: Cell = (_ABORT, (StatusInfo(AttributeID.STATUS_INFO, Status.RETRY_COUNT_EXCEEDED),))
_check: Cell = (None, (_Step.VERIFY,))
_open: Cell = (_S.SERVER_CALL_CONNECTED, (Action.PASS_DATA,))
_wrong: Cell = (_ABORT, (StatusInfo(AttributeID.CRYPTO_BINDING, Status.VALUE_NOT_SUPPORTED),))
_state: Cell = (_ABORT, (StatusInfo(AttributeID.NO_ERROR, Status.UNACCEPTED_FRAME_RECEIVED),))
_fault: Cell = (_ABORT, (_Step.ABORT,))
_late: Cell = (_ABORT, (StatusInfo(AttributeID.NO_ERROR, Status.NEGOTIATION_TIMEOUT),))
_abort: Cell = (_ABORT_TIMEOUT, (_ANSWER_ABORT,))
_wait: Cell = (_ABORT_TIMEOUT, ())
_leave: Cell = (_DISCONNECT_ACK, (Send(message(MessageType.CALL_DISCONNECT, NO_ERROR.build())),))
_left: Cell = (_DISCONNECT_TIMEOUT, (Send(message(MessageType.CALL_DISCONNECT_ACK)),))
_reply: Cell = (None, (Send(message(MessageType.ECHO_RESPONSE)),))
_hello: Cell = (None, (Send(message(MessageType.ECHO_REQUEST)),))
_drop: Cell = (_S.SERVER_CALL_DISCONNECTED, (Action.DROP,))
_gone: Cell = (_S.SERVER_CALL_DISCONNECTED, ())

# fmt: off
_TABLE: dict[ServerEvent, tuple[Cell, Cell, Cell, Cell, Cell, Cell, Cell, Cell]] = {
    # Server_...            Call_    Connect_ Call_    Call_    Call_    Call_    Call_       Call_
    #                       Discon-  Request_ Connect- Connect- Abort_   Abort_   Disconnect_ Disconnect_
    #                       nected   Pending  ed_Pend. ed       Pending  Timeout_ Ack_Pending Timeout_
    _E.NEW_CONNECTION:      (_new,    __,      __,      __,      __,      __,      __,         __),
    _E.REQUEST:             (_no,     _ack,    _state,  _state,  _no,     _no,     _no,        _no),
    _E.REQUEST_REFUSED:     (_no,     _nak,    _state,  _state,  _no,     _no,     _no,        _no),
    _E.RETRIES_EXCEEDED:    (__,      _over,   __,      __,      __,      __,      __,         __),
    _E.CONNECTED:           (_no,     _state,  _check,  _state,  _no,     _no,     _no,        _no),
    _E.CONNECTED_REFUSED:   (_no,     _state,  _fault,  _state,  _no,     _no,     _no,        _no),
    _E.ABORT:               (_no,     _abort,  _abort,  _abort,  _wait,   _no,     _abort,     _no),
    _E.DISCONNECT:          (_no,     _left,   _left,   _left,   _no,     _no,     _left,      _no),
    _E.DISCONNECT_ACK:      (_no,     _state,  _state,  _state,  _no,     _no,     _drop,      _no),
    _E.ECHO_REQUEST:        (_no,     _state,  _state,  _reply,  _no,     _no,     _no,        _no),
    _E.ECHO_RESPONSE:       (_no,     _state,  _state,  _no,     _no,     _no,     _no,        _no),
    _E.UNACCEPTABLE:        (_no,     _state,  _state,  _state,  _no,     _no,     _no,        _no),
    _E.INVALID:             (_no,     _fault,  _fault,  _fault,  _no,     _no,     _no,        _no),
    _E.UNDELINEABLE:        (_no,     _drop,   _drop,   _drop,   _drop,   _drop,   _drop,      _drop),
    _E.HLAK:                (_no,     __,      _check,  _no,     _no,     _no,     _no,        _no),
    _E.VERIFIED:            (__,      __,      _open,   __,      __,      __,      __,         __),
    _E.NOT_VERIFIED:        (__,      __,      _wrong,  __,      __,      __,      __,         __),
    _E.DISCONNECT_TUNNEL:   (_no,     _leave,  _leave,  _leave,  _no,     _no,     _no,        _no),
    _E.EXPIRED:             (__,      _late,   _late,   _hello,  _drop,   _drop,   _drop,      _drop),
    _E.UNANSWERED:          (__,      __,      __,      _drop,   __,      __,      __,         __),
    _E.LOST:                (_no,     _gone,   _gone,   _gone,   _gone,   _gone,   _gone,      _gone),
}
# fmt: on

TRANSITIONS: dict[tuple[ServerState, ServerEvent], tuple[ServerState, Steps]] = {
    (before, event): (cell[0] or before, cell[1])
    for event, row in _TABLE.items()
    for before, cell in zip(ServerState, row, strict=True)
    if cell
}

TIMERS = {
    _S.SERVER_CONNECT_REQUEST_PENDING: NEGOTIATION,
    _S.SERVER_CALL_CONNECTED_PENDING: NEGOTIATION,
    _S.SERVER_CALL_CONNECTED: HELLO,
    _S.CALL_ABORT_PENDING: ABORT_1,
    _S.CALL_ABORT_TIMEOUT_PENDING: ABORT_2,
    _S.CALL_DISCONNECT_ACK_PENDING: DISCONNECT_1,
    _S.CALL_DISCONNECT_TIMEOUT_PENDING: DISCONNECT_2,
}
"""The timer of each state, in seconds."""

_PPP_RUNS = (_S.SERVER_CALL_CONNECTED_PENDING, _S.SERVER_CALL_CONNECTED)

_EVENTS = {
    MessageType.CALL_CONNECT_ACK: _E.UNACCEPTABLE,
    MessageType.CALL_CONNECT_NAK: _E.UNACCEPTABLE,
    MessageType.CALL_ABORT: _E.ABORT,
    MessageType.CALL_DISCONNECT: _E.DISCONNECT,
    MessageType.CALL_DISCONNECT_ACK: _E.DISCONNECT_ACK,
    MessageType.ECHO_REQUEST: _E.ECHO_REQUEST,
    MessageType.ECHO_RESPONSE: _E.ECHO_RESPONSE,
}


class ServerMachine:
    """The state of one connection, and the status messages that ended it.

    `nonce` is 32 random bytes, new for each connection; `hashes` are the bits of the hash protocols that the client may
    use. `deadline` is the time to call `expired`, None for never. An earlier call has no effect, so that the owner need
    not reset its timer when a packet moves the deadline of the Hello timer. `sent_status` is the status in the server's
    Call Abort, `received_status` that in the client's Call Abort or Call Disconnect.
    """

    def __init__(self, nonce: bytes, hashes: int = HashProtocol.SHA1 | HashProtocol.SHA256) -> None:
        self.state = ServerState.SERVER_CALL_DISCONNECTED
        self.deadline: float | None = None
        self.sent_status: StatusInfo | None = None
        self.received_status: StatusInfo | None = None
        self._ack = message(MessageType.CALL_CONNECT_ACK, CryptoBindingRequest(hashes, nonce).build())
        self._faults: tuple[StatusInfo, ...] = ()
        self._naks = 0
        self._connected = b""
        self._authenticated = False
        self._asked = False

    @property
    def control_passes(self) -> bool:
        """True if PPP control frames pass, both ways (3.3.7.1, 3.3.7.2)."""
        return self.state in _PPP_RUNS

    @property
    def data_passes(self) -> bool:
        """True if PPP data frames pass, both ways (3.3.5.2.3, 3.3.7.1, 3.3.7.2)."""
        return self.state is ServerState.SERVER_CALL_CONNECTED

    def heard(self, now: float) -> None:
        """Restart the Hello timer, after any packet received (3.1.2.3)."""
        if self.data_passes:
            self.deadline = now + HELLO
            self._asked = False

    def received(self, packet: bytes, now: float) -> list[Command]:
        """Process a whole control packet; return the commands to perform, in order."""
        self.heard(now)
        found = read(packet)
        event = self._event(found)
        if event is _E.CONNECTED and self.state is _S.SERVER_CALL_CONNECTED_PENDING:
            self._connected = packet
        if event in (_E.ABORT, _E.DISCONNECT):
            self.received_status = self.received_status or peer_status(found)
        return self.handle(event, now)

    def _event(self, found: Message) -> ServerEvent:
        """Return the event of a message, and keep its faults in `_faults`."""
        kind = found.kind
        # A Call Abort or a Call Disconnect ends the call, with the same answer, even if it is malformed.
        ends = kind in (MessageType.CALL_ABORT, MessageType.CALL_DISCONNECT)
        if kind is None or (found.fault == NO_FRAME and not ends):
            self._faults = (NO_FRAME,)
            return _E.INVALID
        if kind is MessageType.CALL_CONNECT_REQUEST:
            self._faults = check_request(found)
            if not self._faults:
                return _E.REQUEST
            exceeded = self.state is _S.SERVER_CONNECT_REQUEST_PENDING and self._naks == MAXIMUM_NAKS
            return _E.RETRIES_EXCEEDED if exceeded else _E.REQUEST_REFUSED
        if kind is MessageType.CALL_CONNECTED:
            refusal = check_connected(found)
            self._faults = (refusal,) if refusal else ()
            if refusal:
                return _E.CONNECTED_REFUSED
            return _E.UNACCEPTABLE if self._connected else _E.CONNECTED
        event = _EVENTS[kind]
        if event in (_E.DISCONNECT_ACK, _E.ECHO_REQUEST, _E.ECHO_RESPONSE) and (refusal := check_bare(found)):
            self._faults = (refusal,)
            return _E.INVALID
        return event

    def expired(self, now: float) -> list[Command]:
        """Process the expiry of the state's timer, if it is due; return the commands to perform."""
        if self.deadline is None or now < self.deadline:
            return []
        commands = self.handle(_E.UNANSWERED if self._asked else _E.EXPIRED, now)
        if self.data_passes:
            self._asked = True
            self.deadline = now + HELLO
        return commands

    def handle(self, event: ServerEvent, now: float) -> list[Command]:
        """Process an event other than a message, at the time `now` in seconds; return the commands, in order.

        Raises:
            KeyError: The table has no such event in this state, which is a bug of the caller.
        """
        before = self.state
        self.state, steps = TRANSITIONS[before, event]
        commands: list[Command] = []
        if self.state is not before:
            timer = TIMERS.get(self.state)
            self.deadline = None if timer is None else now + timer
            self._asked = False
            if before in _PPP_RUNS and self.state not in _PPP_RUNS:
                commands.append(Action.STOP_PPP)
        self._authenticated |= event is _E.HLAK
        for step in steps:
            commands += self._perform(step)
        return commands

    def _perform(self, step: Action | Send | StatusInfo | _Step) -> list[Command]:
        match step:
            case StatusInfo():
                self.sent_status = step
                return [Send(message(MessageType.CALL_ABORT, step.build()))]
            case _Step.ACK:
                return [Send(self._ack)]
            case _Step.NAK:
                self._naks += 1
                return [Send(message(MessageType.CALL_CONNECT_NAK, *(each.build() for each in self._faults)))]
            case _Step.ABORT:
                return self._perform(self._faults[0])
            case _Step.VERIFY:
                return [VerifyBinding(self._connected)] if self._connected and self._authenticated else []
            case _:
                return [step]
