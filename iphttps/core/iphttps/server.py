"""The server's state machine (3.2.1, 3.2.3, 3.2.4, 3.2.7).

state       event             new state   commands
STOPPED     START             LISTEN      listen
LISTEN      DISABLE           DISABLED    stop listening, disconnect all clients
DISABLED    ENABLE            LISTEN      listen
LISTEN      AUTHENTICATION    LISTEN      disconnect all clients
LISTEN      SHUTDOWN          STOPPED     stop listening, disconnect all clients
DISABLED    SHUTDOWN          STOPPED
"""

from __future__ import annotations

from enum import Enum, auto

__all__ = ["TRANSITIONS", "ServerCommand", "ServerEvent", "ServerMachine", "ServerState"]


class ServerState(Enum):
    """The states of 3.2.1."""

    STOPPED = auto()
    LISTEN = auto()
    DISABLED = auto()


class ServerEvent(Enum):
    """The events of the server's state machine."""

    START = auto()  # 3.2.3
    ENABLE = auto()  # 3.2.4.1
    DISABLE = auto()  # 3.2.4.2
    AUTHENTICATION = auto()  # 3.2.7.1: the Authentication Mode is changed
    SHUTDOWN = auto()  # 3.2.7.3


class ServerCommand(Enum):
    """The commands that the shell performs."""

    LISTEN = auto()
    STOP_LISTENING = auto()
    DISCONNECT_ALL = auto()


_S, _E, _C = ServerState, ServerEvent, ServerCommand
_QUIET = (_C.STOP_LISTENING, _C.DISCONNECT_ALL)

TRANSITIONS: dict[tuple[ServerState, ServerEvent], tuple[ServerState, tuple[ServerCommand, ...]]] = {
    (_S.STOPPED, _E.START): (_S.LISTEN, (_C.LISTEN,)),  # 3.2.3.1
    (_S.LISTEN, _E.DISABLE): (_S.DISABLED, _QUIET),
    (_S.LISTEN, _E.ENABLE): (_S.LISTEN, ()),
    (_S.DISABLED, _E.ENABLE): (_S.LISTEN, (_C.LISTEN,)),
    (_S.DISABLED, _E.DISABLE): (_S.DISABLED, ()),
    (_S.LISTEN, _E.AUTHENTICATION): (_S.LISTEN, (_C.DISCONNECT_ALL,)),
    (_S.DISABLED, _E.AUTHENTICATION): (_S.DISABLED, ()),
    (_S.LISTEN, _E.SHUTDOWN): (_S.STOPPED, _QUIET),
    (_S.DISABLED, _E.SHUTDOWN): (_S.STOPPED, ()),
}


class ServerMachine:
    """The server's current state and its transitions."""

    def __init__(self) -> None:
        self.state = ServerState.STOPPED

    def handle(self, event: ServerEvent) -> tuple[ServerCommand, ...]:
        """Process an event; return the commands to perform, in order.

        Raises:
            KeyError: The table has no such event in this state, which is a bug of the caller.
        """
        self.state, commands = TRANSITIONS[self.state, event]
        return commands
