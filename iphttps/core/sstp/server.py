"""The server's state machine ([MS-SSTP] 3.3.1): messages, timers and the word of PPP in, commands out.

The machine is the table `_TABLE`, a row for each event and a column for each state of the server's own, with the
columns of the states that end a call from `machine.py`.

A client may send Call Connected before the server knows the HLAK: it does so while a RADIUS server takes its time, and
some do not wait for the end of authentication. The message is held until then.
"""

from __future__ import annotations

from .attributes import (
    AttributeID,
    CryptoBindingRequest,
    HashProtocol,
    Message,
    Status,
    StatusInfo,
    check_connected,
    check_request,
)
from .machine import (
    ABORTED,
    ASK,
    FAULT,
    IGNORE,
    IMPOSSIBLE,
    LATE,
    LEAVE,
    LEFT,
    OVER,
    REPLY,
    WRONG_STATE,
    Action,
    Cell,
    Command,
    Machine,
    Send,
    Step,
    VerifyBinding,
    drop,
    transitions,
)
from .packet import MessageType, message
from .states import Event, State

__all__ = ["MAXIMUM_NAKS", "SERVER_STATES", "TRANSITIONS", "ServerMachine"]

MAXIMUM_NAKS = 3
"""How many unacceptable requests get a NAK; one more is answered by Call Abort (3.3.5.2.2, note 16)."""

_S, _E = State, Event

SERVER_STATES = (
    _S.SERVER_CALL_DISCONNECTED,
    _S.SERVER_CONNECT_REQUEST_PENDING,
    _S.SERVER_CALL_CONNECTED_PENDING,
    _S.SERVER_CALL_CONNECTED,
)
"""The states of 3.3.1, in the order of their columns."""

__ = IMPOSSIBLE
_no = IGNORE
_new: Cell = (_S.SERVER_CONNECT_REQUEST_PENDING, ())
_ack: Cell = (_S.SERVER_CALL_CONNECTED_PENDING, (Step.ACK, Action.START_PPP))
_nak: Cell = (None, (Step.NAK,))
_check: Cell = (None, (Step.VERIFY,))
_open: Cell = (_S.SERVER_CALL_CONNECTED, (Action.PASS_DATA,))
_wrong: Cell = (_S.CALL_ABORT_PENDING, (StatusInfo(AttributeID.CRYPTO_BINDING, Status.VALUE_NOT_SUPPORTED),))
_over, _state, _fault, _late = OVER, WRONG_STATE, FAULT, LATE
_abort, _leave, _left, _reply, _hello = ABORTED, LEAVE, LEFT, REPLY, ASK
_drop: Cell = drop(_S.SERVER_CALL_DISCONNECTED)
_gone: Cell = (_S.SERVER_CALL_DISCONNECTED, ())

# fmt: off
_TABLE: dict[Event, tuple[Cell, Cell, Cell, Cell]] = {
    # Server_...            Call_         Connect_  Call_      Call_
    #                       Disconnected  Request_  Connected_ Connected
    #                                     Pending   Pending
    _E.NEW_CONNECTION:      (_new,         __,       __,        __),  # 3.3.7.2
    _E.REQUEST:             (_no,          _ack,     _state,    _state),  # 3.3.5.2.2
    _E.REQUEST_REFUSED:     (_no,          _nak,     _state,    _state),  # 3.3.5.2.2
    _E.RETRIES_EXCEEDED:    (__,           _over,    __,        __),  # 3.3.5.2.2
    _E.CONNECTED:           (_no,          _state,   _check,    _state),  # 3.3.5.2.3
    _E.CONNECTED_REFUSED:   (_no,          _state,   _fault,    _state),  # 3.3.5.2.3
    _E.ABORT:               (_no,          _abort,   _abort,    _abort),  # 3.3.5.2.4
    _E.DISCONNECT:          (_no,          _left,    _left,     _left),  # 3.3.5.2.5
    _E.DISCONNECT_ACK:      (_no,          _state,   _state,    _state),  # 3.3.5.2.6
    _E.ECHO_REQUEST:        (_no,          _state,   _state,    _reply),  # 3.3.5.2.7
    _E.ECHO_RESPONSE:       (_no,          _state,   _state,    _no),  # 3.3.5.2.8
    _E.UNACCEPTABLE:        (_no,          _state,   _state,    _state),  # 2.2.8
    _E.INVALID:             (_no,          _fault,   _fault,    _fault),  # 3.3.5.2.1
    _E.UNDELINEABLE:        (_no,          _drop,    _drop,     _drop),  # 3.1.5.1
    _E.HLAK:                (_no,          __,       _check,    _no),  # 3.3.7.1
    _E.VERIFIED:            (__,           __,       _open,     __),  # 3.3.5.2.3
    _E.NOT_VERIFIED:        (__,           __,       _wrong,    __),  # 3.3.5.2.3
    _E.DISCONNECT_TUNNEL:   (_no,          _leave,   _leave,    _leave),  # 3.3.4, 3.3.7.1
    _E.EXPIRED:             (__,           _late,    _late,     _hello),  # 3.3.2.1, 3.3.6
    _E.UNANSWERED:          (__,           __,       __,        _drop),  # 3.1.2.3
    _E.LOST:                (_no,          _gone,    _gone,     _gone),  # 3.1.7.2
}
# fmt: on

TRANSITIONS = transitions(SERVER_STATES, _TABLE)


class ServerMachine(Machine):
    """The state of one connection on the server.

    `nonce` is 32 random bytes, new for each connection; `hashes` are the bits of the hash protocols that the client may
    use.
    """

    def __init__(self, nonce: bytes, hashes: int = HashProtocol.SHA1 | HashProtocol.SHA256) -> None:
        super().__init__(TRANSITIONS, _S.SERVER_CALL_DISCONNECTED)
        self._ack = message(MessageType.CALL_CONNECT_ACK, CryptoBindingRequest(hashes, nonce).build())
        self._naks = 0
        self._connected = b""
        self._authenticated = False

    def _one_sided(self, found: Message, packet: bytes) -> Event:
        match found.kind:
            case MessageType.CALL_CONNECT_REQUEST:
                self._faults = check_request(found)
                if not self._faults:
                    return _E.REQUEST
                exceeded = self.state is _S.SERVER_CONNECT_REQUEST_PENDING and self._naks == MAXIMUM_NAKS
                return _E.RETRIES_EXCEEDED if exceeded else _E.REQUEST_REFUSED
            case MessageType.CALL_CONNECTED:
                if refusal := check_connected(found):
                    self._faults = (refusal,)
                    return _E.CONNECTED_REFUSED
                if self._connected:
                    return _E.UNACCEPTABLE
                if self.state is _S.SERVER_CALL_CONNECTED_PENDING:
                    self._connected = packet
                return _E.CONNECTED
        return _E.UNACCEPTABLE

    def handle(self, event: Event, now: float) -> list[Command]:
        """Process an event that is no message, at the time `now` in seconds; return the commands to perform, in order.

        Raises:
            KeyError: The table has no such event in this state, which is a bug of the caller.
        """
        self._authenticated |= event is _E.HLAK
        return super().handle(event, now)

    def _take(self, step: Step) -> list[Command]:
        match step:
            case Step.ACK:
                return [Send(self._ack)]
            case Step.NAK:
                self._naks += 1
                return [Send(message(MessageType.CALL_CONNECT_NAK, *(each.build() for each in self._faults)))]
            case _:
                return [VerifyBinding(self._connected)] if self._connected and self._authenticated else []
