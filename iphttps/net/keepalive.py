"""Notices that a client has received nothing for a while; packets that it sends itself are no sign of life."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Keepalive"]


class Keepalive:
    """Calls `check` while nothing is received, one session at a time, from `start` to `stop`.

    `seconds` is the interval; 0 is never. The time without a received packet before a call is at most the interval,
    because the count is compared twice in it.
    """

    def __init__(self, clock: IReactorTime, seconds: float, check: Callable[[], None]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._check = check
        self._next: IDelayedCall | None = None

    def start(self, received: Callable[[], int]) -> None:
        """Start; `received` returns the number of packets received so far."""
        self.stop()
        if self._seconds:
            self._wait(received, received())

    def stop(self) -> None:
        """Stop."""
        if self._next and self._next.active():
            self._next.cancel()
        self._next = None

    def _wait(self, received: Callable[[], int], before: int) -> None:
        self._next = self._clock.callLater(self._seconds / 2, self._compare, received, before)

    def _compare(self, received: Callable[[], int], before: int) -> None:
        now = received()
        self._wait(received, now)  # before the check, which can end the session
        if now == before:
            self._check()
