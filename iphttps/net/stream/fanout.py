"""Sending to many connections in small steps, one per reactor turn, so that other work is not delayed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ...core.ip.batch import Batch

TURN = 0.002
"""Maximum seconds of sending per reactor turn: each packet is encrypted separately for each client."""

MAXIMUM_WAITING = 1000
MAXIMUM_WAITING_OF_SOURCE = 8
"""Maximum number of waiting batches for all clients, in total and from one source."""

E = TypeVar("E")


class Table(Protocol[E]):
    """A collection of the present clients."""

    def __contains__(self, entry: E, /) -> bool: ...
    def __iter__(self) -> Iterator[E]: ...


class Fanout(Generic[E]):
    """Sends packets to many clients in steps; a client that leaves the table in the meantime is skipped.

    `deliver` sends a batch to one client.
    """

    def __init__(self, clock: IReactorTime, table: Table[E], deliver: Callable[[E, Batch], object]) -> None:
        self._clock = clock
        self._table = table
        self._deliver = deliver
        self._waiting: deque[tuple[object, Iterator[tuple[E, Batch]]]] = deque()
        self._next: IDelayedCall | None = None

    def send(self, packets: Iterable[tuple[E, Batch]], source: object = None) -> None:
        """Send packets now, or after those already waiting."""
        self._waiting.append((source, iter(packets)))
        if not self._next:
            self._go_on()

    def send_to_all(self, batch: Batch, but: E | None = None) -> bool:
        """Send a batch to all clients except its origin `but`; return False if too many batches are waiting."""
        of_source = sum(source is but for source, _ in self._waiting)
        if len(self._waiting) >= MAXIMUM_WAITING or of_source >= MAXIMUM_WAITING_OF_SOURCE:
            return False
        self.send(self._to_all(batch, but), but)
        return True

    def _to_all(self, batch: Batch, but: E | None) -> Iterator[tuple[E, Batch]]:
        for entry in self._table:  # evaluated when this batch is sent
            if entry is not but:
                yield entry, batch

    def stop(self) -> None:
        """Discard the waiting packets."""
        self._waiting.clear()
        if self._next:
            self._next.cancel()
            self._next = None

    def _go_on(self) -> None:
        self._next = None
        end = self._clock.seconds() + TURN
        while self._waiting:
            for entry, batch in self._waiting[0][1]:
                if entry in self._table:
                    self._deliver(entry, batch)
                if self._clock.seconds() >= end:
                    self._next = self._clock.callLater(0, self._go_on)
                    return
            self._waiting.popleft()
