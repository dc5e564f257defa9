"""The records of sessions, of both ends."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import LogEvent, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.counters import Counters
from iphttps.core.errors import DropReason
from iphttps.core.iphttps.server import ServerEvent
from iphttps.net.session_log import totals

from .support import PRIVATE_HOST, ClientEnd, Connection, packet
from .test_whole_sessions import SessionCase


class TotalsTests(SynchronousTestCase):
    """The totals of a session."""

    def test_totals(self) -> None:
        """Packets and bytes of both directions, drops by reason, and the duration."""
        counted = Counters()
        counted.received(3, 300)
        counted.sent(2, 120)
        counted.dropped(DropReason.SOURCE_FOREIGN, 4)
        counted.dropped(DropReason.CONGESTED)
        self.assertEqual(
            {
                "packets_in": 3,
                "bytes_in": 300,
                "packets_out": 2,
                "bytes_out": 120,
                "dropped": 5,
                "drops": {"source_foreign": 4, "congested": 1},
                "seconds": 7.5,
            },
            totals(counted, 100.0, 107.52),
        )

    def test_clock(self) -> None:
        """No session lasts less than no time."""
        self.assertEqual(0.0, totals(Counters(), 100.0, 40.0)["seconds"])


class RecordTests(SessionCase):
    """Each session ends in one record at each end."""

    def ended(self, end: Callable[[ClientEnd, Connection], object], cause: str, seen: str) -> None:
        """End a session, and compare the records: the client's has one reason, the server's another."""
        client, connection = self.joined()
        client.from_host(packet(client.address, PRIVATE_HOST, bytes(100)))
        self.server.from_host(packet(PRIVATE_HOST, client.address, bytes(50)))
        connection.settle()
        self.clock.advance(12.5)
        connection.settle()
        with capturedLogs() as events:
            end(client, connection)
            connection.settle()
        records = [event for event in events if event.get("event") == "session-ended"]
        ours, theirs = sorted(records, key=_is_server)
        self.assertEqual((cause, seen), (ours["reason"], theirs["reason"]))
        self.assertEqual((1, "CN=alice"), (theirs["client"], theirs["identity"]))
        self.assertEqual(2, ours["packets_out"])
        self.assertLess(50, ours["bytes_in"])
        for name in ("packets", "bytes"):
            self.assertEqual(ours[f"{name}_out"], theirs[f"{name}_in"])
            self.assertEqual(ours[f"{name}_in"], theirs[f"{name}_out"])
        for event in records:
            self.assertEqual(12.5, event["seconds"])
            self.assertTrue(event["suite"].startswith("TLSv1.3 "))
            self.assertRegex(str(formatEvent(event)), r"; \d+ packets \(\d+ bytes\) in, .*, 0 dropped, 12.5 seconds$")

    def test_disabled(self) -> None:
        """By the client, who is disabled."""
        self.ended(
            lambda client, connection: client.client.disable("client disabled"),
            "client disabled",
            "closed by the client",
        )

    def test_shutdown(self) -> None:
        """By the server, which shuts down."""
        self.ended(
            lambda client, connection: self.server.server.handle(ServerEvent.SHUTDOWN),
            "closed by the server",
            "server shutting down",
        )

    def test_broken(self) -> None:
        """By the network."""
        self.ended(lambda client, connection: connection.cut_off(), "connection lost", "connection lost")


def _is_server(event: LogEvent) -> bool:
    return "client" in event
