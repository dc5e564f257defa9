"""`twistd`, whose reactor notes how long it is deaf, and which advertises itself as a router all the time.

For each turn of the reactor over 4 ms it prints `turn WALL CPU`: the milliseconds from the one poll to the next, and
how many of them this program had a processor. Router Advertisements go out every three seconds, the least that
RFC 4861 allows, until SIGUSR2 puts the usual intervals in their place.
"""

import signal
import sys
import time
from types import FrameType
from typing import Any

from twisted.scripts.twistd import run

from iphttps.core.ip import router

THRESHOLD = 0.004


class TimedPoll:
    """A poll object that tells how long it has not been asked."""

    def __init__(self, poll: Any) -> None:
        """Stand before another one."""
        self._poll = poll
        self._since = self._cpu_since = float("inf")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._poll, name)

    def poll(self, *arguments: Any) -> Any:
        """Poll, and report the turn that has just ended if it was long."""
        wall, cpu = time.monotonic() - self._since, time.thread_time() - self._cpu_since
        if wall > THRESHOLD:
            sys.stderr.write(f"turn {wall * 1000:.1f} {cpu * 1000:.1f}\n")
        found = self._poll.poll(*arguments)
        self._since, self._cpu_since = time.monotonic(), time.thread_time()
        return found


def usual(signal_number: int, frame: FrameType | None) -> None:
    """Advertise as often as everybody from the next time on."""
    router.MINIMUM_INTERVAL, router.MAXIMUM_INTERVAL = INTERVALS


INTERVALS = router.MINIMUM_INTERVAL, router.MAXIMUM_INTERVAL

if __name__ == "__main__":
    from twisted.internet import reactor

    router.MINIMUM_INTERVAL = router.MAXIMUM_INTERVAL = router.BETWEEN_MULTICAST
    signal.signal(signal.SIGUSR2, usual)
    reactor._poller = TimedPoll(reactor._poller)  # type: ignore[attr-defined]  # of EPollReactor alone
    run()
