"""Notifies the service manager: ready, status, watchdog, reloading, stopping (sd_notify(3))."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ....host.process.systemd import ServiceManager
from ....net.interfaces import IReactor
from ..state import DaemonState

LOOK = 1.0
"""Seconds between two checks of the daemon's state."""

PATIENCE = 20.0
"""Seconds after which a daemon is reported ready although it is not up; it continues to try.

A boot must not wait for a remote server, and systemd stops a service that is not ready after 90 seconds.
"""


class Supervision:
    """Reports the state of a daemon to the service manager, from `start` to `stop`."""

    def __init__(
        self,
        reactor: IReactor,
        manager: ServiceManager,
        condition: Callable[[], DaemonState],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reactor = reactor
        self._manager = manager
        self._condition = condition
        self._clock = clock
        self._ended = threading.Event()
        self._stopping = False
        self._ready = False
        self._text = ""
        self._began = self._fed = clock()

    def start(self) -> None:
        """Check and report every second, if there is a service manager."""
        self._began = self._clock()
        if self._manager:
            self._reactor.callLater(0, self.look)  # after the start of the daemon has completed
            threading.Thread(target=self._tick, name="supervision", daemon=True).start()

    def _tick(self) -> None:
        # Only the reactor's thread notifies the manager, so that a blocked reactor trips the watchdog.
        while not self._ended.wait(LOOK):
            self._reactor.callFromThread(self.look)

    def look(self) -> None:
        """Send any notification that is due."""
        if self._ended.is_set():
            return
        now, interval = self._clock(), self._manager.watchdog
        if interval and now - self._fed >= interval / 2 - LOOK:
            self._manager.tell(WATCHDOG=1)
            self._fed = now
        if self._stopping:
            return
        condition = self._condition()
        ready = self._ready or condition.up or now - self._began >= PATIENCE
        words: dict[str, str | int] = {"READY": 1} if ready and not self._ready else {}
        if condition.text != self._text:
            words["STATUS"] = condition.text
        # A notification that was not sent is retried at the next check.
        if words and self._manager.tell(**words):
            self._ready, self._text = ready, condition.text

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Notify the manager of the start of a reload, and of its end, even if it fails."""
        self._manager.tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
        try:
            yield
        finally:
            self._ready = self._manager.tell(READY=1)

    def stopping(self) -> None:
        """Notify the manager that the daemon is stopping; watchdog notifications continue."""
        self._stopping = True
        self._manager.tell(STOPPING=1, STATUS="ending the sessions")

    def stop(self) -> None:
        """Stop sending notifications."""
        self._ended.set()
