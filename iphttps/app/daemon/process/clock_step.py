"""The reactor's clock: the time since boot, which cannot be set.

By default Twisted uses wall-clock time. When that is set, every timer and every stored time is off by the same amount:
deadlines, rate limits, neighbor states, reconnect delays. Code that needs wall-clock time, for certificates, for the
Date of a response or for display, reads it explicitly.
"""

from __future__ import annotations

import time
from functools import partial

from ....net.interfaces import IReactor

boot_time = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
"""Return the seconds since boot, including suspend (clock_gettime(2))."""


def install(reactor: IReactor) -> None:
    """Switch the reactor to `boot_time`, along with its pending delayed calls."""
    before = reactor.seconds()
    waiting = [(call, call.getTime() - before) for call in reactor.getDelayedCalls()]
    setattr(reactor, "seconds", boot_time)  # noqa: B010  # a method, to the type checker
    for call, left in waiting:
        setattr(call, "seconds", boot_time)  # noqa: B010  # the clock that reset() uses
        call.reset(max(left, 0.0))
