"""Sending to many connections in small steps, one per reactor turn, so that other work is not delayed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ...core.ip.batch import Batch
from ...core.iphttps.clients import ClientEntry, ClientTable

TURN = 0.002
"""Maximum seconds of sending per reactor turn: each packet is encrypted separately for each client."""

MAXIMUM_WAITING = 1000
MAXIMUM_WAITING_OF_SOURCE = 8
"""Maximum number of waiting batches for all clients, in total and from one source."""

Packets = Iterator[tuple[ClientEntry, Batch]]


class Fanout:
    """A queue of packets for many clients; a client that leaves the table in the meantime gets none.

    `deliver` sends a batch to one client, by default with `Connection.send`.
    """

    def __init__(
        self, clock: IReactorTime, table: ClientTable, deliver: Callable[[ClientEntry, Batch], None] | None = None
    ) -> None:
        self._clock = clock
        self._table = table
        self._deliver = deliver or _send
        self._waiting: deque[tuple[object, Packets]] = deque()
        self._next: IDelayedCall | None = None

    def send(self, packets: Iterable[tuple[ClientEntry, Batch]], source: object = None) -> None:
        """Send each client its batch, at once or after the packets that are waiting."""
        self._waiting.append((source, iter(packets)))
        if not self._next:
            self._go_on()

    def send_to_all(self, batch: Batch, but: ClientEntry | None = None) -> bool:
        """Send a batch to all clients but its source `but`; return False if too many are waiting."""
        if (
            len(self._waiting) >= MAXIMUM_WAITING
            or sum(source is but for source, _ in self._waiting) >= MAXIMUM_WAITING_OF_SOURCE
        ):
            return False
        self.send(self._to_all(batch, but), but)
        return True

    def _to_all(self, batch: Batch, but: ClientEntry | None) -> Packets:
        for entry in self._table:  # evaluated when its turn comes, not when queued
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


def _send(entry: ClientEntry, batch: Batch) -> None:
    entry.connection.send(batch)
