"""The Client Table: an entry for each client connected (3.2.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from ..counters import Counters
from ..identity import Identity
from ..ip.batch import Batch
from ..limits import TokenBucket

LINK_TRAFFIC_RATE = 100.0
LINK_TRAFFIC_BURST = 200.0
"""Packets of multicast and Neighbor Discovery that are taken from one client: in a second, and at once."""

MULTIPLIED_RATE = 1_000_000.0
MULTIPLIED_BURST = 4_000_000.0
"""Bytes that are sent to other clients on behalf of one, a packet counted once for each that gets it: in a second, and
at once. A burst lets a client come up on a link of ten thousand: a probe for a duplicate address has 64 bytes.
"""


class Connection(Protocol):
    """The HTTP connection over which a client has connected, as far as the core uses it."""

    def send(self, batch: Batch) -> None:
        """Send whole packets, or drop and count them if the connection is full."""

    def send_urgent(self, batch: Batch) -> bool:
        """Send packets of the link's own Neighbor Discovery ahead of data that waits.

        Returns False if they have not been sent: they wait, or even the room reserved for them is full, which is
        counted as a drop.
        """

    def disconnect(self, sentence: str) -> None:
        """End the session for the reason given; what was sent before still goes out if the peer takes it in time."""


@dataclass(slots=True, eq=False)
class ClientEntry:
    """One client.

    `connection` is the spec's "HTTP Connection". `number` names the entry to people. `peer` is the outer
    address, `identity` what the certificate says, `suite` how the connection is encrypted. `proven` remembers
    headers whose packets passed policy. `advertised` and `answered` are when the client was last sent a Router
    Advertisement, by multicast and by unicast, in seconds. `link_traffic` bounds in packets what others must hear of
    it, `multiplied` in bytes for all who hear it.
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
    """The entries, in the order in which the clients came; at most `maximum` at a time.

    `per_identity` is how many sessions the bearers of one identity may have together; 0 is no limit.
    """

    def __init__(self, maximum: int, per_identity: int = 0) -> None:
        self.maximum = maximum
        self.per_identity = per_identity
        self._entries: dict[int, ClientEntry] = {}
        self._last = 0

    def surplus(self, identity: Identity | None) -> list[ClientEntry]:
        """Return the entries that must go before another of this identity comes: the oldest, for the newest wins."""
        if identity is None or not self.per_identity:
            return []
        same = [entry for entry in self if entry.identity == identity]
        return same[: max(len(same) + 1 - self.per_identity, 0)]

    def add(
        self, connection: Connection, peer: str, identity: Identity | None, now: float, suite: str | None = None
    ) -> ClientEntry | None:
        """Add an entry, or return None if the table is full: then the client gets no 200 (3.2.5.1)."""
        if len(self._entries) >= self.maximum:
            return None
        self._last += 1
        entry = ClientEntry(self._last, connection, peer, identity, now, suite)
        self._entries[entry.number] = entry
        return entry

    def remove(self, entry: ClientEntry) -> None:
        """Remove the entry of a client whose connection has ended (3.2.7.2)."""
        del self._entries[entry.number]

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, entry: ClientEntry) -> bool:
        return entry.number in self._entries

    def __iter__(self) -> Iterator[ClientEntry]:
        """Go through the entries as they are now; they may be removed meanwhile."""
        return iter(tuple(self._entries.values()))
