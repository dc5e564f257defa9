"""The log of sessions, which nobody can fill by coming and going.

An identity has lines for so many sessions in a time, whatever others do. Where anybody may connect, a source has, and
all sources together have; what is left out is counted, and told later.
"""

from __future__ import annotations

from collections import Counter

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ..core.identity import Identity
from ..core.ip.address import IPAddress
from ..core.sources import place, written

LINES = 64
LINES_TOGETHER = 600
WINDOW = 60.0
"""So many sessions of one identity or source, and of all sources, are logged that begin in so many seconds."""

TOLD = 10
"""Of how many sources it is told by name what was left out; that of others is told in one number."""

OTHERS = "other sources"


class SessionLines:
    """Decides whether a session is logged: both its lines, that it began and that it ended, or neither."""

    def __init__(self, clock: IReactorTime, log: Logger) -> None:
        self._clock = clock
        self._log = log
        self._lines: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._together = 0
        self._report: IDelayedCall | None = None

    def wanted(self, address: IPAddress | None, identity: Identity | None = None) -> bool:
        """Tell whether a session that begins now is to be logged, and count it: by its identity, or by its address."""
        anonymous = identity is None
        source = str(identity) if identity else written(place(address)[0]) if address else "fronts"
        if self._report is None:
            self._report = self._clock.callLater(WINDOW, self.close)
        if self._lines[source] < LINES and not (anonymous and self._together >= LINES_TOGETHER):
            self._lines[source] += 1
            self._together += anonymous
            return True
        known = not anonymous or source in self._left_out or len(self._left_out) < TOLD
        self._left_out[source if known else OTHERS] += 1
        return False

    def close(self) -> None:
        """Tell now what was left out, and begin anew."""
        if self._report and self._report.active():
            self._report.cancel()
        self._report = None
        for source, count in self._left_out.items():
            self._log.warn(
                "suppressed the lines about {count} more sessions of {source}, which began within {seconds:g} s",
                event="sessions-more",
                count=count,
                source=source,
                seconds=WINDOW,
            )
        self._lines.clear()
        self._left_out.clear()
        self._together = 0
