"""Tests for iphttps.core.counters."""

from __future__ import annotations

from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.counters import Counters
from iphttps.core.errors import DropReason


class CountersTests(SynchronousTestCase):
    """Packets passed and dropped."""

    def test_counting(self) -> None:
        """Packets and bytes are counted each way, drops by reason."""
        counters = Counters()
        counters.received(3, 120)
        counters.received(1, 1280)
        counters.sent(2, 80)
        counters.dropped(DropReason.MULTICAST)
        counters.dropped(DropReason.CONGESTED, 5)
        counters.dropped(DropReason.MULTICAST)
        drops = Counter({DropReason.MULTICAST: 2, DropReason.CONGESTED: 5})
        self.assertEqual(Counters(4, 1400, 2, 80, drops), counters)

    def test_sum(self) -> None:
        """The counters of former clients are added up, and unchanged themselves."""
        first = Counters(1, 2, 3, 4, Counter({DropReason.MULTICAST: 5}), 6)
        second = Counters(10, 20, 30, 40, Counter({DropReason.MULTICAST: 50, DropReason.CONGESTED: 60}), 60)
        past = Counters()
        for counters in (first, second):
            past.add(counters)
        drops = Counter({DropReason.MULTICAST: 55, DropReason.CONGESTED: 60})
        self.assertEqual(Counters(11, 22, 33, 44, drops, 66), past)
        self.assertEqual(Counters(1, 2, 3, 4, Counter({DropReason.MULTICAST: 5}), 6), first)

    def test_adding(self) -> None:
        """Other counters can be added, and do not change with the sum."""
        one, other = Counters(1, 2, 3, 4), Counters(10, 20, 30, 40)
        one.dropped(DropReason.REDIRECT)
        other.dropped(DropReason.REDIRECT, 2)
        other.dropped(DropReason.MULTICAST)
        one.add(other)
        drops = Counter({DropReason.REDIRECT: 3, DropReason.MULTICAST: 1})
        self.assertEqual(Counters(11, 22, 33, 44, drops), one)
        one.dropped(DropReason.MULTICAST)
        self.assertEqual(1, other.drops[DropReason.MULTICAST])

    def test_apart(self) -> None:
        """No two counters share anything."""
        Counters().dropped(DropReason.MULTICAST)
        self.assertEqual(Counters(0, 0, 0, 0, Counter()), Counters())
