"""Tests for iphttps.core.sstp.ppp.automaton, against the table as RFC 1661 prints it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.ppp.automaton import (
    MAX_CONFIGURE,
    MAX_TERMINATE,
    RESTART,
    TIMED,
    TRANSITIONS,
    Action,
    Automaton,
    Event,
    State,
)

PRINTED = """
      | State
      |    0         1         2         3         4         5
Events| Initial   Starting  Closed    Stopped   Closing   Stopping
------+-----------------------------------------------------------
 Up   |    2     irc,scr/6     -         -         -         -
 Down |    -         -         0       tls/1       0         1
 Open |  tls/1       1     irc,scr/6     3r        5r        5r
 Close|    0       tlf/0       2         2         4         4
      |
  TO+ |    -         -         -         -       str/4     str/5
  TO- |    -         -         -         -       tlf/2     tlf/3
      |
 RCR+ |    -         -       sta/2 irc,scr,sca/8   4         5
 RCR- |    -         -       sta/2 irc,scr,scn/6   4         5
 RCA  |    -         -       sta/2     sta/3       4         5
 RCN  |    -         -       sta/2     sta/3       4         5
      |
 RTR  |    -         -       sta/2     sta/3     sta/4     sta/5
 RTA  |    -         -         2         3       tlf/2     tlf/3
      |
 RUC  |    -         -       scj/2     scj/3     scj/4     scj/5
 RXJ+ |    -         -         2         3         4         5
 RXJ- |    -         -       tlf/2     tlf/3     tlf/2     tlf/3
      |
 RXR  |    -         -         2         3         4         5

      | State
      |    6         7         8           9
Events| Req-Sent  Ack-Rcvd  Ack-Sent    Opened
------+-----------------------------------------
 Up   |    -         -         -           -
 Down |    1         1         1         tld/1
 Open |    6         7         8           9r
 Close|irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4
      |
  TO+ |  scr/6     scr/6     scr/8         -
  TO- |  tlf/3p    tlf/3p    tlf/3p        -
      |
 RCR+ |  sca/8   sca,tlu/9   sca/8   tld,scr,sca/8
 RCR- |  scn/6     scn/7     scn/6   tld,scr,scn/6
 RCA  |  irc/7     scr/6x  irc,tlu/9   tld,scr/6x
 RCN  |irc,scr/6   scr/6x  irc,scr/8   tld,scr/6x
      |
 RTR  |  sta/6     sta/6     sta/6   tld,zrc,sta/5
 RTA  |    6         6         8       tld,scr/6
      |
 RUC  |  scj/6     scj/7     scj/8     scj/9
 RXJ+ |    6         6         8           9
 RXJ- |  tlf/3     tlf/3     tlf/3   tld,irc,str/5
      |
 RXR  |    6         7         8         ser/9
"""
"""RFC 1661 section 4.1."""


def printed() -> Iterator[tuple[tuple[int, str], str]]:
    """Yield each cell of the printed table: state, event, contents."""
    first = 0
    for line in PRINTED.splitlines():
        event, _bar, cells = line.partition("|")
        if event.strip() and event != "Events":
            for number, cell in enumerate(cells.split()):
                yield (first + number, event.strip()), cell
        elif "6" in cells:
            first = 6


class TableTests(SynchronousTestCase):
    """The table (RFC 1661 4.1)."""

    def test_printed(self) -> None:
        """Every cell is as the RFC prints it, but for its footnotes."""
        cells = dict(printed())
        self.assertEqual(160, len(cells))
        ours = {}
        for state, event in product(State, Event):
            following, actions = TRANSITIONS.get((state, event), (None, ()))
            words = ",".join(action.value for action in actions)
            cell = f"{words}/{following.value}" if words and following else str(following.value) if following else "-"
            ours[state.value, event.value] = cell
        self.assertEqual({cell: contents.rstrip("rpx") for cell, contents in cells.items()}, ours)

    def test_others_raise(self) -> None:
        """An event that cannot happen in a state is a bug of the caller, and raises; the state stays."""
        automaton = Automaton()
        self.assertRaises(KeyError, automaton.handle, Event.TIMEOUT, 0.0)
        self.assertIs(State.INITIAL, automaton.state)

    def test_timed(self) -> None:
        """The Restart timer runs in five states (4.2), which are those with time-outs in the table."""
        self.assertEqual({state for state, event in TRANSITIONS if event is Event.TIMEOUT}, TIMED)


class RestartTests(SynchronousTestCase):
    """The Restart timer and its counter (4.6)."""

    def machine(self, *events: Event) -> Automaton:
        """Return an automaton to which this has happened at 100 seconds, after Up and Open."""
        automaton = Automaton()
        for event in (Event.UP, Event.OPEN, *events):
            automaton.handle(event, 100.0)
        return automaton

    def expiries(self, automaton: Automaton) -> list[tuple[float, tuple[Action, ...]]]:
        """Let the timer expire until it no longer runs; return when it did, and the actions."""
        played: list[tuple[float, tuple[Action, ...]]] = []
        while automaton.deadline is not None and len(played) < 100:
            now = automaton.deadline
            played.append((now, automaton.handle(automaton.timeout, now)))
        return played

    def test_configure(self) -> None:
        """A Configure-Request is sent ten times, three seconds apart; then the layer is finished."""
        automaton = self.machine()
        played = self.expiries(automaton)
        again = [(100.0 + RESTART * n, (Action.SEND_CONFIGURE_REQUEST,)) for n in range(1, MAX_CONFIGURE)]
        self.assertEqual([*again, (130.0, (Action.THIS_LAYER_FINISHED,))], played)
        self.assertIs(State.STOPPED, automaton.state)

    def test_terminate(self) -> None:
        """A Terminate-Request is sent twice; then the layer is finished."""
        automaton = self.machine(Event.CLOSE)
        self.assertEqual(
            [(103.0, (Action.SEND_TERMINATE_REQUEST,)), (106.0, (Action.THIS_LAYER_FINISHED,))],
            self.expiries(automaton),
        )
        self.assertEqual((2, State.CLOSED), (MAX_TERMINATE, automaton.state))

    def test_terminated(self) -> None:
        """After the peer's Terminate-Request one period is waited, so that it gets the answer (4.4, zrc)."""
        automaton = self.machine(Event.ACK, Event.GOOD_REQUEST)
        self.assertIsNone(automaton.deadline)
        automaton.handle(Event.TERMINATE_REQUEST, 200.0)
        self.assertEqual([(203.0, (Action.THIS_LAYER_FINISHED,))], self.expiries(automaton))

    def test_answer_starts_anew(self) -> None:
        """Whenever the peer has answered, the counter begins anew (irc)."""
        automaton = self.machine()
        for _ in range(MAX_CONFIGURE - 1):
            automaton.handle(automaton.timeout, 100.0)
        self.assertIs(Event.LAST_TIMEOUT, automaton.timeout)
        automaton.handle(Event.NAK_OR_REJECT, 100.0)
        self.assertIs(Event.TIMEOUT, automaton.timeout)
        self.assertEqual(103.0, automaton.deadline)

    def test_stopped(self) -> None:
        """The timer does not run once the protocol is open, nor when the lower layer is gone."""
        automaton = self.machine(Event.GOOD_REQUEST)
        self.assertEqual(103.0, automaton.deadline)
        automaton.handle(Event.ACK, 101.0)
        self.assertIsNone(automaton.deadline)
        automaton = self.machine()
        automaton.handle(Event.DOWN, 101.0)
        self.assertIsNone(automaton.deadline)
