"""The client's state machine ([MS-SSTP] 3.2.1): its input is messages, timers and PPP's results, its output commands.

The machine is the table `_TABLE`, a row for each event and a column for each state of the client's own, with the
columns of the states that end a call from `machine.py`.

One row deviates from the specification. By 3.2.5.3.7 the client answers an Echo Request in Client_Call_Connected only,
and aborts the call in any other state. Some servers send one every few seconds from the start of the call, so this
client answers it in each state of a call.
"""

from __future__ import annotations

from .attributes import (
    CryptoBindingRequest,
    HashProtocol,
    Message,
    StatusInfo,
    check_ack,
    encapsulated_protocol,
    peer_status,
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
    drop,
    transitions,
)
from .packet import MessageType, message
from .states import Event, State

__all__ = ["CLIENT_STATES", "MAXIMUM_RETRIES", "TRANSITIONS", "ClientMachine"]

MAXIMUM_RETRIES = 3
"""Maximum NAKs that the client answers by another request; the next gets a Call Abort (3.2.5.3.3, note 10)."""

_S, _E = State, Event

CLIENT_STATES = (
    _S.CLIENT_CALL_DISCONNECTED,
    _S.CLIENT_CONNECT_REQUEST_SENT,
    _S.CLIENT_CONNECT_ACK_RECEIVED,
    _S.CLIENT_CALL_CONNECTED,
)
"""The states of 3.2.1, in the order of their columns."""

_REQUEST = Send(message(MessageType.CALL_CONNECT_REQUEST, encapsulated_protocol()))

__ = IMPOSSIBLE
_no = IGNORE
_ask: Cell = (_S.CLIENT_CONNECT_REQUEST_SENT, (_REQUEST,))
_ack: Cell = (_S.CLIENT_CONNECT_ACK_RECEIVED, (Action.START_PPP,))
_again: Cell = (None, (Step.RETRY,))
_open: Cell = (_S.CLIENT_CALL_CONNECTED, (Action.SEND_CONNECTED, Action.PASS_DATA))
_over, _state, _fault, _late = OVER, WRONG_STATE, FAULT, LATE
_abort, _leave, _left, _reply, _hello = ABORTED, LEAVE, LEFT, REPLY, ASK
_drop: Cell = drop(_S.CLIENT_CALL_DISCONNECTED)
_gone: Cell = (_S.CLIENT_CALL_DISCONNECTED, ())

# fmt: off
_TABLE: dict[Event, tuple[Cell, Cell, Cell, Cell]] = {
    # Client_...            Call_         Connect_      Connect_      Call_
    #                       Disconnected  Request_Sent  Ack_Received  Connected
    _E.ESTABLISHED:         (_ask,         __,           __,           __),  # 3.2.4.1, 3.2.7.2
    _E.ACK:                 (_no,          _ack,         _state,       _state),  # 3.2.5.3.2
    _E.ACK_REFUSED:         (_no,          _fault,       _state,       _state),  # 3.2.5.3.2
    _E.NAK:                 (_no,          _again,       _state,       _state),  # 3.2.5.3.3
    _E.NAKS_EXCEEDED:       (__,           _over,        __,           __),  # 3.2.5.3.3
    _E.ABORT:               (_no,          _abort,       _abort,       _abort),  # 3.2.5.3.4
    _E.DISCONNECT:          (_no,          _left,        _left,        _left),  # 3.2.5.3.5
    _E.DISCONNECT_ACK:      (_no,          _state,       _state,       _state),  # 3.2.5.3.6
    _E.ECHO_REQUEST:        (_no,          _reply,       _reply,       _reply),  # 3.2.5.3.7
    _E.ECHO_RESPONSE:       (_no,          _state,       _state,       _no),  # 3.2.5.3.8
    _E.UNACCEPTABLE:        (_no,          _state,       _state,       _state),  # 2.2.8
    _E.INVALID:             (_no,          _fault,       _fault,       _fault),  # 3.2.5.3.1
    _E.UNDELINEABLE:        (_no,          _drop,        _drop,        _drop),  # 3.1.5.1
    _E.AUTHENTICATED:       (_no,          __,           _open,        __),  # 3.2.7.1
    _E.DISCONNECT_TUNNEL:   (_no,          _leave,       _leave,       _leave),  # 3.2.4.2, 3.2.7.1
    _E.EXPIRED:             (__,           _late,        _late,        _hello),  # 3.2.2.1, 3.2.6
    _E.UNANSWERED:          (__,           __,           __,           _drop),  # 3.1.2.3
    _E.LOST:                (_no,          _gone,        _gone,        _gone),  # 3.1.7.2
}
# fmt: on

TRANSITIONS = transitions(CLIENT_STATES, _TABLE)


class ClientMachine(Machine):
    """The state of the client's one connection.

    `hashes` are the bits of the hash protocols that the client supports (ClientHashProtocolSupported). `binding` is
    the request for the crypto binding from the server's Call Connect ACK, `nak_status` the status of its last NAK.
    """

    def __init__(self, hashes: int = HashProtocol.SHA1 | HashProtocol.SHA256) -> None:
        super().__init__(TRANSITIONS, _S.CLIENT_CALL_DISCONNECTED)
        self.binding: CryptoBindingRequest | None = None
        self.nak_status: StatusInfo | None = None
        self._hashes = hashes
        self._naks = 0

    def _one_sided(self, found: Message, packet: bytes) -> Event:
        match found.kind:
            case MessageType.CALL_CONNECT_ACK:
                checked = check_ack(found, self._hashes)
                if isinstance(checked, StatusInfo):
                    self._faults = (checked,)
                    return _E.ACK_REFUSED
                self.binding = self.binding or checked
                return _E.ACK
            case MessageType.CALL_CONNECT_NAK:
                self.nak_status = peer_status(found)
                exceeded = self.state is _S.CLIENT_CONNECT_REQUEST_SENT and self._naks == MAXIMUM_RETRIES
                return _E.NAKS_EXCEEDED if exceeded else _E.NAK
        return _E.UNACCEPTABLE

    def _take(self, step: Step) -> list[Command]:
        self._naks += 1
        return [_REQUEST]
