"""Tests for iphttps.core.backlog."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.backlog import INITIAL_ROOM, MAXIMUM_ROOM, MINIMUM_ROOM, RESERVED, TARGET, Backlog
from iphttps.core.ip.batch import EMPTY, Batch

PACKET = 1000


def batch(count: int, first: int = 0) -> Batch:
    """Return so many packets, each with its number in it."""
    return Batch.of(bytes([number % 256]) * PACKET for number in range(first, first + count))


class BacklogTests(SynchronousTestCase):
    """Packets that are queued, and those that are not."""

    def test_order(self) -> None:
        """Queued packets are returned whole, in order and once."""
        backlog = Backlog()
        self.assertEqual([3, 2, 0], [backlog.add(batch(3)), backlog.add(batch(2, 3)), backlog.add(EMPTY)])
        self.assertEqual(batch(5).data, backlog.take())
        self.assertEqual(b"", backlog.take())

    def test_encoded(self) -> None:
        """Packets are encoded when queued, a batch at a time, and only those that fit."""
        backlog = Backlog()
        backlog.encode = lambda batch: b"<%d:%b>" % (len(batch), batch.data[:1])
        backlog.room = 3 * PACKET
        self.assertEqual([2, 2], [backlog.add(batch(2)), backlog.add(batch(3, 7))])
        self.assertTrue(backlog.add_urgent(batch(1, 9)))
        self.assertEqual(b"<1:\x09><2:\x00><2:\x07>", backlog.take())

    def test_room(self) -> None:
        """Of a batch those packets wait that find room, and only whole ones; with room again, others do."""
        backlog = Backlog()
        backlog.room = 2 * PACKET + PACKET // 2
        self.assertEqual(2, backlog.add(batch(5)))
        self.assertEqual(0, backlog.add(batch(1)))
        self.assertEqual(batch(2).data, backlog.take())
        self.assertEqual(1, backlog.add(batch(1)))

    def test_rate(self) -> None:
        """The room is what the connection takes away in the time for which a packet may wait."""
        backlog = Backlog()
        for _ in range(50):
            backlog.drained(300_000, 0.01)
        self.assertAlmostEqual(300_000 / 0.01 * TARGET, backlog.room, delta=2)

    def test_slow(self) -> None:
        """A slow connection has little room, one that stands still some, and a fast one does not have any amount."""
        backlog = Backlog()
        self.assertEqual(INITIAL_ROOM, backlog.room)
        backlog.drained(250_000, 10.0)
        self.assertEqual(MINIMUM_ROOM, backlog.room)
        for _ in range(50):
            backlog.drained(250_000, 0.0)
        self.assertEqual(MAXIMUM_ROOM, backlog.room)

    def test_refused(self) -> None:
        """Rejected packets leave no memory behind."""
        backlog = Backlog()
        backlog.room = PACKET // 2
        for _ in range(1000):
            self.assertEqual(0, backlog.add(batch(1)))
        self.assertEqual([], backlog._waiting)

    def test_urgent(self) -> None:
        """Urgent packets have room of their own, whatever else waits, and leave first, in order."""
        backlog = Backlog()
        backlog.room = PACKET
        self.assertEqual(1, backlog.add(batch(2)))
        self.assertTrue(backlog.add_urgent(batch(1, 10)))
        self.assertTrue(backlog.add_urgent(batch(2, 11)))
        self.assertTrue(backlog.waits(batch(1, 10)))
        self.assertFalse(backlog.waits(batch(1)))
        self.assertEqual(batch(3, 10).data + batch(1).data, backlog.take())
        self.assertEqual(b"", backlog.take())

    def test_urgent_room(self) -> None:
        """The room is bounded; a batch is rejected as a whole, and there is room again once the queue is drained."""
        backlog = Backlog()
        self.assertFalse(backlog.add_urgent(batch(RESERVED // PACKET + 1)))
        self.assertTrue(backlog.add_urgent(batch(RESERVED // PACKET)))
        self.assertFalse(backlog.add_urgent(batch(1)))
        backlog.take()
        self.assertTrue(backlog.add_urgent(batch(1)))

    def test_less_than_before(self) -> None:
        """If the room has shrunk below what waits already, nothing more is taken."""
        backlog = Backlog()
        backlog.add(batch(100))
        backlog.drained(1, 10.0)
        self.assertEqual(0, backlog.add(batch(1)))
        self.assertEqual(batch(100).data, backlog.take())

    @given(st.lists(st.integers(0, 40)), st.integers(0, 20 * PACKET))
    def test_never_more(self, counts: list[int], room: int) -> None:
        """For any input the queue stays within its limit, and accepted packets are returned."""
        backlog = Backlog()
        backlog.room = room
        taken = [batch(count).data[: PACKET * backlog.add(batch(count))] for count in counts]
        waiting = backlog.take()
        self.assertEqual(b"".join(taken), waiting)
        self.assertLessEqual(len(waiting), room)
