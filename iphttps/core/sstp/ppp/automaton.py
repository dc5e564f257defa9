"""The Option Negotiation Automaton: the states of a control protocol, and the Restart timer (RFC 1661 section 4).

TABLE is the state transition table of 4.1 with the RFC's own words and numbers: in each cell the actions, then the new
state. A dash marks an event that cannot happen in that state. The marks of three footnotes are omitted, since they
require no action: [r] an Open does not restart a link, [p] the passive option is not used, [x] a crossed connection is
negotiated like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

__all__ = [
    "MAX_CONFIGURE",
    "MAX_TERMINATE",
    "RESTART",
    "TRANSITIONS",
    "Action",
    "Automaton",
    "Event",
    "State",
]

RESTART = 3.0
"""The period of the Restart timer, in seconds (4.6)."""
MAX_CONFIGURE = 10
"""Maximum number of Configure-Requests without an answer (4.6)."""
MAX_TERMINATE = 2
"""Maximum number of Terminate-Requests without an answer (4.6)."""


class State(Enum):
    """The states of 4.2; the value is the number in the table."""

    INITIAL = 0
    STARTING = 1
    CLOSED = 2
    STOPPED = 3
    CLOSING = 4
    STOPPING = 5
    REQ_SENT = 6
    ACK_RCVD = 7
    ACK_SENT = 8
    OPENED = 9


class Event(Enum):
    """The events of 4.3; the value is the abbreviation in the table."""

    UP = "Up"
    DOWN = "Down"
    OPEN = "Open"
    CLOSE = "Close"
    TIMEOUT = "TO+"  # with counter > 0
    LAST_TIMEOUT = "TO-"  # with counter expired
    GOOD_REQUEST = "RCR+"
    BAD_REQUEST = "RCR-"
    ACK = "RCA"
    NAK_OR_REJECT = "RCN"
    TERMINATE_REQUEST = "RTR"
    TERMINATE_ACK = "RTA"
    UNKNOWN_CODE = "RUC"
    PERMITTED_REJECT = "RXJ+"  # Code-Reject or Protocol-Reject
    FATAL_REJECT = "RXJ-"
    ECHO_OR_DISCARD = "RXR"


class Action(Enum):
    """The actions of 4.4; the value is the abbreviation in the table."""

    THIS_LAYER_UP = "tlu"
    THIS_LAYER_DOWN = "tld"
    THIS_LAYER_STARTED = "tls"
    THIS_LAYER_FINISHED = "tlf"
    INITIALIZE_RESTART_COUNT = "irc"
    ZERO_RESTART_COUNT = "zrc"
    SEND_CONFIGURE_REQUEST = "scr"
    SEND_CONFIGURE_ACK = "sca"
    SEND_CONFIGURE_NAK = "scn"  # or Configure-Reject
    SEND_TERMINATE_REQUEST = "str"
    SEND_TERMINATE_ACK = "sta"
    SEND_CODE_REJECT = "scj"
    SEND_ECHO_REPLY = "ser"


#         0       1         2         3             4     5     6         7         8         9
#         Initial Starting  Closed    Stopped       Closing     Req-Sent  Ack-Rcvd  Ack-Sent  Opened
#                                                         Stopping
TABLE = """
    Up    2       irc,scr/6 -         -             -     -     -         -         -         -
    Down  -       -         0         tls/1         0     1     1         1         1         tld/1
    Open  tls/1   1         irc,scr/6 3             5     5     6         7         8         9
    Close 0       tlf/0     2         2             4     4     irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4

    TO+   -       -         -         -             str/4 str/5 scr/6     scr/6     scr/8     -
    TO-   -       -         -         -             tlf/2 tlf/3 tlf/3     tlf/3     tlf/3     -

    RCR+  -       -         sta/2     irc,scr,sca/8 4     5     sca/8     sca,tlu/9 sca/8     tld,scr,sca/8
    RCR-  -       -         sta/2     irc,scr,scn/6 4     5     scn/6     scn/7     scn/6     tld,scr,scn/6
    RCA   -       -         sta/2     sta/3         4     5     irc/7     scr/6     irc,tlu/9 tld,scr/6
    RCN   -       -         sta/2     sta/3         4     5     irc,scr/6 scr/6     irc,scr/8 tld,scr/6

    RTR   -       -         sta/2     sta/3         sta/4 sta/5 sta/6     sta/6     sta/6     tld,zrc,sta/5
    RTA   -       -         2         3             tlf/2 tlf/3 6         6         8         tld,scr/6

    RUC   -       -         scj/2     scj/3         scj/4 scj/5 scj/6     scj/7     scj/8     scj/9
    RXJ+  -       -         2         3             4     5     6         6         8         9
    RXJ-  -       -         tlf/2     tlf/3         tlf/2 tlf/3 tlf/3     tlf/3     tlf/3     tld,irc,str/5

    RXR   -       -         2         3             4     5     6         7         8         ser/9
"""

Transition = tuple[State, tuple[Action, ...]]


def _cells() -> Iterator[tuple[tuple[State, Event], Transition]]:
    for line in filter(None, TABLE.splitlines()):
        event, *cells = line.split()
        for state, cell in zip(State, cells, strict=True):
            if cell != "-":
                *actions, following = cell.replace("/", ",").split(",")
                yield (state, Event(event)), (State(int(following)), tuple(map(Action, actions)))


TRANSITIONS: dict[tuple[State, Event], Transition] = dict(_cells())

TIMED = frozenset((State.CLOSING, State.STOPPING, State.REQ_SENT, State.ACK_RCVD, State.ACK_SENT))
"""The states in which the Restart timer runs (4.2)."""


class Automaton:
    """The current state, the Restart counter and the Restart timer."""

    __slots__ = ("_restarts", "deadline", "state")

    def __init__(self) -> None:
        self.state = State.INITIAL
        self.deadline: float | None = None
        """The expiry time of the Restart timer; None if it is stopped."""
        self._restarts = 0

    @property
    def timeout(self) -> Event:
        """The event of the Restart timer's expiry."""
        return Event.TIMEOUT if self._restarts > 0 else Event.LAST_TIMEOUT

    def handle(self, event: Event, now: float) -> tuple[Action, ...]:
        """Process an event at the time `now`, in seconds; return the actions to perform, in order.

        The actions on counter and timer are already performed.

        Raises:
            KeyError: The table has no such event in this state, which is a bug of the caller.
        """
        self.state, actions = TRANSITIONS[self.state, event]
        for action in actions:
            match action:
                case Action.INITIALIZE_RESTART_COUNT:
                    terminating = Action.SEND_TERMINATE_REQUEST in actions
                    self._restarts = MAX_TERMINATE if terminating else MAX_CONFIGURE
                case Action.ZERO_RESTART_COUNT:
                    # 4.4: a pause, so that the peer receives the Terminate-Ack.
                    self._restarts = 0
                    self.deadline = now + RESTART
                case Action.SEND_CONFIGURE_REQUEST | Action.SEND_TERMINATE_REQUEST:
                    self._restarts -= 1
                    self.deadline = now + RESTART
        if self.state not in TIMED:
            self.deadline = None
        return actions
