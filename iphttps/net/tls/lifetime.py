"""Ends each session when a certificate of the peer's chain does (RFC 5280 section 4.1.2.5)."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from ..stream.poller import Poller

INTERVAL = 2.0
"""Seconds between two looks, and so the longest that a session outlives its certificate."""


class LifetimeWatch(Poller):
    """Has sessions ended that are over. They are looked through only when the first of them is due."""

    def __init__(self, clock: IReactorTime, end_overdue: Callable[[], None], interval: float = INTERVAL) -> None:
        super().__init__(clock, interval)
        self._end_overdue = end_overdue

    def look(self) -> None:
        """End the sessions whose time has come, by the time of day."""
        self._end_overdue()
