"""End of sessions whose peer's certificate chain has expired (RFC 5280 section 4.1.2.5)."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from ..stream.poller import Poller

INTERVAL = 2.0
"""Seconds between two checks, and so the maximum time that a session outlives its certificate."""


class LifetimeWatch(Poller):
    """A poller that ends expired sessions by calling `end_overdue`, which is cheap while none is due."""

    def __init__(self, clock: IReactorTime, end_overdue: Callable[[], None], interval: float = INTERVAL) -> None:
        super().__init__(clock, interval)
        self._end_overdue = end_overdue

    def look(self) -> None:
        """End the sessions whose certificates have expired by the time of day."""
        self._end_overdue()
