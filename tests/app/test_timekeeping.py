"""Tests for iphttps.app.timekeeping, with Twisted's own reactor and a clock that is set."""

from __future__ import annotations

from typing import cast

from twisted.internet.epollreactor import EPollReactor
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.timekeeping import Timekeeper
from iphttps.net.interfaces import IReactor


class TimekeeperTests(SynchronousTestCase):
    """Timers of a reactor that is turned by hand."""

    def setUp(self) -> None:
        """Make the reactor and its clocks."""
        self.day, self.steady = 1_800_000_000.0, 500.0
        self.reactor = EPollReactor()
        self.addCleanup(self.reactor.removeAll)
        Timekeeper(cast(IReactor, self.reactor), lambda: self.day, lambda: self.steady).install()
        self.up: list[str] = []

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

    def test_ordinary(self) -> None:
        """A clock that nobody sets, and one that is put right by little, are followed as they are."""
        self.later(10, "ten")
        self.assertEqual([], self.pass_time(9, 0.5))
        self.assertEqual(self.day, self.reactor.seconds())
        self.assertEqual(["ten"], self.pass_time(0.6))

    def test_set(self) -> None:
        """Set back or forward, by however much, each timer runs for as long as it was to."""
        for jump in (-3600, 3600, -1.5, 86400 * 365):
            self.later(10, "ten")
            self.later(20, "twenty")
            self.assertEqual([], self.pass_time(4, jump), jump)
            self.assertEqual(self.day, self.reactor.seconds())
            self.later(1, "one")
            self.assertEqual([], self.pass_time(0.9))
            self.assertEqual(["one"], self.pass_time(0.2))
            self.assertEqual(["ten"], self.pass_time(5))
            self.assertEqual([], self.pass_time(9))
            self.assertEqual(["twenty"], self.pass_time(1))

    def test_during(self) -> None:
        """A timer that is started by one that is up just when the clock is set runs for as long as it is to, too."""
        self.reactor.callLater(5, self.later, 10, "ten more")
        self.assertEqual([], self.pass_time(5, 3600))
        self.assertEqual([], self.pass_time(9.9))
        self.assertEqual(["ten more"], self.pass_time(0.2))

    def test_twice(self) -> None:
        """Set twice before anybody has looked, it has been set once."""
        self.later(10, "ten")
        self.day -= 3600
        self.reactor.seconds()
        self.day += 1800
        self.assertEqual([], self.pass_time(9.9))
        self.assertEqual(["ten"], self.pass_time(0.2))
