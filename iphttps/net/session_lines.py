"""The log of sessions, rate-limited so that repeated connections cannot fill it.

The number of logged sessions within a window is limited per identity, which is a certificate's or a user's name,
independently of other identities. Without one it is limited per source and for all sources together. Omitted sessions
are counted and reported later.
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
"""Maximum number of logged sessions per identity or source, and of all sources together, within WINDOW seconds."""

TOLD = 10
"""Maximum number of sources whose omitted sessions are reported separately; others are reported as one total."""

OTHERS = "other sources"


class SessionLines:
    """Decides whether a session is logged: both its lines, at begin and end, or neither."""

    def __init__(self, clock: IReactorTime, log: Logger) -> None:
        self._clock = clock
        self._log = log
        self._lines: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._together = 0
        self._report: IDelayedCall | None = None

    def wanted(self, address: IPAddress | None, identity: Identity | str | None = None) -> bool:
        """Return whether to log a session that begins now, and count it by its identity or else its address."""
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
        """Report the omitted sessions and start a new window."""
        if self._report and self._report.active():
            self._report.cancel()
        self._report = None
        for source, count in self._left_out.items():
            self._log.warn(
                "omitted the lines about {count} more sessions of {source}, which began within {seconds:g} s",
                event="sessions-more",
                count=count,
                source=source,
                seconds=WINDOW,
            )
        self._lines.clear()
        self._left_out.clear()
        self._together = 0
