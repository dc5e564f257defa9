"""The reactor's clock: the time since the machine was started, which nobody sets.

Twisted goes by the time of day. When that is set, every timer and every time that was stored is wrong by as much:
deadlines, rate limits, neighbor states, reconnect delays. The time of day is for certificates, for the Date of an
answer and for what people read; who needs it asks for it.
"""

from __future__ import annotations

import time
from functools import partial

from ....net.interfaces import IReactor

boot_time = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
"""Return the seconds since the machine was started; they go on while it is suspended (clock_gettime(2))."""


def install(reactor: IReactor) -> None:
    """Have the reactor count by `boot_time` from now on, and with it the calls that are delayed already."""
    before = reactor.seconds()
    waiting = [(call, call.getTime() - before) for call in reactor.getDelayedCalls()]
    setattr(reactor, "seconds", boot_time)  # noqa: B010  # a method, to the type checker
    for call, left in waiting:
        setattr(call, "seconds", boot_time)  # noqa: B010  # by this one it counts when it is reset
        call.reset(max(left, 0.0))
