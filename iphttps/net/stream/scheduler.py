"""Lets work that takes its time through piece by piece, so that everything else goes on meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

REST = 4
"""How much time the others have for themselves, for each second that a piece of work took."""

NOTHING = 0.0002
"""Seconds that a turn of the reactor takes in which there was nothing to do, at most."""


class HandshakeScheduler:
    """Pieces of work wait here for each other, in the order in which they came.

    There is one in a turn of the reactor at most; and after it the others have their time, unless they do not want it.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: deque[Callable[[], None]] = deque()
        self._next: IDelayedCall | None = None
        self._rest = 0.0
        self._end = self._turned = 0.0

    def submit(self, work: Callable[[], None]) -> None:
        """Do the work, now or in a later turn."""
        self._waiting.append(work)
        if not self._next:
            self._do()

    def _turn(self) -> None:
        now = self._clock.seconds()
        wanted, self._turned = now - self._turned > NOTHING, now
        if wanted and now - self._end < self._rest:
            self._next = self._clock.callLater(0, self._turn)
        elif self._waiting:
            self._do()
        else:
            self._next = None

    def _do(self) -> None:
        self._next = self._clock.callLater(0, self._turn)
        begin = self._clock.seconds()
        self._waiting.popleft()()
        self._end = self._turned = self._clock.seconds()
        self._rest = REST * (self._end - begin)
