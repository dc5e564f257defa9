"""The Client Table: one entry per connected client (3.2.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from ..counters import Counters
from ..identity import Identity
from ..ip.batch import Batch
from ..limits import TokenBucket
from ..seats import Seats

__all__ = [
    "LINK_TRAFFIC_BURST",
    "LINK_TRAFFIC_RATE",
    "MULTIPLIED_BURST",
    "MULTIPLIED_RATE",
    "ClientEntry",
    "ClientTable",
    "Connection",
]

LINK_TRAFFIC_RATE = 100.0
LINK_TRAFFIC_BURST = 200.0
"""Multicast and Neighbor Discovery packets accepted from one client: per second, and as a burst."""

MULTIPLIED_RATE = 1_000_000.0
MULTIPLIED_BURST = 4_000_000.0
"""Bytes replicated to other clients for one sender, counted once per receiver: per second, and as a burst.

The burst lets a client come up on a link with ten thousand others: a Duplicate Address Detection probe has 64 bytes.
"""


class Connection(Protocol):
    """A client's HTTP connection, as far as the core uses it."""

    def send(self, batch: Batch) -> None:
        """Send whole packets, or drop and count them if the connection is congested."""

    def send_urgent(self, batch: Batch) -> bool:
        """Send the link's own Neighbor Discovery ahead of queued data.

        Returns False if the packets are not sent yet: they are queued, or dropped and counted if their reserved queue
        is full.
        """

    def disconnect(self, sentence: str) -> None:
        """End the session for the reason in `sentence`; data sent before still goes out if the peer reads it soon."""


@dataclass(slots=True, eq=False)
class ClientEntry:
    """One connected client.

    `connection` is the spec's "HTTP Connection". `number` identifies the entry to people. `peer` is the outer address,
    `identity` the names in the client's certificate, `suite` the cipher suite, `since` the time of the connection in
    seconds. `proven` holds the headers that the policy has accepted. `advertised` and `answered` are the times, in
    seconds, of the last Router Advertisement sent to the client by multicast and by unicast. `link_traffic` limits the
    client's multicast and Neighbor Discovery in packets, `multiplied` in bytes over all receivers.
    """

    number: int
    connection: Connection
    peer: str
    identity: Identity | None
    since: float
    suite: str | None = None
    counters: Counters = field(default_factory=Counters)
    proven: set[bytes] = field(default_factory=set)
    advertised: float = float("-inf")
    answered: float = float("-inf")
    link_traffic: TokenBucket = field(default_factory=lambda: TokenBucket(LINK_TRAFFIC_RATE, LINK_TRAFFIC_BURST))
    multiplied: TokenBucket = field(default_factory=lambda: TokenBucket(MULTIPLIED_RATE, MULTIPLIED_BURST))

    def __str__(self) -> str:
        return f"client {self.number} ({self.identity or 'not authenticated'}, {self.peer})"


class ClientTable:
    """The entries of all connected clients, oldest first; each takes one of the `seats`.

    `per_identity` is the maximum number of sessions per identity; 0 means no limit.
    """

    def __init__(self, seats: Seats, per_identity: int = 0, numbers: Iterator[int] | None = None) -> None:
        """Begin without entries; `numbers` yields their numbers. Tables of one port share it and the seats."""
        self.seats = seats
        self.per_identity = per_identity
        self._entries: dict[int, ClientEntry] = {}
        self._numbers = numbers or count(1)

    def surplus(self, identity: Identity | None) -> list[ClientEntry]:
        """Return the entries to remove before another session of this identity is added: the oldest ones."""
        if identity is None or not self.per_identity:
            return []
        same = [entry for entry in self if entry.identity == identity]
        return same[: max(len(same) + 1 - self.per_identity, 0)]

    def add(
        self, connection: Connection, peer: str, identity: Identity | None, now: float, suite: str | None = None
    ) -> ClientEntry | None:
        """Add an entry and return it, or None if the table is full: the client must then not get a 200 (3.2.5.1)."""
        if not self.seats.take():
            return None
        entry = ClientEntry(next(self._numbers), connection, peer, identity, now, suite)
        self._entries[entry.number] = entry
        return entry

    def remove(self, entry: ClientEntry) -> None:
        """Remove the entry of a client whose connection has ended (3.2.7.2)."""
        del self._entries[entry.number]
        self.seats.free()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, entry: ClientEntry) -> bool:
        return entry.number in self._entries

    def __iter__(self) -> Iterator[ClientEntry]:
        """Iterate over a snapshot of the entries, so that entries may be removed meanwhile."""
        return iter(tuple(self._entries.values()))
