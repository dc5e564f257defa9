"""The log lines of sessions, at their begin and end, with their data and totals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..core.counters import Counters
from ..core.identity import Identity
from ..core.ip.address import IPAddress
from .session_lines import SessionLines

TOTALS = (
    "{packets_in} packets ({bytes_in} bytes) in, {packets_out} ({bytes_out} bytes) out, {dropped} dropped,"
    " {seconds:g} seconds"
)
"""The format of the totals at the end of a line."""


def totals(counted: Counters, begin: float, end: float) -> dict[str, Any]:
    """Return the fields of a record: packets, bytes, drops by reason, and duration.

    `seconds` is never negative, even if the clock was set back.
    """
    drops = {reason.name.lower(): number for reason, number in counted.drops.items() if number}
    return {
        "packets_in": counted.packets_in,
        "bytes_in": counted.bytes_in,
        "packets_out": counted.packets_out,
        "bytes_out": counted.bytes_out,
        "dropped": sum(drops.values()),
        "drops": drops,
        "seconds": round(max(end - begin, 0.0), 1),
    }


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """The data of a client's session: server URI, proxy, cipher suite, counters, start time."""

    uri: str
    proxy: str | None
    suite: str | None
    counters: Counters
    since: float

    def ended(self, log: Logger, reason: str, now: float) -> None:
        """Write the record."""
        log.info(
            "the session with {uri} has ended: {reason}; " + TOTALS,
            event="session-ended",
            uri=self.uri,
            proxy=self.proxy,
            suite=self.suite,
            reason=reason,
            **totals(self.counters, self.since, now),
        )


class Entry(Protocol):
    """The entry of a client in a server's table."""

    @property
    def number(self) -> int: ...
    @property
    def peer(self) -> str: ...
    @property
    def suite(self) -> str | None: ...
    @property
    def counters(self) -> Counters: ...
    @property
    def since(self) -> float: ...


class SessionLog:
    """Logs the begin and end of a server's sessions: both lines of a session, or neither if there are too many."""

    def __init__(self, clock: IReactorTime, log: Logger) -> None:
        self._clock = clock
        self._log = log
        self._lines = SessionLines(clock, log)
        self._unlogged: set[int] = set()

    def opened(self, entry: Entry, address: IPAddress | None, identity: Identity | str | None) -> None:
        """Log the begin of a client's session; `address` is its outer address, None if unknown."""
        if self._lines.wanted(address, identity):
            said = entry.suite or "without TLS"
            fields = named(entry, identity)
            self._log.info("{who} connected, {suite}", event="session-opened", suite=said, **fields)
        else:
            self._unlogged.add(entry.number)

    def ended(self, entry: Entry, identity: Identity | str | None, reason: str) -> None:
        """Log the end of a client's session, if its begin was logged."""
        if entry.number in self._unlogged:
            self._unlogged.remove(entry.number)
            return
        self._log.info(
            "{who} disconnected: {reason}; " + TOTALS,
            event="session-ended",
            reason=reason,
            suite=entry.suite,
            **named(entry, identity),
            **totals(entry.counters, entry.since, self._clock.seconds()),
        )

    def close(self) -> None:
        """Report the number of sessions that were not logged."""
        self._lines.close()


def named(entry: Entry, identity: Identity | str | None) -> dict[str, Any]:
    """Return the log fields that identify a client."""
    return {
        "who": str(entry),
        "client": entry.number,
        "identity": None if identity is None else str(identity),
        "peer": entry.peer,
    }
