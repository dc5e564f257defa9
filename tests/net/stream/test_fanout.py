"""Sending to many connections, a little in each turn of the reactor."""

from __future__ import annotations

from twisted.internet.base import DelayedCall
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip.batch import Batch
from iphttps.core.iphttps.clients import ClientEntry, ClientTable
from iphttps.core.seats import Seats
from iphttps.net.stream.fanout import MAXIMUM_WAITING, MAXIMUM_WAITING_OF_SOURCE, TURN, Fanout

FIRST, SECOND = Batch.of([b"first"]), Batch.of([b"second"])


class SlowClock(Clock):
    """A clock on which sending takes time."""

    def turn(self) -> None:
        """Make the call that is due now, and not the next, for which it asks."""
        (call,) = self.getDelayedCalls()
        assert isinstance(call, DelayedCall)
        self.calls.remove(call)
        call.called = 1
        call.func(*call.args, **call.kw)


class Connection:
    """Takes a third of a turn for each batch."""

    def __init__(self, clock: Clock, log: list[tuple[int, Batch]], number: int) -> None:
        self._clock = clock
        self._log = log
        self._number = number

    def send(self, batch: Batch) -> None:
        """Record."""
        self._log.append((self._number, batch))
        self._clock.rightNow += TURN / 3

    def send_urgent(self, batch: Batch) -> bool:
        """Record."""
        self.send(batch)
        return True

    def disconnect(self, sentence: str) -> None:
        """Do nothing."""


class FanoutTests(SynchronousTestCase):
    """Seven clients, three of which fill a turn."""

    def setUp(self) -> None:
        """Make the clients."""
        self.clock = SlowClock()
        self.sent: list[tuple[int, Batch]] = []
        self.table = ClientTable(Seats(10))
        self.entries: list[ClientEntry] = []
        for number in range(7):
            entry = self.table.add(Connection(self.clock, self.sent, number), "peer", None, 0.0)
            assert entry
            self.entries.append(entry)
        self.spread = Fanout(self.clock, self.table, lambda entry, batch: entry.connection.send(batch))

    def numbers(self) -> list[int]:
        """Return who was sent something, in order, and forget it."""
        numbers = [number for number, _ in self.sent]
        self.sent.clear()
        return numbers

    def test_turns(self) -> None:
        """No turn takes longer than its time and one client more; all are reached in order."""
        self.spread.send((entry, FIRST) for entry in self.entries)
        self.assertEqual(self.numbers(), [0, 1, 2])
        self.clock.turn()
        self.assertEqual(self.numbers(), [3, 4, 5])
        self.clock.turn()
        self.assertEqual((self.numbers(), self.clock.getDelayedCalls()), ([6], []))

    def test_gone(self) -> None:
        """A client that has left the table is sent nothing."""
        self.spread.send((entry, FIRST) for entry in self.entries)
        self.table.remove(self.entries[4])
        self.numbers()
        self.clock.turn()
        self.assertEqual(self.numbers(), [3, 5, 6])

    def test_more(self) -> None:
        """A later batch is sent after those that wait."""
        self.spread.send((entry, FIRST) for entry in self.entries)
        self.spread.send([(self.entries[0], SECOND)])
        self.clock.turn()
        self.clock.turn()
        self.assertEqual(self.sent[6:], [(6, FIRST), (0, SECOND)])

    def test_stop(self) -> None:
        """Stopped, it sends no more, and can begin anew."""
        self.spread.send((entry, FIRST) for entry in self.entries)
        self.spread.stop()
        self.assertEqual((self.numbers(), self.clock.getDelayedCalls()), ([0, 1, 2], []))
        self.spread.send([(self.entries[0], SECOND)])
        self.assertEqual(self.numbers(), [0])

    def test_to_all(self) -> None:
        """All get it who are there when its turn comes, but the one that it is from."""
        self.spread.send([(entry, FIRST) for entry in self.entries[:3]])
        self.spread.send_to_all(SECOND, self.entries[1])
        self.numbers()
        self.table.remove(self.entries[0])
        self.clock.turn()
        self.clock.turn()
        self.assertEqual(self.numbers(), [2, 3, 4, 5, 6])

    def test_bounds(self) -> None:
        """One source can have only so much waiting, and all together; what does not wait is told."""
        sources = iter(self.entries)
        one = next(sources)
        self.assertTrue(all(self.spread.send_to_all(FIRST, one) for _ in range(MAXIMUM_WAITING_OF_SOURCE)))
        self.assertFalse(self.spread.send_to_all(FIRST, one))
        self.spread.send([(one, SECOND)], one)  # what is for single clients is always taken
        self.assertTrue(self.spread.send_to_all(FIRST, next(sources)))
        for _ in range(MAXIMUM_WAITING - MAXIMUM_WAITING_OF_SOURCE - 2):
            self.spread.send([(one, FIRST)], object())
        self.assertFalse(self.spread.send_to_all(FIRST, next(sources)))
        for _ in range(6):  # of the first batch six clients, of the second three and three
            self.clock.turn()
        self.assertTrue(self.spread.send_to_all(SECOND, one))
