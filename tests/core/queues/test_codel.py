"""Tests for iphttps.core.queues.codel; the witness is a transcript of the pseudocode of RFC 8289 section 5."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import sqrt

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.queues.codel import INTERVAL, MAXPACKET, TARGET, CoDel

SIZE = 1000
"""Bytes of a packet."""


@dataclass
class Pseudocode:
    """The queue of section 5.2; packets are the times at which they were queued."""

    packets: deque[float] = field(default_factory=deque)
    dropped: list[float] = field(default_factory=list)
    first_above_time: float = 0.0
    drop_next: float = 0.0
    count: int = 0
    lastcount: int = 0
    dropping: bool = False

    def control_law(self, t: float, count: int) -> float:
        """Return the time of the next drop (section 5.6)."""
        return t + INTERVAL / sqrt(count)

    def dodeque(self, now: float) -> tuple[float | None, bool]:
        """Take a packet and tell whether it may be dropped (section 5.6)."""
        if not self.packets:
            self.first_above_time = 0.0
            return None, False
        packet = self.packets.popleft()
        if now - packet < TARGET or SIZE * len(self.packets) <= MAXPACKET:
            self.first_above_time = 0.0
            return packet, False
        if self.first_above_time == 0.0:
            self.first_above_time = now + INTERVAL
            return packet, False
        return packet, now >= self.first_above_time

    def dequeue(self, now: float) -> float | None:
        """Take a packet, and drop those in front of it that must be (section 5.5)."""
        packet, ok_to_drop = self.dodeque(now)
        if self.dropping:
            if not ok_to_drop:
                self.dropping = False
            while now >= self.drop_next and self.dropping:
                self.drop(packet)
                self.count += 1
                packet, ok_to_drop = self.dodeque(now)
                if not ok_to_drop:
                    self.dropping = False
                else:
                    self.drop_next = self.control_law(self.drop_next, self.count)
        elif ok_to_drop:
            self.drop(packet)
            packet, ok_to_drop = self.dodeque(now)
            self.dropping = True
            delta = self.count - self.lastcount
            self.count = 1
            if delta > 1 and now - self.drop_next < 16 * INTERVAL:
                self.count = delta
            self.drop_next = self.control_law(now, self.count)
            self.lastcount = self.count
        return packet

    def drop(self, packet: float | None) -> None:
        """Note a dropped packet."""
        assert packet is not None
        self.dropped.append(packet)


class CoDelTests(SynchronousTestCase):
    """The rule alone, in virtual time."""

    def test_constants(self) -> None:
        """TARGET is 5 ms and INTERVAL 100 ms (RFC 8289 sections 4.3, 4.4)."""
        self.assertEqual((0.005, 0.1), (TARGET, INTERVAL))

    def test_short_delay(self) -> None:
        """A delay below TARGET is never a reason, however long the queue is (RFC 8289 section 4.4)."""
        codel = CoDel()
        self.assertFalse(any(codel.signals(TARGET * 0.99, 1 + tick / 100, 1 << 20) for tick in range(1000)))

    def test_burst(self) -> None:
        """A queue that stands for less than INTERVAL loses nothing: it is a burst (RFC 8289 section 4.3)."""
        codel = CoDel()
        for start in range(1, 9):
            times = [start + tick / 1000 for tick in range(int(INTERVAL * 1000))]
            self.assertFalse(any(codel.signals(0.5, now, 1 << 20) for now in times))
            self.assertFalse(codel.signals(0.0, start + 0.5, 1 << 20))

    def test_standing_queue(self) -> None:
        """After INTERVAL a packet is dropped, then one each INTERVAL / sqrt(count) (RFC 8289 section 5.6)."""
        codel = CoDel()
        dropped = [tick for tick in range(1000) if codel.signals(0.5, 1 + tick / 1000, 1 << 20)]
        expected = [100.0]
        while expected[-1] < 1000:
            expected.append(expected[-1] + 100 / sqrt(len(expected)))
        self.assertEqual(len(expected) - 1, len(dropped))
        for due, tick in zip(expected, dropped, strict=False):
            self.assertLess(abs(tick - due), 2)

    def test_one_packet(self) -> None:
        """With no more than one packet left nothing is dropped, or the link would idle (RFC 8289 section 4.2)."""
        codel = CoDel()
        self.assertFalse(any(codel.signals(0.5, 1 + tick / 1000, MAXPACKET) for tick in range(1000)))
        self.assertTrue(any(codel.signals(0.5, 2 + tick / 1000, MAXPACKET + 1) for tick in range(1000)))

    def test_soon_again(self) -> None:
        """A dropping state soon after another starts at its rate, a later one anew (RFC 8289 section 5.5)."""
        for pause, fast in ((0.2, True), (16 * INTERVAL + 1.0, False)):
            codel = CoDel()
            end = 1000
            for tick in range(end):
                codel.signals(0.5, 1 + tick / 1000, 1 << 20)
            start = 2 + pause
            codel.signals(0.0, start, 1 << 20)
            dropped = [tick for tick in range(400) if codel.signals(0.5, start + tick / 1000, 1 << 20)]
            self.assertEqual(fast, dropped[1] - dropped[0] < 1000 * INTERVAL / 2, dropped)

    @given(
        st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3), st.integers(0, 80), st.integers(1, 40)), max_size=9)
    )
    def test_pseudocode(self, phases: list[tuple[int, int, int, int]]) -> None:
        """Any traffic loses the packets that the RFC's pseudocode drops, and no others (RFC 8289 section 5)."""
        steps = [step for *step, times in phases for _ in range(times)]
        witness, codel = Pseudocode(), CoDel()
        queue: deque[float] = deque()
        dropped: list[float] = []
        now = 1.0
        for arriving, leaving, pause in steps:
            witness.packets += [now] * arriving
            queue += [now] * arriving
            now += pause / 1024
            for _ in range(leaving):
                expected = witness.dequeue(now)
                found = None
                while queue and found is None:
                    packet = queue.popleft()
                    if codel.signals(now - packet, now, SIZE * len(queue)):
                        dropped.append(packet)
                    else:
                        found = packet
                self.assertEqual(expected, found)
        self.assertEqual(witness.dropped, dropped)
        self.assertEqual((witness.count, witness.lastcount), (codel._count, codel._lastcount))

    def test_below_target_once(self) -> None:
        """For packets that waited less than TARGET one call has the effect of many."""
        once, often = CoDel(), CoDel()
        for codel, calls in ((once, 1), (often, 5)):
            for tick in range(500):
                codel.signals(0.5, 1 + tick / 1000, 1 << 20)
            for _ in range(calls):
                codel.signals(0.001, 1.5, 1 << 20)
        ticks = range(500)
        self.assertEqual(*([codel.signals(0.5, 2 + n / 1000, 1 << 20) for n in ticks] for codel in (once, often)))
