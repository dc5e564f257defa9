"""Scheduling of reads from sessions, so that each gets its share, and a turn of the reactor is bounded as a whole.

The reactor reports all readable connections in the same turn. If each were read at once, a turn would take as long as
all of them together, and everything else would wait: the device, and clients that send little. So what exceeds the
bounds waits in the kernel's socket buffers, and TCP slows the senders down.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ...core.queues.fair import DeficitRoundRobin

__all__ = ["QUANTUM", "TURN", "VISITS", "ReadScheduler", "Served"]

TURN = 0.001
"""Seconds in a turn of the reactor after which no further session is served."""

VISITS = 256
"""Maximum number of times that sessions are served in a turn, whatever the clock says."""

QUANTUM = 400 * 1024
"""Maximum cost of a session in a round, in the unit of `Served.serve`."""


class Served(Hashable, Protocol):
    """A session as the scheduler sees it."""

    @property
    def drained(self) -> bool:
        """True if the session has nothing to do until the reactor reports its connection as readable."""

    def serve(self, quantum: int) -> int:
        """Do work that costs about as much as `quantum`, and return what it cost, in bytes or their equivalent."""

    def pause(self) -> None:
        """Have the reactor no longer report the connection."""

    def resume(self) -> None:
        """Have the reactor report the connection again."""

    def abort(self) -> None:
        """End the connection: serving it raised an exception."""


class ReadScheduler:
    """The sessions of one reactor that have something to do, served by deficit round robin, sparse ones first.

    A session is served at once when its connection becomes readable, as long as none waits and the turn is not used
    up; otherwise it waits for its turn. While it waits, the reactor does not report its connection: that is changed
    only when a report comes, so that it costs nothing for a session that is served before the next poll.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._fair: DeficitRoundRobin[Served] = DeficitRoundRobin(QUANTUM)
        self._next: IDelayedCall | None = None
        self._direct: set[Served] = set()
        """The sessions served at once in this turn of the reactor; a session that comes twice begins a new turn."""
        self._spent = 0.0

    def readable(self, session: Served) -> None:
        """Serve a session whose connection is readable, now or in its turn."""
        if self._next is None:
            if session in self._direct:
                self._begin_turn()
            if self._spent < TURN and len(self._direct) < VISITS:
                self._direct.add(session)
                begin = self._clock.seconds()
                session.serve(QUANTUM)
                self._spent += max(self._clock.seconds() - begin, 0.0)
                return
        if session in self._fair:
            session.pause()
        else:
            self.add(session)

    def add(self, session: Served) -> None:
        """Have a session served in its turn."""
        self._fair.add(session)
        if self._next is None:
            self._next = self._clock.callLater(0, self._turn)

    def remove(self, session: Served) -> None:
        """Forget a session that ends."""
        self._fair.remove(session)
        self._direct.discard(session)

    def _begin_turn(self) -> None:
        self._direct.clear()
        self._spent = 0.0

    def _turn(self) -> None:
        self._begin_turn()
        fair, end = self._fair, self._clock.seconds() + TURN
        try:
            for _ in range(VISITS):
                session = fair.next()
                if session is None:
                    break
                self._serve(session)
                if self._clock.seconds() >= end:
                    break
        finally:
            self._next = self._clock.callLater(0, self._turn) if fair else None

    def _serve(self, session: Served) -> None:
        cost = None
        try:
            cost = session.serve(QUANTUM)
        finally:
            if cost is None:
                self.remove(session)
                session.abort()
        if session in self._fair:  # it may have ended
            self._fair.charge(session, cost)
            if session.drained:
                self._fair.drained(session)
                session.resume()
