"""Signals that end or reload a daemon: none is lost, and none ends it halfway, from before its start to its end.

Until the reactor runs, and installs Twisted's handlers, the kernel's default would end the process at once and leave
behind what was done to the host by then. So signals are blocked from the beginning, wait in the kernel, and are
delivered once the reactor runs. After the first that stops the daemon, the others have nothing to add.

Earlier, while modules are imported, nothing has been done to the host, and each of these signals ends the process at
once: for SIGINT the plugin in twisted/plugins sees to that. A SIGINT is lost only in the tenth of a second in which
Twisted looks through the other plugins before that one, because Twisted's loader swallows what it raises.
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
    """The signals of one process; programs that it starts before the reactor runs inherit the mask."""

    def __init__(self, reactor: IReactorCore) -> None:
        """Block the signals until the reactor runs."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # the plugin's doing; Twisted replaces Python's own alone
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
        """Have no more signals do anything: the daemon is stopping, and finishes that in order."""
        for number in HELD:
            # Not SIG_IGN: a signal that is being delivered just now would be reported as lost to a race.
            signal.signal(number, _nothing)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Take a signal that has nothing to add."""
