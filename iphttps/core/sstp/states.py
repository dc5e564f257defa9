"""The states, events and timers of a call, on both sides ([MS-SSTP] 3.1.1, 3.1.2, 3.2.1, 3.3.1)."""

from __future__ import annotations

from enum import Enum, auto

NEGOTIATION = 60.0  # seconds; 3.2.2.1, 3.3.2.1
HELLO = 60.0  # 3.1.2.3
ABORT_1 = 3.0  # 3.1.2.1: TIMER_VAL_ABORT_STATE_TIMER_1
ABORT_2 = 1.0
DISCONNECT_1 = 5.0  # 3.1.2.2: TIMER_VAL_DISCONNECT_STATE_TIMER_1
DISCONNECT_2 = 1.0


class State(Enum):
    """The values of CurrentState: for the client (3.2.1), for the server (3.3.1), and for both (3.1.1)."""

    CLIENT_CALL_DISCONNECTED = auto()
    CLIENT_CONNECT_REQUEST_SENT = auto()
    CLIENT_CONNECT_ACK_RECEIVED = auto()
    CLIENT_CALL_CONNECTED = auto()
    SERVER_CALL_DISCONNECTED = auto()
    SERVER_CONNECT_REQUEST_PENDING = auto()
    SERVER_CALL_CONNECTED_PENDING = auto()
    SERVER_CALL_CONNECTED = auto()
    CALL_ABORT_PENDING = auto()
    CALL_ABORT_TIMEOUT_PENDING = auto()
    CALL_DISCONNECT_ACK_PENDING = auto()
    CALL_DISCONNECT_TIMEOUT_PENDING = auto()


_S = State
ENDING_STATES = (
    _S.CALL_ABORT_PENDING,
    _S.CALL_ABORT_TIMEOUT_PENDING,
    _S.CALL_DISCONNECT_ACK_PENDING,
    _S.CALL_DISCONNECT_TIMEOUT_PENDING,
)
"""The states of 3.1.1, in the order of their columns in `ending`."""
RUNNING = (
    _S.CLIENT_CONNECT_REQUEST_SENT,
    _S.CLIENT_CONNECT_ACK_RECEIVED,
    _S.CLIENT_CALL_CONNECTED,
    _S.SERVER_CONNECT_REQUEST_PENDING,
    _S.SERVER_CALL_CONNECTED_PENDING,
    _S.SERVER_CALL_CONNECTED,
)
"""The states of a call that has started and is not ending."""
CONNECTED = (_S.CLIENT_CALL_CONNECTED, _S.SERVER_CALL_CONNECTED)
"""The states in which data passes (3.2.7.1, 3.3.7.1)."""
PPP_RUNS = (_S.CLIENT_CONNECT_ACK_RECEIVED, _S.SERVER_CALL_CONNECTED_PENDING, *CONNECTED)
"""The states in which PPP runs (3.2.7.1, 3.3.7.1)."""


class Event(Enum):
    """The events of both machines; `Machine.received` turns a message into one of them."""

    # Messages that both sides send.
    ABORT = auto()  # 3.2.5.3.4, 3.3.5.2.4
    DISCONNECT = auto()  # 3.2.5.3.5, 3.3.5.2.5
    DISCONNECT_ACK = auto()  # 3.2.5.3.6, 3.3.5.2.6
    ECHO_REQUEST = auto()  # 3.2.5.3.7, 3.3.5.2.7
    ECHO_RESPONSE = auto()  # 3.2.5.3.8, 3.3.5.2.8
    UNACCEPTABLE = auto()  # a message that only this side sends, or a second Call Connected
    INVALID = auto()  # 3.2.5.3.1, 3.3.5.2.1: a message that violates the syntax
    # Messages of the client.
    REQUEST = auto()  # 3.3.5.2.2: an acceptable Call Connect Request
    REQUEST_REFUSED = auto()  # 3.3.5.2.2: an unacceptable one
    RETRIES_EXCEEDED = auto()  # 3.3.5.2.2: an unacceptable one after the maximum number of NAKs
    CONNECTED = auto()  # 3.3.5.2.3: a Call Connected with a Crypto Binding
    CONNECTED_REFUSED = auto()  # 3.3.5.2.3: a Call Connected with other attributes
    # Messages of the server.
    ACK = auto()  # 3.2.5.3.2: an acceptable Call Connect ACK
    ACK_REFUSED = auto()  # 3.2.5.3.2: an unacceptable one
    NAK = auto()  # 3.2.5.3.3
    NAKS_EXCEEDED = auto()  # 3.2.5.3.3: a NAK after the maximum number of retries
    # Other events of the server.
    NEW_CONNECTION = auto()  # 3.3.7.2: the server has answered the HTTP request with 200
    HLAK = auto()  # 3.3.7.1: PPP's authentication is complete, and the HLAK is known
    VERIFIED = auto()  # 3.3.5.2.3: the crypto binding is correct
    NOT_VERIFIED = auto()  # 3.3.5.2.3: nonce, certificate hash, hash protocol or compound MAC is wrong
    # Other events of the client.
    ESTABLISHED = auto()  # 3.2.4.1, 3.2.7.2: the server has answered the HTTP request with 200
    AUTHENTICATED = auto()  # 3.2.7.1: PPP's authentication is complete, and the HLAK is known
    # Other events of both.
    UNDELINEABLE = auto()  # 3.1.5.1: the stream cannot be delineated
    LOST = auto()  # 3.1.7.2: the HTTPS connection was lost
    DISCONNECT_TUNNEL = auto()  # 3.2.4.2, 3.3.4: the owner disconnects, or authentication has failed
    EXPIRED = auto()  # 3.1.6, 3.2.6, 3.3.6: the state's timer has expired
    UNANSWERED = auto()  # 3.1.2.3: the Hello timer has expired again after an Echo Request without an answer


TIMERS = {
    _S.CLIENT_CONNECT_REQUEST_SENT: NEGOTIATION,
    _S.CLIENT_CONNECT_ACK_RECEIVED: NEGOTIATION,
    _S.CLIENT_CALL_CONNECTED: HELLO,
    _S.SERVER_CONNECT_REQUEST_PENDING: NEGOTIATION,
    _S.SERVER_CALL_CONNECTED_PENDING: NEGOTIATION,
    _S.SERVER_CALL_CONNECTED: HELLO,
    _S.CALL_ABORT_PENDING: ABORT_1,
    _S.CALL_ABORT_TIMEOUT_PENDING: ABORT_2,
    _S.CALL_DISCONNECT_ACK_PENDING: DISCONNECT_1,
    _S.CALL_DISCONNECT_TIMEOUT_PENDING: DISCONNECT_2,
}
"""The timer of each state, in seconds."""
