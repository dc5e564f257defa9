"""Sessions whose work on received data is bounded in each turn of the reactor.

One read of the socket can contain thousands of small packets. Processing them all at once would delay reading the
device until its queue in the kernel overflows, and packets for other clients are lost. Packets of 1280 bytes do not
reach the limit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import cast

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime

from ..core.memory import SharedMemory
from .session import Session

__all__ = ["BUDGET", "PacedSession"]

BUDGET = 256
"""Maximum number of packets processed from one session in one turn of the reactor."""


class PacedSession(Session):
    """A session that puts off what is over its budget to later turns, and does not read its connection meanwhile.

    Work is an iterator that does one step for each value, which is the number of packets of that step.
    """

    def __init__(self, clock: IReactorTime, memory: SharedMemory) -> None:
        super().__init__(clock, memory=memory)
        self._put_off: deque[Iterator[int]] = deque()
        self._next: IDelayedCall | None = None
        self._pausing: set[object] = set()
        """The reasons for which the connection is not read."""

    def work(self, steps: Iterator[int]) -> None:
        """Do these steps behind those that wait: up to BUDGET now, the rest in later turns of the reactor."""
        self._put_off.append(steps)
        if not self._next:
            self._go_on()

    @property
    def _reading(self) -> IPushProducer:
        return cast(IPushProducer, self.transport)

    def _go_on(self) -> None:
        self._next = None
        left = BUDGET
        while left > 0 and self._put_off:
            done = next(self._put_off[0], None)
            if done is not None:
                left -= done
            elif self._put_off:  # the last step may have ended the session
                self._put_off.popleft()
        if self._put_off:
            self._next = self.clock.callLater(0, self._go_on)
            self.pause_reading(self)
        else:
            self.resume_reading(self)

    def pause_reading(self, reason: object) -> None:
        """Read the connection no more, until `resume_reading` is called for the same reason and all others."""
        if not self._pausing and self.transport:
            self._reading.pauseProducing()
        self._pausing.add(reason)

    def resume_reading(self, reason: object) -> None:
        """Read the connection again, unless it is paused for another reason, too."""
        if reason in self._pausing:
            self._pausing.remove(reason)
            if not self._pausing and self.transport:
                self._reading.resumeProducing()

    def settle(self) -> None:
        """Do now what was put off: the stream has ended, or its framing is lost."""
        while self._put_off:
            for _ in self._put_off.popleft():
                pass

    def drop_work(self) -> None:
        """Discard the queued work: the session has ended."""
        self._put_off.clear()
        if self._next:
            self._next.cancel()
            self._next = None

    def disconnect(self, sentence: str) -> None:
        """End the session; the connection is read again, to receive the peer's close_notify."""
        self.drop_work()
        for reason in tuple(self._pausing):
            self.resume_reading(reason)
        super().disconnect(sentence)
