"""The table of SSTP sessions: one entry for each connection with a call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from ..counters import Counters
from ..ip.batch import Batch
from .policy import Sources
from .ppp.lcp import MRU

__all__ = ["Connection", "SessionEntry", "SessionTable"]


class Connection(Protocol):
    """The interface of a client's connection used by core."""

    def send(self, batch: Batch) -> None:
        """Send whole packets, or drop and count them if the connection is congested."""

    def disconnect(self, sentence: str) -> None:
        """End the session for the reason in `sentence`."""


@dataclass(slots=True, eq=False)
class SessionEntry:
    """One session.

    `number` identifies it in output and commands, `peer` is the client's outer address, `since` the time of the
    connection in seconds, `suite` the cipher suite. `user` is the user's name after authentication, else empty.
    `sources` holds the client's inner addresses, `address` its IPv4 address from the pool, empty without one. `ending`
    means that the call is ending or has ended, and only the connection remains. `mtu` is the maximum length of a packet
    to the client. `advertised` and `answered` are the times of the last unsolicited and solicited Router Advertisement.
    """

    number: int
    connection: Connection
    peer: str
    since: float
    suite: str | None = None
    user: str = ""
    counters: Counters = field(default_factory=Counters)
    sources: Sources[int] = field(init=False)
    address: bytes = b""
    ending: bool = False
    mtu: int = MRU
    advertised: float = float("-inf")
    answered: float = float("-inf")

    def __post_init__(self) -> None:
        """Set the session's key in the table of addresses."""
        self.sources = Sources(self.number)

    def __str__(self) -> str:
        return f"client {self.number} ({self.user or 'not authenticated'}, {self.peer})"


class SessionTable:
    """The entries of all sessions, oldest first; at most `maximum` at a time.

    `per_user` is the maximum number of sessions of one user; 0 means no limit.
    """

    def __init__(self, maximum: int, per_user: int = 0, numbers: Iterator[int] | None = None) -> None:
        """Create an empty table; `numbers` yields the session numbers if several tables share them."""
        self.maximum = maximum
        self.per_user = per_user
        self._entries: dict[int, SessionEntry] = {}
        self._numbers = numbers or count(1)

    def add(self, connection: Connection, peer: str, now: float, suite: str | None = None) -> SessionEntry | None:
        """Add an entry and return it, or None if the table is full."""
        if len(self._entries) >= self.maximum:
            return None
        entry = SessionEntry(next(self._numbers), connection, peer, now, suite)
        self._entries[entry.number] = entry
        return entry

    def surplus(self, user: str) -> list[SessionEntry]:
        """Return the entries to remove before another session of this user begins: the oldest ones."""
        same = self.of_user(user)
        return same[: max(len(same) + 1 - self.per_user, 0)] if self.per_user else []

    def of_user(self, user: str) -> list[SessionEntry]:
        """Return the entries of a user, oldest first, without those that are ending."""
        return [entry for entry in self._entries.values() if entry.user == user and not entry.ending]

    def get(self, number: int) -> SessionEntry | None:
        """Return the entry with this number."""
        return self._entries.get(number)

    def remove(self, entry: SessionEntry) -> None:
        """Remove the entry of a connection that has ended."""
        del self._entries[entry.number]

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, entry: SessionEntry) -> bool:
        return entry.number in self._entries

    def __iter__(self) -> Iterator[SessionEntry]:
        """Iterate over a snapshot of the entries, so that entries may be removed meanwhile."""
        return iter(tuple(self._entries.values()))
