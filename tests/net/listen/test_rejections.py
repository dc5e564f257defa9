"""The log of rejections stays short."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import Logger, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.listen.rejections import LINES, WINDOW, RejectionLog


class RejectionLogTests(SynchronousTestCase):
    """Lines for each kind of rejection, then a count."""

    def setUp(self) -> None:
        """Begin to listen to the log."""
        self.clock = Clock()
        self.rejections = RejectionLog(self.clock, Logger("test"))

    def noted(self, count: int, kind: str = "kind") -> list[str]:
        """Note so many rejections; return the lines that this makes."""
        with capturedLogs() as events:
            for number in range(count):
                self.rejections.note(f"peer {number}", "a reason", kind)
        return [str(formatEvent(event)) for event in events]

    def passed(self, seconds: float) -> list[str]:
        """Let time pass; return the lines that this makes."""
        with capturedLogs() as events:
            self.clock.advance(seconds)
        return [str(formatEvent(event)) for event in events]

    def test_few(self) -> None:
        """A few rejections are told in full, and nothing follows."""
        self.assertEqual([f"rejected peer {number}: a reason" for number in range(LINES)], self.noted(LINES))
        self.assertEqual([], self.passed(2 * WINDOW))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_many(self) -> None:
        """Of many the first are told in full, and the rest is counted, once."""
        self.assertEqual(LINES, len(self.noted(10_000)))
        self.assertEqual([], self.passed(WINDOW - 1))
        self.assertEqual(
            ["9990 more rejected or failed connections within 60 s, the last from peer 9999: kind"], self.passed(1)
        )
        self.assertEqual([], self.passed(WINDOW))

    def test_kinds(self) -> None:
        """Each kind has lines of its own."""
        self.noted(1000)
        self.assertEqual(LINES, len(self.noted(LINES, "other")))

    def test_again(self) -> None:
        """After a while they are told in full again."""
        self.noted(1000)
        self.passed(WINDOW)
        self.assertEqual(LINES, len(self.noted(LINES)))

    def test_close(self) -> None:
        """At the end what was counted is told at once."""
        self.noted(LINES + 1)
        self.noted(1, "other")
        with capturedLogs() as events:
            self.rejections.close()
        (event,) = events
        self.assertEqual(
            "1 more rejected or failed connections within 60 s, the last from peer 10: kind", formatEvent(event)
        )
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_late_report(self) -> None:
        """A count whose time has come is told before what comes next, and only once, however late the reactor is."""
        self.noted(LINES + 1)
        self.clock.rightNow += WINDOW
        said = self.noted(1)
        self.assertEqual(
            [
                "1 more rejected or failed connections within 60 s, the last from peer 10: kind",
                "rejected peer 0: a reason",
            ],
            said,
        )
        self.assertEqual([], self.passed(WINDOW))
