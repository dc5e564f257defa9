"""Tests for iphttps.core.iphttps.clients."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.identity import Identity
from iphttps.core.iphttps.clients import ClientEntry, ClientTable
from iphttps.core.seats import Seats
from tests.support import RecordingConnection

LAPTOP = Identity("CN=laptop", ("laptop",))


class ClientTableTests(SynchronousTestCase):
    """The Client Table of 3.2.1."""

    def join(self, table: ClientTable, peer: str, now: float = 0.0) -> ClientEntry:
        """Add a client for whom there is room."""
        entry = table.add(RecordingConnection(), peer, None, now)
        assert entry is not None
        return entry

    def test_entry(self) -> None:
        """For each client the table holds the HTTP connection over which the client has connected (3.2.1)."""
        connection = RecordingConnection()
        entry = ClientTable(Seats(1)).add(connection, "192.0.2.1", LAPTOP, 12.5)
        assert entry is not None
        self.assertIs(connection, entry.connection)
        self.assertEqual(("192.0.2.1", LAPTOP, 12.5), (entry.peer, entry.identity, entry.since))
        self.assertEqual((set(), 0), (entry.proven, entry.counters.packets_in))

    def test_order(self) -> None:
        """The table holds an entry for each client connected, in the order in which they came (3.2.1)."""
        table = ClientTable(Seats(3))
        entries = [self.join(table, peer) for peer in ("192.0.2.1", "192.0.2.2", "192.0.2.1")]
        self.assertEqual((entries, 3), (list(table), len(table)))

    def test_full(self) -> None:
        """The attempt to add an entry fails when the table is full (3.2.5.1)."""
        table = ClientTable(Seats(1))
        entry = self.join(table, "192.0.2.1")
        self.assertIsNone(table.add(RecordingConnection(), "192.0.2.2", None, 0.0))
        self.assertEqual([entry], list(table))

    def test_remove(self) -> None:
        """The server MUST remove the entry of a client that is disconnected, and so has room again (3.2.7.2)."""
        table = ClientTable(Seats(1))
        first = self.join(table, "192.0.2.1")
        table.remove(first)
        self.assertEqual([], list(table))
        second = self.join(table, "192.0.2.1")
        self.assertEqual([second], list(table))
        self.assertEqual((False, True), (first in table, second in table))
        self.assertNotEqual(first.number, second.number)

    def test_remove_while_iterating(self) -> None:
        """All clients can be disconnected in one go, each removed as its turn comes (3.2.4.2)."""
        table = ClientTable(Seats(3))
        for peer in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
            self.join(table, peer)
        for entry in table:
            table.remove(entry)
        self.assertEqual(0, len(table))

    def test_identity_is_not_equality(self) -> None:
        """Two clients are two, however alike they are (3.2.1)."""
        first, second = (self.join(ClientTable(Seats(1)), "192.0.2.1") for _ in range(2))
        self.assertEqual(first.number, second.number)
        self.assertEqual(2, len({first, second}))

    def test_name(self) -> None:
        """People are told the number, the certificate's subject if there is one, and the outer address."""
        table = ClientTable(Seats(2))
        table.add(RecordingConnection(), "192.0.2.1", LAPTOP, 0.0)
        table.add(RecordingConnection(), "[2001:db8::9]:4000", None, 0.0)
        expected = ["client 1 (CN=laptop, 192.0.2.1)", "client 2 (not authenticated, [2001:db8::9]:4000)"]
        self.assertEqual(expected, [str(entry) for entry in table])


class IdentityTests(SynchronousTestCase):
    """The maximum number of sessions of one identity."""

    def surplus(self, limit: int, *identities: Identity | None) -> list[int]:
        """Return the numbers of those that must go before LAPTOP comes once more."""
        table = ClientTable(Seats(9), limit)
        for identity in identities:
            table.add(RecordingConnection(), "192.0.2.1", identity, 0.0)
        return [entry.number for entry in table.surplus(LAPTOP)]

    def test_newest_wins(self) -> None:
        """The oldest of the same identity make room, and nobody else."""
        phone = Identity("CN=laptop", ("phone",))
        self.assertEqual([], self.surplus(2, LAPTOP, phone, None))
        self.assertEqual([1], self.surplus(2, LAPTOP, phone, LAPTOP))
        self.assertEqual([2, 3], self.surplus(2, phone, LAPTOP, LAPTOP, None, LAPTOP))

    def test_no_limit(self) -> None:
        """With 0 there is no limit, and there is none for clients that nobody knows."""
        self.assertEqual([], self.surplus(0, LAPTOP, LAPTOP))
        table = ClientTable(Seats(9), 1)
        table.add(RecordingConnection(), "192.0.2.1", None, 0.0)
        self.assertEqual([], table.surplus(None))

    def test_suite(self) -> None:
        """The table holds how each connection is encrypted."""
        entry = ClientTable(Seats(1)).add(RecordingConnection(), "192.0.2.1", None, 0.0, "TLSv1.2 NULL-SHA256")
        assert entry is not None
        self.assertEqual("TLSv1.2 NULL-SHA256", entry.suite)
