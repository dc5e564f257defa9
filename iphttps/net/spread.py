"""Sends to many connections without keeping the reactor from the others: a little in each of its turns."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ..core.clients import ClientEntry, ClientTable
from ..core.framing import Batch

TURN = 0.002
"""Seconds that sending may take in one turn of the reactor; for each client a packet is encrypted anew."""


class Spread:
    """Packets on their way to many clients; who leaves the table meanwhile gets none."""

    def __init__(self, clock: IReactorTime, table: ClientTable) -> None:
        self._clock = clock
        self._table = table
        self._waiting: deque[tuple[ClientEntry, Batch]] = deque()
        self._next: IDelayedCall | None = None

    def send(self, packets: Iterable[tuple[ClientEntry, Batch]]) -> None:
        """Begin at once, or after those that wait already."""
        self._waiting.extend(packets)
        if not self._next:
            self._go_on()

    def stop(self) -> None:
        """Send no more of them."""
        self._waiting.clear()
        if self._next:
            self._next.cancel()
            self._next = None

    def _go_on(self) -> None:
        end = self._clock.seconds() + TURN
        while self._waiting:
            entry, batch = self._waiting.popleft()
            if entry in self._table:
                entry.connection.send(batch)
            if self._clock.seconds() >= end:
                break
        self._next = self._clock.callLater(0, self._go_on) if self._waiting else None
