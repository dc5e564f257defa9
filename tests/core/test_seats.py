"""The seats for clients of all protocols."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.iphttps.clients import ClientTable
from iphttps.core.seats import Seats
from iphttps.core.sstp.sessions import SessionTable
from tests.support import RecordingConnection


class SeatTests(SynchronousTestCase):
    """One limit for the clients of both protocols."""

    def test_together(self) -> None:
        """The limit is that of both protocols together; who leaves makes room for a client of either."""
        seats = Seats(2)
        iphttps, sstp = ClientTable(seats), SessionTable(seats)
        first, second = (sstp.add(RecordingConnection(), "192.0.2.7", 0.0) for _ in range(2))
        self.assertTrue(sstp.seat(first, "alice"))
        client = iphttps.add(RecordingConnection(), "192.0.2.8", None, 0.0)
        assert client is not None
        self.assertFalse(sstp.seat(second, "bob"))
        self.assertIsNone(iphttps.add(RecordingConnection(), "192.0.2.8", None, 0.0))
        iphttps.remove(client)
        self.assertTrue(sstp.seat(second, "bob"))
        self.assertIsNone(iphttps.add(RecordingConnection(), "192.0.2.8", None, 0.0))
        sstp.remove(first)
        self.assertIsNotNone(iphttps.add(RecordingConnection(), "192.0.2.8", None, 0.0))

    def test_lowered(self) -> None:
        """A lower limit ends nobody, and lets nobody in until enough have gone."""
        seats = Seats(3)
        for _ in range(3):
            self.assertTrue(seats.take())
        seats.maximum = 1
        for _ in range(2):
            seats.free()
            self.assertFalse(seats.take())
        seats.free()
        self.assertTrue(seats.take())
