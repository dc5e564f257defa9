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
from .stream.write_through import QUEUE

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
        self._paused = False
        self._owes = False
        """True while the client has sent more than its rate allows, and its connection is not read for that."""
        self._most_read = QUEUE

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
            self._stop_reading()
        else:
            self._read_again()

    def _stop_reading(self) -> None:
        if not self._paused:
            self._paused = True
            self._reading.pauseProducing()

    def _read_again(self) -> None:
        if self._paused and not self._owes:
            self._paused = False
            self._reading.resumeProducing()

    # What the limit of its rate calls.

    def pause_reading(self) -> None:
        """Read no more, until `resume_reading` is called."""
        self._owes = True
        self._stop_reading()

    def resume_reading(self) -> None:
        """Read again, unless work is put off, too."""
        self._owes = False
        if not self._put_off:
            self._read_again()

    def bound_reads(self, size: int | None) -> None:
        """Read at most `size` bytes of the connection at a time; None is the default."""
        before, self._most_read = self._most_read, min(size or QUEUE, QUEUE)
        if self.connected and before != self._most_read:
            self._carrier.bufferSize = min(self.backlog.room, self._most_read)

    def attached(self) -> None:
        """Start using the transport, whose one size is that of its reads and of its buffer."""
        super().attached()
        self._carrier.bufferSize = min(self._carrier.bufferSize, self._most_read)

    def resumeProducing(self) -> None:
        """Leave congestion; subclasses extend this."""
        super().resumeProducing()
        self._carrier.bufferSize = min(self._carrier.bufferSize, self._most_read)

    # The end.

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
        self._owes = False
        self._read_again()
        super().disconnect(sentence)
