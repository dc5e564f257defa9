"""Notifies the client of network changes, resume from suspend, and changed addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from ....host.kernel.monitor import News
from ....host.process.suspend import SuspendDetector, clocks
from ....net.interfaces import IReactor
from ....net.log import logger

DEBOUNCE = 0.5
"""Seconds from the first of several changes until the client is notified of all of them at once."""

PAUSE = 2.0
"""Minimum seconds between two notifications: a network may change constantly, and each may cause an attempt."""

SUSPEND_INTERVAL = 2.0
"""Seconds between two checks of the clocks."""


class Monitor(Protocol):
    """A source of change notifications, such as a netlink socket."""

    def fileno(self) -> int:
        """Return the descriptor, readable while notifications are pending."""

    def read(self) -> News:
        """Return pending notifications; raises OSError when the source has failed."""

    def close(self) -> None:
        """Close the source."""


@implementer(IReadDescriptor)
class HostWatch:
    """Watches the monitor and the clocks.

    `changed` is called shortly after a change of the host's network, `resumed` after a suspension; `addressed` when the
    addresses of our interface may have changed; `announced` with the options of a Router Advertisement received there.
    """

    log = logger()

    def __init__(
        self,
        reactor: IReactor,
        monitor: Monitor,
        *,
        changed: Callable[[], None],
        resumed: Callable[[], None],
        addressed: Callable[[], None],
        announced: Callable[[tuple[bytes, ...]], None],
        clocks: Callable[[], tuple[float, float]] = clocks,
    ) -> None:
        self._reactor = reactor
        self._monitor = monitor
        self._changed = changed
        self._resumed = resumed
        self._addressed = addressed
        self._announced = announced
        self._clocks = clocks
        self._suspend = SuspendDetector()
        self._soon: IDelayedCall | None = None
        self._poll: IDelayedCall | None = None
        self._last = reactor.seconds() - PAUSE

    def start(self) -> None:
        """Start watching."""
        self._reactor.addReader(self)
        self._look()

    def stop(self) -> None:
        """Stop watching."""
        self._reactor.removeReader(self)
        for call in (self._soon, self._poll):
            if call and call.active():
                call.cancel()
        self._soon = self._poll = None

    def _look(self) -> None:
        self._poll = self._reactor.callLater(SUSPEND_INTERVAL, self._look)
        if self._suspend.resumed(*self._clocks()):
            self._tell(self._resumed)

    def doRead(self) -> None:
        """Read pending notifications."""
        try:
            news = self._monitor.read()
        except OSError as error:
            self._monitor_failed(error.strerror)
            return
        if news.options:
            self._announced(news.options)
        if news.own:
            self._addressed()
        if news.others and not (self._soon and self._soon.active()):
            wait = max(DEBOUNCE, self._last + PAUSE - self._reactor.seconds())
            self._soon = self._reactor.callLater(wait, self._tell, self._changed)

    def _tell(self, what: Callable[[], None]) -> None:
        self._last = self._reactor.seconds()
        what()

    def _monitor_failed(self, reason: str | None) -> None:
        self._reactor.removeReader(self)
        self.log.error("the kernel no longer reports network changes: {reason}", event="kernel-silent", reason=reason)

    def fileno(self) -> int:
        """Return the monitor's descriptor."""
        return self._monitor.fileno()

    def connectionLost(self, reason: Failure) -> None:
        """Report that the descriptor has failed."""
        self._monitor_failed(reason.getErrorMessage())

    def logPrefix(self) -> str:
        """Return the name used in the log."""
        return "network"
