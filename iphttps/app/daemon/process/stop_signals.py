"""Signals that stop or reload a daemon: none is lost, and none interrupts its start or its shutdown.

Until the reactor runs and installs Twisted's handlers, the default action would kill the process without restoring the
host's settings. Therefore the signals are blocked from the start, stay pending in the kernel, and are delivered once
the reactor runs. After the first signal that stops the daemon, further ones are ignored.

Before that, while modules are imported, the host is unchanged, and each of these signals ends the process immediately;
for SIGINT the plugin in twisted/plugins arranges this. A SIGINT is lost only in the tenth of a second in which Twisted
loads other plugins before that one, because Twisted's loader swallows KeyboardInterrupt.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

from twisted.internet.interfaces import IReactorCore

STOPPING = (signal.SIGINT, signal.SIGTERM)
"""The signals for which Twisted stops the reactor."""

HELD = (signal.SIGHUP, *STOPPING)


class StopSignals:
    """The stop signals of one process; programs started before the reactor runs inherit the signal mask."""

    def __init__(self, reactor: IReactorCore) -> None:
        """Block the signals until the reactor runs."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # set by the plugin; Twisted replaces only Python's own
            signal.signal(signal.SIGINT, signal.default_int_handler)
        reactor.callWhenRunning(self._release)

    def _release(self) -> None:
        for number in STOPPING:
            before = signal.getsignal(number)
            if callable(before):
                signal.signal(number, self._once(before))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)

    def _once(self, stop: Callable[[int, FrameType | None], object]) -> Callable[[int, FrameType | None], None]:
        def first(number: int, frame: FrameType | None) -> None:
            self.disregard()
            stop(number, frame)

        return first

    def disregard(self) -> None:
        """Ignore further signals, so that the daemon completes its shutdown."""
        for number in HELD:
            # Not SIG_IGN: Python reports a signal caught just before the change as lost to a race.
            signal.signal(number, _nothing)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Ignore a signal."""
