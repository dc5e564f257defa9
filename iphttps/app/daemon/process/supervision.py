"""Keeps the service manager informed: ready, what the daemon is at, alive, reloading, stopping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ....host.process.systemd import ServiceManager
from ....net.interfaces import IReactor
from ..state import DaemonState

LOOK = 1.0
"""Seconds between two looks at what the daemon is at."""

PATIENCE = 20.0
"""Seconds after which a daemon is called ready although it has not come up: it goes on trying.

A boot shall not wait for somebody else's server, and systemd would end what is not ready after 90 seconds.
"""


class Supervision:
    """Tells a service manager about a daemon, from `start` to `stop`."""

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
        """Look every second from now on, if anybody wants to know."""
        self._began = self._clock()
        if self._manager:
            self._reactor.callLater(0, self.look)  # the daemon is just being started
            threading.Thread(target=self._tick, name="supervision", daemon=True).start()

    def _tick(self) -> None:
        # Not from here to the manager, which is to hear only of a reactor that turns.
        while not self._ended.wait(LOOK):
            self._reactor.callFromThread(self.look)

    def look(self) -> None:
        """Tell what there is to tell now."""
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
        # What did not go out is tried again with the next look.
        if words and self._manager.tell(**words):
            self._ready, self._text = ready, condition.text

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Tell that the configuration is read again, and when that is over, however it ended."""
        self._manager.tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
        try:
            yield
        finally:
            self._ready = self._manager.tell(READY=1)

    def stopping(self) -> None:
        """Tell that the daemon ends; that it is alive is still told."""
        self._stopping = True
        self._manager.tell(STOPPING=1, STATUS="ending the sessions")

    def stop(self) -> None:
        """Tell nothing more."""
        self._ended.set()
