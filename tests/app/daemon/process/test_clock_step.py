"""Tests for iphttps.app.daemon.process.clock_step, with Twisted's own reactor and a time of day that is set."""

from __future__ import annotations

from typing import cast

from twisted.internet.epollreactor import EPollReactor
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.daemon.process import clock_step
from iphttps.core.limits import TokenBucket
from iphttps.core.reconnect import ReconnectTimer
from iphttps.net.interfaces import IReactor

DAY = 86400.0
JUMPS = (DAY, -DAY, 365 * DAY, -365 * DAY)


class TimekeepingTests(SynchronousTestCase):
    """Timers of a reactor that is turned by hand."""

    def setUp(self) -> None:
        """Make the reactor and its clocks."""
        self.day, self.steady = 1_800_000_000.0, 500.0
        self.reactor = EPollReactor()
        self.addCleanup(self.reactor.removeAll)
        setattr(self.reactor, "seconds", lambda: self.day)  # noqa: B010  # a method, to the type checker
        self.patch(clock_step, "boot_time", lambda: self.steady)
        self.up: list[str] = []

    def install(self) -> None:
        """Have the reactor go by the time that nobody sets."""
        clock_step.install(cast(IReactor, self.reactor))

    def later(self, delay: float, name: str) -> None:
        """Have a timer run."""
        self.reactor.callLater(delay, lambda: self.up.append(name))

    def pass_time(self, seconds: float, jump: float = 0.0) -> list[str]:
        """Let time pass, in which the clock may be set; return whose time is up."""
        self.day += seconds + jump
        self.steady += seconds
        for _ in range(3):
            self.reactor.runUntilCurrent()
        up, self.up = self.up, []
        return up

    def test_timers(self) -> None:
        """Set back or forward, by however much, each timer runs for as long as it was to."""
        self.install()
        for jump in JUMPS:
            self.later(10, "ten")
            self.later(20, "twenty")
            self.assertEqual([], self.pass_time(4, jump), jump)
            self.later(1, "one")
            self.assertEqual([], self.pass_time(0.9))
            self.assertEqual(["one"], self.pass_time(0.2))
            self.assertEqual(["ten"], self.pass_time(5))
            self.assertEqual([], self.pass_time(9))
            self.assertEqual(["twenty"], self.pass_time(1))

    def test_stored(self) -> None:
        """Times that are stored hold when the clock is set: limits and delays stay what they were."""
        self.install()
        for jump in JUMPS:
            bucket, timer = TokenBucket(10, 1), ReconnectTimer(30, 900)
            self.assertTrue(bucket.take(self.reactor.seconds()))
            timer.failed(self.reactor.seconds())
            self.pass_time(0.05, jump)
            self.assertFalse(bucket.take(self.reactor.seconds()), jump)
            self.pass_time(0.2)
            self.assertTrue(bucket.take(self.reactor.seconds()), jump)
            self.pass_time(60)
            self.assertAlmostEqual(60.25, timer.failed(self.reactor.seconds()))

    def test_delayed_already(self) -> None:
        """A call that was delayed before goes by the new clock, too, also when it is reset or put off."""
        self.later(10, "ten")
        reset = self.reactor.callLater(5, lambda: self.up.append("reset"))
        self.install()
        self.assertEqual([], self.pass_time(4, DAY))
        reset.reset(3)
        self.assertEqual([], self.pass_time(2.9, -2 * DAY))
        self.assertEqual(["reset"], self.pass_time(0.2))
        self.assertEqual(["ten"], self.pass_time(3))
