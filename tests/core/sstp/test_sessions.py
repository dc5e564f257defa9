"""The table of sessions."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip.batch import Batch
from iphttps.core.seats import Seats
from iphttps.core.sstp.sessions import SessionEntry, SessionTable


class Connection:
    """A connection that goes nowhere."""

    def send(self, batch: Batch) -> None:
        """Lose the packets."""

    def disconnect(self, sentence: str) -> None:
        """Do nothing."""


class TableTests(SynchronousTestCase):
    """The entries of the table, and the sessions to displace."""

    def setUp(self) -> None:
        """Have a table with room for four, two of each user."""
        self.seats = Seats(4)
        self.table = SessionTable(self.seats, 2)

    def add(self, user: str = "") -> SessionEntry:
        """Add a session, perhaps one that is authenticated."""
        entry = self.table.add(Connection(), "192.0.2.7:1000", 5.0)
        entry.user = user
        return entry

    def test_entry(self) -> None:
        """An entry has a number that is never used again, by which its addresses are found."""
        first = self.add()
        self.assertEqual((first.number, first.sources.key, first.since, first.suite), (1, 1, 5.0, None))
        self.table.remove(first)
        second = self.add()
        self.assertEqual((second.number, self.table.get(1), self.table.get(2)), (2, None, second))
        self.assertEqual((len(self.table), first in self.table, second in self.table), (1, False, True))

    def test_name(self) -> None:
        """A session is named by its number, its user and its outer address."""
        entry = self.add()
        self.assertEqual(str(entry), "client 1 (not authenticated, 192.0.2.7:1000)")
        entry.user = "alice"
        self.assertEqual(str(entry), "client 1 (alice, 192.0.2.7:1000)")

    def test_seats(self) -> None:
        """Only a session whose user is authenticated takes a seat, until its call ends or its connection has gone."""
        self.seats.maximum = 2
        entries = [self.add() for _ in range(5)]
        seated = [self.table.seat(entry, user) for entry, user in zip(entries, ("alice", "bob", "carol"), strict=False)]
        self.assertEqual((seated, self.table.seated, self.seats.taken), ([True, True, False], 2, 2))
        self.assertEqual([entry.user for entry in entries[:3]], ["alice", "bob", ""])
        self.table.vacate(entries[0])
        self.table.vacate(entries[0])
        self.assertEqual((self.table.seated, self.seats.taken), (1, 1))
        for entry in entries[:2]:
            self.table.remove(entry)
        self.assertEqual((self.table.seated, self.seats.taken), (0, 0))

    def test_surplus(self) -> None:
        """Before one more session of a user begins, the oldest of that user must go; those of others stay."""
        self.assertEqual(self.table.surplus("alice"), [])
        first, _, second = self.add("alice"), self.add("bob"), self.add("alice")
        self.assertEqual(self.table.of_user("alice"), [first, second])
        self.assertEqual(self.table.surplus("alice"), [first])
        self.assertEqual(self.table.surplus("bob"), [])
        self.table.per_user = 1
        self.assertEqual(self.table.surplus("alice"), [first, second])
        self.table.per_user = 0
        self.assertEqual(self.table.surplus("alice"), [])

    def test_ending(self) -> None:
        """A session that is ending counts no longer for its user."""
        first, second = self.add("alice"), self.add("alice")
        first.ending = True
        self.assertEqual((self.table.of_user("alice"), self.table.surplus("alice")), ([second], []))

    def test_snapshot(self) -> None:
        """Entries may be removed while the table is iterated over."""
        for _ in range(3):
            self.add()
        for entry in self.table:
            self.table.remove(entry)
        self.assertEqual(len(self.table), 0)
