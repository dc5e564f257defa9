"""The client's state machine ([MS-IPHTTPS] 3.1, figure 6), which the SSTP client uses as well.

`handle` takes an event and the time, and returns commands. The whole machine is this table:

    state         event           new state     action
    DISABLED      ENABLE          ENABLED
    ENABLED       PRECONDITION    LINK_DOWN     connect
    LINK_DOWN     CONNECTED       ESTABLISHED   send the request
    ESTABLISHED   RESPONSE        LINK_UP       bring the link up
    LINK_DOWN     FAILED          LINK_DOWN     try again
    ESTABLISHED   FAILED          LINK_DOWN     try again
    LINK_UP       FAILED          LINK_DOWN     take the link down, try again
    LINK_DOWN     NEXT_ADDRESS    LINK_DOWN     connect to the same server again
    ESTABLISHED   NEXT_ADDRESS    LINK_DOWN     connect to the same server again
    LINK_DOWN     TIMER           LINK_DOWN     connect
    LINK_DOWN     NETWORK         LINK_DOWN     cancel the attempt or the timer, connect
    ESTABLISHED   NETWORK         LINK_DOWN     cancel the attempt, connect
    LINK_UP       NETWORK         LINK_UP       probe the router
    LINK_UP       CUT_OFF         LINK_DOWN     take the link down, disconnect, connect
    (any)         DISABLE         DISABLED      link down, disconnect, stop the timer, as far as they apply

"Try again" starts the reconnect timer. Before that, the client tries each other address of a server, and each other
server, once without a pause. NEXT_ADDRESS, NETWORK and CUT_OFF are additions to the specification. NETWORK: the network
under the client has changed (an address, a route, the end of a suspension), so earlier failures no longer count.
CUT_OFF: the session is dead although its connection has not ended. Both lead to an immediate attempt.

In 3.1.2.1 "a successful HTTPS connection" resets the reconnect timer. Success here is the successful response:
otherwise a client would connect every 30 seconds for ever to a server that accepts connections only to drop them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from .reconnect import ReconnectTimer

__all__ = [
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
    FAILED = auto()  # 3.1.5.4: connectivity of an underlying transport is lost, or was never established
    NEXT_ADDRESS = auto()  # the connection has failed; the attempt continues with another address or proxy
    TIMER = auto()  # 3.1.6: the reconnect timer has expired
    NETWORK = auto()  # the underlying network has changed: an address, a route
    CUT_OFF = auto()  # the router on the link does not answer, or the connection's local address is gone


class Action(Enum):
    """The actions of the table; `handle` replaces TRY_AGAIN with a StartTimer or CONNECT_NEXT."""

    CONNECT = auto()  # to the first server
    CONNECT_NEXT = auto()  # to the server after the failed one
    CONNECT_AGAIN = auto()  # to the same server at another address
    SEND_REQUEST = auto()
    LINK_UP = auto()
    LINK_DOWN = auto()
    DISCONNECT = auto()
    TRY_AGAIN = auto()
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
    (_S.ESTABLISHED, _E.RESPONSE): (_S.LINK_UP, (Action.LINK_UP,)),
    (_S.LINK_DOWN, _E.FAILED): (_S.LINK_DOWN, (Action.TRY_AGAIN,)),
    (_S.ESTABLISHED, _E.FAILED): (_S.LINK_DOWN, (Action.TRY_AGAIN,)),
    (_S.LINK_UP, _E.FAILED): (_S.LINK_DOWN, (Action.LINK_DOWN, Action.TRY_AGAIN)),
    (_S.LINK_DOWN, _E.NEXT_ADDRESS): (_S.LINK_DOWN, (Action.CONNECT_AGAIN,)),
    (_S.ESTABLISHED, _E.NEXT_ADDRESS): (_S.LINK_DOWN, (Action.CONNECT_AGAIN,)),
    (_S.LINK_DOWN, _E.TIMER): (_S.LINK_DOWN, (Action.CONNECT,)),
    (_S.LINK_DOWN, _E.NETWORK): (_S.LINK_DOWN, (Action.CANCEL_TIMER, Action.DISCONNECT, Action.CONNECT)),
    (_S.ESTABLISHED, _E.NETWORK): (_S.LINK_DOWN, (Action.DISCONNECT, Action.CONNECT)),
    (_S.LINK_UP, _E.NETWORK): (_S.LINK_UP, (Action.ASK_ROUTER,)),
    (_S.LINK_UP, _E.CUT_OFF): (_S.LINK_DOWN, (Action.LINK_DOWN, Action.DISCONNECT, Action.CONNECT)),
    (_S.DISABLED, _E.DISABLE): (_S.DISABLED, ()),
    (_S.ENABLED, _E.DISABLE): (_S.DISABLED, ()),
    (_S.LINK_DOWN, _E.DISABLE): (_S.DISABLED, (Action.CANCEL_TIMER, Action.DISCONNECT)),
    (_S.ESTABLISHED, _E.DISABLE): (_S.DISABLED, (Action.DISCONNECT,)),
    (_S.LINK_UP, _E.DISABLE): (_S.DISABLED, (Action.LINK_DOWN, Action.DISCONNECT)),
}

STABLE_AFTER = 60.0
"""Minimum seconds that a link must stay up for the attempt to count as successful.

Otherwise the client would switch between two servers without a pause if both answer and disconnect at once.
"""


class ClientMachine:
    """The client's current state and its transitions."""

    def __init__(self, timer: ReconnectTimer, servers: int = 1) -> None:
        """Begin in state DISABLED; `servers` is the number of servers to try in turn."""
        self.state = ClientState.DISABLED
        self._timer = timer
        self._servers = servers
        self._failed = 0
        self._up_since = 0.0

    def handle(self, event: ClientEvent, now: float, *, jitter: float = 0.0, at_least: float = 0.0) -> list[Command]:
        """Process an event at the time `now`, in seconds; return the commands to perform, in order.

        `jitter`, a random number from 0 to 1, and `at_least`, the seconds that the server asks the client to wait,
        matter only if the reconnect timer starts.

        Raises:
            KeyError: The table has no such event in this state, which is a bug of the caller.
        """
        before = self.state
        self.state, actions = TRANSITIONS[before, event]
        match event:
            case ClientEvent.RESPONSE:
                self._timer.succeeded()
                self._up_since = now
            case ClientEvent.DISABLE:
                self._timer.succeeded()
            case ClientEvent.FAILED if before is ClientState.LINK_UP and now - self._up_since >= STABLE_AFTER:
                self._failed = 0
        if Action.CONNECT in actions:
            self._failed = 0
        return [self._try_again(now, jitter, at_least) if action is Action.TRY_AGAIN else action for action in actions]

    def _try_again(self, now: float, jitter: float, at_least: float) -> Command:
        self._failed += 1
        if self._failed < self._servers:
            return Action.CONNECT_NEXT
        return StartTimer(self._timer.failed(now, jitter, at_least))
