"""Scheduling of TLS handshakes, which are CPU-intensive, so that established sessions are not delayed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

REST_FACTOR = 4
"""Seconds reserved for other work after each second of handshakes: handshakes get at most 20 % of reactor time."""

IDLE_TURN = 0.0002
"""Maximum seconds of an idle reactor turn."""


class HandshakeScheduler:
    """A FIFO queue of handshake steps.

    At most one step runs per reactor turn. After it, other work gets `REST_FACTOR` times its duration, or less if the
    reactor is idle.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: deque[Callable[[], None]] = deque()
        self._next: IDelayedCall | None = None
        self._rest = 0.0
        self._end = self._turned = 0.0

    def submit(self, work: Callable[[], None]) -> None:
        """Run the work now or in a later reactor turn."""
        self._waiting.append(work)
        if not self._next:
            self._do()

    def _turn(self) -> None:
        now = self._clock.seconds()
        wanted, self._turned = now - self._turned > IDLE_TURN, now
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
        self._rest = REST_FACTOR * (self._end - begin)
