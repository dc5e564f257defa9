"""Tests for iphttps.app.control.rates."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.control.rates import INTERVAL, Rated, Rates
from iphttps.core.counters import Counters


class RateTests(SynchronousTestCase):
    """Bits per second of each client."""

    def setUp(self) -> None:
        """Have a client that has just connected."""
        self.clock = Clock()
        self.clock.advance(1000)
        self.client = Rated(7, Counters(), 1000.0)
        self.clients = [self.client]
        self.rates = Rates(self.clock, lambda: self.clients)
        self.rates.start()
        self.addCleanup(self.rates.stop)

    def go(self, seconds: float, bytes_in: int, bytes_out: int) -> tuple[int, int]:
        """Let these bytes pass, then time; return the rates at the end."""
        self.client.counters.received(1, bytes_in)
        self.client.counters.sent(1, bytes_out)
        self.clock.advance(seconds)
        rates = self.rates.of(self.client)
        return rates["in"], rates["out"]

    def test_new(self) -> None:
        """A new client's rates are those since it connected, and not of a mere instant."""
        self.assertEqual(self.go(0.0, 1000, 500), (8000, 4000))
        self.assertEqual(self.go(2.0, 1000, 500), (8000, 4000))
        self.assertEqual(self.go(2.0, 0, 0), (4000, 2000))

    def test_last_seconds(self) -> None:
        """Later they are those of the last five to ten seconds: what was long ago does not count."""
        self.go(INTERVAL, 10**9, 10**9)
        self.go(INTERVAL, 0, 0)
        self.assertEqual(self.go(INTERVAL, 1000, 0), (1600, 0))
        self.assertEqual(self.go(INTERVAL, 0, 2000), (0, 3200))
        self.assertEqual(self.go(3.0, 0, 0), (0, 2000))
        self.assertEqual(self.go(2.0, 0, 0), (0, 0))

    def test_gone(self) -> None:
        """A client that has gone is forgotten."""
        self.go(INTERVAL, 1, 1)
        self.clients.clear()
        for _ in range(2):
            self.clock.advance(INTERVAL)
        self.assertEqual((self.rates._before, self.rates._last), ({}, {}))
