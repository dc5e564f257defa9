"""A base class for periodic checks that continue after an exception."""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Poller:
    """Calls `look` every `interval` seconds; unlike LoopingCall, it continues after an exception."""

    def __init__(self, clock: IReactorTime, interval: float) -> None:
        self._clock = clock
        self._interval = interval
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Check now and then periodically. Call it after privileges are dropped, so that file access is as it stays."""
        self._turn()

    def stop(self) -> None:
        """Stop checking."""
        if self._call:
            self._call.cancel()
            self._call = None

    def _turn(self) -> None:
        # Schedule the next call first, so that polling continues even if `look` raises.
        self._call = self._clock.callLater(self._interval, self._turn)
        self.look()

    def look(self) -> None:
        """Check once; subclasses implement it."""
        raise NotImplementedError
