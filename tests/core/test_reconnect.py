"""Tests for iphttps.core.reconnect."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.reconnect import ReconnectTimer


def attempts(timer: ReconnectTimer, count: int, taking: float = 0.0, start: float = 1000.0) -> list[float]:
    """Let an attempt fail at `start`, and as many more; return when those are made, since the first failure."""
    made = []
    now = start
    for _ in range(count):
        now += timer.failed(now)
        made.append(now - start)
        now += taking
    return made


class ReconnectTimerTests(SynchronousTestCase):
    """The schedule, by a virtual clock."""

    def test_schedule(self) -> None:
        """The timeout is 30 seconds first, then the time since the first failure, at most 15 minutes (3.1.2.1)."""
        expected = [30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1860.0, 2760.0]
        self.assertEqual(expected, attempts(ReconnectTimer(), 8))

    def test_slow_failures(self) -> None:
        """The time T that an attempt takes to fail counts as time elapsed (3.1.2.1)."""
        # The second failure comes after 30 + 21 seconds, the third after 102 + 21, and so on.
        expected = [30.0, 51.0 * 2, 123.0 * 2, 267.0 * 2, 555.0 * 2, 1131.0 + 900.0, 2052.0 + 900.0]
        self.assertEqual(expected, attempts(ReconnectTimer(), 7, taking=21.0))

    @given(st.lists(st.floats(0, 10000), min_size=1))
    def test_each_timeout(self, pauses: list[float]) -> None:
        """Each timeout is the time elapsed since the first failure, from 30 seconds to 15 minutes (3.1.2.1)."""
        timer = ReconnectTimer()
        now = 0.0
        self.assertEqual(30.0, timer.failed(now))
        for pause in pauses:
            now += pause
            self.assertEqual(min(max(now, 30.0), 900.0), timer.failed(now))

    def test_success(self) -> None:
        """A successful HTTPS connection resets the timer (3.1.2.1)."""
        timer = ReconnectTimer()
        attempts(timer, 5)
        timer.succeeded()
        self.assertEqual([30.0, 60.0, 120.0], attempts(timer, 3, start=5000.0))

    def test_longer(self) -> None:
        """A server may ask for a longer timeout, even beyond the maximum, and never gets a shorter one."""
        timer = ReconnectTimer()
        for now, asked, delay in (
            (0.0, 10.0, 30.0),
            (0.0, 100.0, 100.0),
            (100.0, 50.0, 100.0),
            (200.0, 3600.0, 3600.0),
        ):
            self.assertEqual(delay, timer.failed(now, at_least=asked))
        self.assertEqual(45.0, ReconnectTimer().failed(0.0, at_least=45.0))

    def test_configured(self) -> None:
        """Another initial and maximum timeout take the places of the spec's, the maximum above all (3.1.2.1)."""
        self.assertEqual([1.0, 2.0, 4.0, 8.0, 13.0, 18.0], attempts(ReconnectTimer(1.0, 5.0), 6))
        self.assertEqual([5.0, 10.0], attempts(ReconnectTimer(30.0, 5.0), 2))
