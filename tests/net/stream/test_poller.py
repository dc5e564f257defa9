"""Tests for iphttps.net.stream.poller."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.stream.poller import Poller


class Counting(Poller):
    """Counts how often it looks, and fails at that."""

    looks = 0

    def look(self) -> None:
        """Count, and fail."""
        self.looks += 1
        raise ZeroDivisionError


class PollerTests(SynchronousTestCase):
    """The times of its checks."""

    def test_goes_on(self) -> None:
        """It looks at once and at every interval, whatever comes of it, until it is stopped; to stop twice is fine."""
        clock = Clock()
        lookout = Counting(clock, 2.0)
        self.assertRaises(ZeroDivisionError, lookout.start)
        for looks in (2, 3):
            clock.advance(1.9)
            self.assertEqual(looks - 1, lookout.looks)
            self.assertRaises(ZeroDivisionError, clock.advance, 0.2)
            self.assertEqual(looks, lookout.looks)
            clock.advance(-0.1)
        lookout.stop()
        lookout.stop()
        self.assertEqual([], clock.getDelayedCalls())
