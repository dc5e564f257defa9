"""Looks at something again and again, whatever comes of it."""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Poller:
    """Looks every `interval` seconds; `look` says at what. Unlike a LoopingCall it goes on after an exception."""

    def __init__(self, clock: IReactorTime, interval: float) -> None:
        self._clock = clock
        self._interval = interval
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Look now, and from now on; call it when the program is the user that it will stay."""
        self._turn()

    def stop(self) -> None:
        """Look no more."""
        if self._call:
            self._call.cancel()
            self._call = None

    def _turn(self) -> None:
        # First of all: whatever happens below, this goes on.
        self._call = self._clock.callLater(self._interval, self._turn)
        self.look()

    def look(self) -> None:
        """Look once."""
        raise NotImplementedError
