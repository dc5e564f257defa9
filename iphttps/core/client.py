"""The client's state machine (3.1, figure 6).

`handle` takes an event and the time, and returns what is to be done. The table below is all there is to it:

    state         event           becomes       what is done
    DISABLED      ENABLE          ENABLED
    ENABLED       PRECONDITION    LINK_DOWN     connect
    LINK_DOWN     CONNECTED       ESTABLISHED   send the request
    ESTABLISHED   RESPONSE        LINK_UP       bring the link up
    LINK_DOWN     FAILED          LINK_DOWN     start the reconnect timer
    ESTABLISHED   FAILED          LINK_DOWN     start the reconnect timer
    LINK_UP       FAILED          LINK_DOWN     take the link down, start the reconnect timer
    LINK_DOWN     TIMER           LINK_DOWN     connect
    (any)         DISABLE         DISABLED      undo whatever there is

3.1.2.1 has "a successful HTTPS connection" reset the reconnect timer. Success here is the successful response:
a server that takes connections only to drop them would otherwise be called on every 30 seconds for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from .reconnect import ReconnectTimer


class ClientState(Enum):
    """The states of 3.1.1."""

    DISABLED = auto()
    ENABLED = auto()
    LINK_DOWN = auto()
    ESTABLISHED = auto()
    LINK_UP = auto()


class ClientEvent(Enum):
    """What can happen to a client."""

    ENABLE = auto()  # 3.1.4.1
    DISABLE = auto()  # 3.1.4.2
    PRECONDITION = auto()  # 3.1.3: one of the conditions for initialization is met
    CONNECTED = auto()  # 3.1.5.1: the HTTPS connection is established, TLS included
    RESPONSE = auto()  # 3.1.5.2: the response is successful
    FAILED = auto()  # 3.1.5.4: connectivity of an underlying transport is lost, or never came about
    TIMER = auto()  # 3.1.6: the reconnect timer has expired


class Action(Enum):
    """What is to be done; the shell gets a StartTimer in the place of START_TIMER."""

    CONNECT = auto()
    SEND_REQUEST = auto()
    LINK_UP = auto()
    LINK_DOWN = auto()
    DISCONNECT = auto()
    START_TIMER = auto()
    CANCEL_TIMER = auto()


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Start the reconnect timer, to expire after so many seconds."""

    delay: float


Command = Action | StartTimer

_S, _E = ClientState, ClientEvent

TRANSITIONS: dict[tuple[ClientState, ClientEvent], tuple[ClientState, tuple[Action, ...]]] = {
    (_S.DISABLED, _E.ENABLE): (_S.ENABLED, ()),
    (_S.ENABLED, _E.PRECONDITION): (_S.LINK_DOWN, (Action.CONNECT,)),
    (_S.LINK_DOWN, _E.CONNECTED): (_S.ESTABLISHED, (Action.SEND_REQUEST,)),
    (_S.ESTABLISHED, _E.RESPONSE): (_S.LINK_UP, (Action.LINK_UP,)),
    (_S.LINK_DOWN, _E.FAILED): (_S.LINK_DOWN, (Action.START_TIMER,)),
    (_S.ESTABLISHED, _E.FAILED): (_S.LINK_DOWN, (Action.START_TIMER,)),
    (_S.LINK_UP, _E.FAILED): (_S.LINK_DOWN, (Action.LINK_DOWN, Action.START_TIMER)),
    (_S.LINK_DOWN, _E.TIMER): (_S.LINK_DOWN, (Action.CONNECT,)),
    (_S.DISABLED, _E.DISABLE): (_S.DISABLED, ()),
    (_S.ENABLED, _E.DISABLE): (_S.DISABLED, ()),
    (_S.LINK_DOWN, _E.DISABLE): (_S.DISABLED, (Action.CANCEL_TIMER, Action.DISCONNECT)),
    (_S.ESTABLISHED, _E.DISABLE): (_S.DISABLED, (Action.DISCONNECT,)),
    (_S.LINK_UP, _E.DISABLE): (_S.DISABLED, (Action.LINK_DOWN, Action.DISCONNECT)),
}


class ClientMachine:
    """Holds the state; an event that the state does not know is a bug, and raises KeyError."""

    def __init__(self, timer: ReconnectTimer) -> None:
        self.state = ClientState.DISABLED
        self._timer = timer

    def handle(self, event: ClientEvent, now: float, at_least: float = 0.0) -> list[Command]:
        """Take an event at the time `now`, in seconds; returns what to do, in order.

        `at_least` is how many seconds the server has asked to be left alone, after a failure.
        """
        self.state, actions = TRANSITIONS[self.state, event]
        if event in (ClientEvent.RESPONSE, ClientEvent.DISABLE):
            self._timer.succeeded()
        return [
            StartTimer(self._timer.failed(now, at_least)) if action is Action.START_TIMER else action
            for action in actions
        ]
