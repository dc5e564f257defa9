"""Keeps the reactor's timers right when the clock is set: Twisted counts them by the time of day.

Set back by an hour, the clock would have every timer wait for an hour more: handshakes that take too long, Router
Advertisements, reconnecting. Set forward, it would have all of them be up at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..net.interfaces import IReactor

LEAST = 1.0
"""Seconds by which the clock must have been set; slewing it, as NTP does for less, needs nothing."""


def boot_time() -> float:
    """Return the seconds since the machine was started, which nobody sets, and which go on while it sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Timekeeper:
    """The reactor's clock: the time of day, and when that is set, a moment later, all timers with it.

    In that moment it goes on as if nothing had happened, so that no timer is up by mistake.
    """

    def __init__(
        self, reactor: IReactor, day: Callable[[], float] = time.time, steady: Callable[[], float] = boot_time
    ) -> None:
        self._reactor = reactor
        self._day = day
        self._steady = steady
        self._last = day(), steady()
        self._jump = 0.0

    def install(self) -> None:
        """Be the reactor's clock from now on."""
        setattr(self._reactor, "seconds", self.seconds)  # noqa: B010  # a method, to the type checker

    def seconds(self) -> float:
        """Return the time of day, in seconds since 1970."""
        day, steady = now = self._day(), self._steady()
        jump = day - self._last[0] - (steady - self._last[1])
        self._last = now
        if abs(jump) >= LEAST:
            if not self._jump:
                self._reactor.callFromThread(self._follow)  # it may be going through its timers just now
            self._jump += jump
        return day - self._jump

    def _follow(self) -> None:
        before = self.seconds()
        waiting = [(call, call.getTime() - before) for call in self._reactor.getDelayedCalls()]
        self._jump = 0.0
        for call, left in waiting:
            call.reset(max(left, 0.0))
