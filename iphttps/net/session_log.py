"""The record of a session, logged at its end, with its data and totals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.logger import Logger

from ..core.counters import Counters

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
