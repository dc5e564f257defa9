"""Tests for iphttps.host.process.suspend."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.host.process.suspend import SuspendDetector, clocks


class SuspendTests(SynchronousTestCase):
    """True if the host was suspended between two questions."""

    def test_awake(self) -> None:
        """While both clocks go on alike, the host is awake, however long it takes."""
        detector = SuspendDetector()
        answers = [detector.resumed(now, now + 5000) for now in (10.0, 12.0, 14.0, 90000.0)]
        self.assertEqual(answers, [False] * 4)

    def test_resumed(self) -> None:
        """A sleep is told once, also a short one; the next is told again."""
        detector = SuspendDetector()
        times = ((10.0, 10.0), (12.0, 612.0), (14.0, 614.0), (16.0, 618.5))
        self.assertEqual([detector.resumed(*both) for both in times], [False, True, False, True])

    def test_jitter(self) -> None:
        """The delay between the readings of two clocks does not count as sleep."""
        detector = SuspendDetector()
        self.assertEqual([detector.resumed(10, 10), detector.resumed(12, 12.5)], [False, False])

    def test_clocks(self) -> None:
        """The kernel's clocks go forward, and the one that counts sleep is ahead."""
        monotonic, boottime = clocks()
        self.assertTrue(0 < monotonic <= boottime + 0.1, (monotonic, boottime))
        self.assertLessEqual(monotonic, clocks()[0])
