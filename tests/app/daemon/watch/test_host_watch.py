"""The events of the host that reach the client."""

from __future__ import annotations

import errno
from typing import cast

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.daemon.watch.host_watch import DEBOUNCE, PAUSE, SUSPEND_INTERVAL, HostWatch
from iphttps.host.device.memory import MemoryMonitor
from iphttps.host.kernel.monitor import News
from iphttps.net.interfaces import IReactor

CHANGED, RESUMED = "changed", "resumed"


class HostWatchTests(SynchronousTestCase):
    """A watch on a network in memory, with two clocks."""

    def setUp(self) -> None:
        """Begin to watch."""
        self.reactor = MemoryReactorClock()
        self.monitor = MemoryMonitor()
        self.addCleanup(self.monitor.close)
        self.events: list[object] = []
        self.asleep = 0.0
        self.watch = HostWatch(
            cast(IReactor, self.reactor),
            self.monitor,
            changed=lambda: self.events.append(CHANGED),
            resumed=lambda: self.events.append(RESUMED),
            addressed=lambda: self.events.append("addressed"),
            announced=self.events.append,
            clocks=lambda: (self.reactor.seconds(), self.reactor.seconds() + self.asleep),
        )
        self.watch.start()

    def happen(self, *news: News) -> None:
        """Let things happen, and the reactor notice."""
        for one in news:
            self.monitor.happen(one)
            self.watch.doRead()

    def test_read(self) -> None:
        """The reactor reads the monitor."""
        self.assertEqual(self.reactor.getReaders(), [self.watch])
        self.assertEqual(self.watch.fileno(), self.monitor.fileno())
        self.assertTrue(self.watch.logPrefix())

    def test_own(self) -> None:
        """News of our own interface is told at once, what a router said before what came of it."""
        self.happen(News(own=True, options=(b"option",)), News(), News(own=True))
        self.assertEqual(self.events, [(b"option",), "addressed", "addressed"])

    def test_others(self) -> None:
        """Many changes at once are told once, soon after the first; the next one is told again, after a pause."""
        self.happen(*[News(others=True)] * 100)
        self.assertEqual(self.events, [])
        self.reactor.advance(DEBOUNCE)
        self.assertEqual(self.events, [CHANGED])
        self.happen(News(others=True))
        self.reactor.advance(DEBOUNCE)
        self.assertEqual(self.events, [CHANGED])
        self.reactor.advance(PAUSE - DEBOUNCE)
        self.assertEqual(self.events, [CHANGED] * 2)
        self.reactor.advance(PAUSE)
        self.happen(News(others=True))
        self.reactor.advance(DEBOUNCE)
        self.assertEqual(self.events, [CHANGED] * 3)

    def test_suspend(self) -> None:
        """A suspend is told within seconds of its end."""
        self.reactor.pump([SUSPEND_INTERVAL] * 3)
        self.asleep += 600
        self.assertEqual(self.events, [])
        self.reactor.pump([SUSPEND_INTERVAL] * 3)
        self.assertEqual(self.events, [RESUMED])

    def test_stop(self) -> None:
        """Stopped, it tells nothing more and leaves nothing in the reactor; it may be stopped again."""
        self.happen(News(others=True))
        for _ in range(2):
            self.watch.stop()
        self.reactor.advance(60)
        self.assertEqual((self.events, self.reactor.getReaders(), self.reactor.getDelayedCalls()), ([], [], []))

    def test_blind(self) -> None:
        """A monitor that fails is read no more, with a line in the log; the clocks are still watched."""

        def fail() -> News:
            raise OSError(errno.EBADF, "Bad file descriptor")

        self.monitor.read = fail  # type: ignore[method-assign]
        for lose in (self.watch.doRead, lambda: self.watch.connectionLost(Failure(OSError("lost")))):
            with capturedLogs() as events:
                lose()
            self.assertRegex(str(formatEvent(events[0])), "^the kernel no longer reports network changes: ")
            self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)
