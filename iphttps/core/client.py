"""The client's state machine ([MS-IPHTTPS] 3.1, figure 6), which the SSTP client uses as well.

`handle` takes an event and the time, and returns commands. The whole machine is this table:

    state         event           new state     action
    DISABLED      ENABLE          ENABLED
    ENABLED       PRECONDITION    LINK_DOWN     connect
    LINK_DOWN     CONNECTED       ESTABLISHED   send the request
    ESTABLISHED   CONNECTED       ESTABLISHED   send the request
    ESTABLISHED   UNANSWERED      LINK_DOWN
    ESTABLISHED   RESPONSE        LINK_UP       bring the link up
    LINK_DOWN     FAILED          LINK_DOWN     start the timer
    ESTABLISHED   FAILED          LINK_DOWN     start the timer
    LINK_UP       FAILED          LINK_DOWN     take the link down, start the timer
    LINK_UP       LOST            LINK_DOWN     take the link down, connect elsewhere
    LINK_UP       CUT_OFF         LINK_DOWN     take the link down, disconnect, connect elsewhere
    LINK_DOWN     TIMER           LINK_DOWN     connect
    LINK_DOWN     NETWORK         LINK_DOWN     cancel the attempt or the timer, connect
    ESTABLISHED   NETWORK         LINK_DOWN     cancel the attempt, connect
    LINK_UP       NETWORK         LINK_UP       probe the router
    (any)         DISABLE         DISABLED      link down, disconnect, stop the timer, as far as they apply

An attempt comprises all servers, and all addresses of each: FAILED means that none of them has opened a session.
Several connections can be established at a time, but each sends its request by itself: hence CONNECTED in ESTABLISHED,
and UNANSWERED. These two, LOST, NETWORK and CUT_OFF are additions to the specification. LOST: the session has ended,
and there is another server or address. CUT_OFF: the session is dead although its connection has not ended. Both lead to
an immediate attempt, with the lost server last; if several short sessions came before, the timer starts instead.
NETWORK: the network under the client has changed (a route to a server, the end of a suspension), so earlier failures no
longer count, and an attempt follows at once.

In 3.1.2.1 "a successful HTTPS connection" resets the reconnect timer. Success here is the successful response:
otherwise a client would connect every 30 seconds for ever to a server that accepts connections only to drop them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from .limits import TokenBucket
from .reconnect import ReconnectTimer

__all__ = [
    "SHORT_SESSIONS",
    "SHORT_SESSIONS_PERIOD",
    "STABLE_AFTER",
    "TRANSITIONS",
    "Action",
    "ClientEvent",
    "ClientMachine",
    "ClientState",
    "Command",
    "StartTimer",
]


class ClientState(Enum):
    """The states of 3.1.1."""

    DISABLED = auto()
    ENABLED = auto()
    LINK_DOWN = auto()
    ESTABLISHED = auto()
    LINK_UP = auto()


class ClientEvent(Enum):
    """The events of the client's state machine."""

    ENABLE = auto()  # 3.1.4.1
    DISABLE = auto()  # 3.1.4.2
    PRECONDITION = auto()  # 3.1.3: one of the conditions for initialization is met
    CONNECTED = auto()  # 3.1.5.1: the HTTPS connection is established, TLS included
    RESPONSE = auto()  # 3.1.5.2: the response is successful
    UNANSWERED = auto()  # the connections that have sent a request have failed; others are being made
    FAILED = auto()  # 3.1.5.4: connectivity of all underlying transports is lost, or was never established
    LOST = auto()  # 3.1.5.4, where there is another server or address to connect to
    CUT_OFF = auto()  # the router on the link does not answer, or the connection's local address is gone
    TIMER = auto()  # 3.1.6: the reconnect timer has expired
    NETWORK = auto()  # the underlying network has changed


class Action(Enum):
    """The actions of the table; `handle` replaces START_TIMER and CONNECT_NEXT, the latter if it is too often."""

    CONNECT = auto()  # to the servers in order
    CONNECT_NEXT = auto()  # to the servers in order, from the one after the lost one on
    SEND_REQUEST = auto()
    LINK_UP = auto()
    LINK_DOWN = auto()
    DISCONNECT = auto()
    START_TIMER = auto()
    CANCEL_TIMER = auto()
    ASK_ROUTER = auto()


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Start the reconnect timer, to expire after `delay` seconds."""

    delay: float


Command = Action | StartTimer

_S, _E = ClientState, ClientEvent

TRANSITIONS: dict[tuple[ClientState, ClientEvent], tuple[ClientState, tuple[Action, ...]]] = {
    (_S.DISABLED, _E.ENABLE): (_S.ENABLED, ()),
    (_S.ENABLED, _E.PRECONDITION): (_S.LINK_DOWN, (Action.CONNECT,)),
    (_S.LINK_DOWN, _E.CONNECTED): (_S.ESTABLISHED, (Action.SEND_REQUEST,)),
    (_S.ESTABLISHED, _E.CONNECTED): (_S.ESTABLISHED, (Action.SEND_REQUEST,)),
    (_S.ESTABLISHED, _E.UNANSWERED): (_S.LINK_DOWN, ()),
    (_S.ESTABLISHED, _E.RESPONSE): (_S.LINK_UP, (Action.LINK_UP,)),
    (_S.LINK_DOWN, _E.FAILED): (_S.LINK_DOWN, (Action.START_TIMER,)),
    (_S.ESTABLISHED, _E.FAILED): (_S.LINK_DOWN, (Action.START_TIMER,)),
    (_S.LINK_UP, _E.FAILED): (_S.LINK_DOWN, (Action.LINK_DOWN, Action.START_TIMER)),
    (_S.LINK_UP, _E.LOST): (_S.LINK_DOWN, (Action.LINK_DOWN, Action.CONNECT_NEXT)),
    (_S.LINK_UP, _E.CUT_OFF): (_S.LINK_DOWN, (Action.LINK_DOWN, Action.DISCONNECT, Action.CONNECT_NEXT)),
    (_S.LINK_DOWN, _E.TIMER): (_S.LINK_DOWN, (Action.CONNECT,)),
    (_S.LINK_DOWN, _E.NETWORK): (_S.LINK_DOWN, (Action.CANCEL_TIMER, Action.DISCONNECT, Action.CONNECT)),
    (_S.ESTABLISHED, _E.NETWORK): (_S.LINK_DOWN, (Action.DISCONNECT, Action.CONNECT)),
    (_S.LINK_UP, _E.NETWORK): (_S.LINK_UP, (Action.ASK_ROUTER,)),
    (_S.DISABLED, _E.DISABLE): (_S.DISABLED, ()),
    (_S.ENABLED, _E.DISABLE): (_S.DISABLED, ()),
    (_S.LINK_DOWN, _E.DISABLE): (_S.DISABLED, (Action.CANCEL_TIMER, Action.DISCONNECT)),
    (_S.ESTABLISHED, _E.DISABLE): (_S.DISABLED, (Action.DISCONNECT,)),
    (_S.LINK_UP, _E.DISABLE): (_S.DISABLED, (Action.LINK_DOWN, Action.DISCONNECT)),
}

STABLE_AFTER = 60.0
"""Seconds that a link must stay up to be no short session."""

SHORT_SESSIONS = 4
SHORT_SESSIONS_PERIOD = 30.0
"""Short sessions that an immediate attempt may follow, and the seconds after which one more may.

Otherwise the client would switch between two servers without a pause if both answer and disconnect at once.
"""


class ClientMachine:
    """The client's current state and its transitions."""

    def __init__(self, timer: ReconnectTimer) -> None:
        """Begin in state DISABLED."""
        self.state = ClientState.DISABLED
        self._timer = timer
        self._short = TokenBucket(1 / SHORT_SESSIONS_PERIOD, SHORT_SESSIONS)
        self._up_since = 0.0

    def handle(self, event: ClientEvent, now: float, *, jitter: float = 0.0, at_least: float = 0.0) -> list[Command]:
        """Process an event at the time `now`, in seconds; return the commands to perform, in order.

        `jitter`, a random number from 0 to 1, and `at_least`, the seconds that the server asks the client to wait,
        matter only if the reconnect timer starts.

        Raises:
            KeyError: The table has no such event in this state, which is a bug of the caller.
        """
        self.state, actions = TRANSITIONS[self.state, event]
        match event:
            case ClientEvent.RESPONSE:
                self._timer.succeeded()
                self._up_since = now
            case ClientEvent.DISABLE:
                self._timer.succeeded()
        return [self._timed(action, now, jitter, at_least) for action in actions]

    def _timed(self, action: Action, now: float, jitter: float, at_least: float) -> Command:
        if action is Action.CONNECT_NEXT and now - self._up_since < STABLE_AFTER and not self._short.take(now):
            action = Action.START_TIMER
        return StartTimer(self._timer.failed(now, jitter, at_least)) if action is Action.START_TIMER else action
