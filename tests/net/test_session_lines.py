"""The log of anonymous sessions stays short, and one source has only so many of them."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import Logger, capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.identity import Identity
from iphttps.net.session_lines import LINES, LINES_TOGETHER, TOLD, WINDOW, SessionLines

from .iphttps.test_server import REQUEST, ServerCase


class SessionLinesTests(SynchronousTestCase):
    """The sessions that are logged."""

    def setUp(self) -> None:
        """Begin with none."""
        self.clock = Clock()
        self.lines = SessionLines(self.clock, Logger("test"))

    def passed(self, seconds: float) -> list[str]:
        """Let time pass; return the lines that this makes."""
        with capturedLogs() as events:
            self.clock.advance(seconds)
        return [str(formatEvent(event)) for event in events]

    def test_few(self) -> None:
        """A few are all logged, and nothing follows."""
        self.assertTrue(all(self.lines.wanted(ip_address("192.0.2.1")) for _ in range(LINES)))
        self.assertEqual([], self.passed(2 * WINDOW))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_many(self) -> None:
        """Of many from one source the first are logged, and the rest is counted; another source has its own lines."""
        wanted = [self.lines.wanted(ip_address("2001:db8::") + number) for number in range(1000)]
        self.assertEqual([True] * LINES + [False] * (1000 - LINES), wanted)
        self.assertTrue(self.lines.wanted(ip_address("192.0.2.1")))
        self.assertTrue(self.lines.wanted(None))
        said = "omitted the lines about 936 more sessions of 2001:db8::/64, which began within 60 s"
        self.assertEqual([said], self.passed(WINDOW))
        self.assertTrue(self.lines.wanted(ip_address("2001:db8::")))

    def test_many_sources(self) -> None:
        """However many sources there are, the lines are bounded, and so is what is kept of them."""
        begin = ip_address("192.0.0.0")
        wanted = [self.lines.wanted(begin + number) for number in range(50_000)]
        self.assertEqual(LINES_TOGETHER, sum(wanted))
        self.assertLess(len(self.lines._lines) + len(self.lines._left_out), 2 * LINES_TOGETHER)
        said = self.passed(WINDOW)
        self.assertEqual(TOLD + 1, len(said))
        self.assertIn(f"{50_000 - LINES_TOGETHER - TOLD} more sessions of other sources", said[-1])

    def test_identity(self) -> None:
        """An identity has its own lines, wherever it comes from, and no crowd takes them."""
        begin = ip_address("192.0.2.0")
        for number in range(2 * LINES_TOGETHER):
            self.lines.wanted(begin + number)
        alice = [self.lines.wanted(begin + number, Identity("CN=alice")) for number in range(100)]
        self.assertEqual([True] * LINES + [False] * (100 - LINES), alice)
        self.assertTrue(self.lines.wanted(begin, Identity("CN=bob")))
        told = f"omitted the lines about {100 - LINES} more sessions of CN=alice, which began within 60 s"
        self.assertIn(told, self.passed(WINDOW))
        self.assertTrue(self.lines.wanted(begin, Identity("CN=alice")))

    def test_close(self) -> None:
        """At the end what was counted is told at once."""
        for _ in range(LINES + 1):
            self.lines.wanted(None)
        with capturedLogs() as events:
            self.lines.close()
        (event,) = events
        self.assertEqual("sessions-more", event["event"])
        self.assertEqual([], self.clock.getDelayedCalls())


class AnonymousSessionsTests(ServerCase):
    """Sessions of clients without a certificate."""

    maximum = 1000

    def open(self, host: str) -> StringTransport:
        """Open a session from an address; return the transport, whose `protocol` is the tunnel."""
        assert self.end.factory
        transport = StringTransport()
        protocol = self.end.factory.buildProtocol(IPv4Address("TCP", host, 1))
        assert protocol
        transport.protocol = protocol  # type: ignore[attr-defined]
        protocol.makeConnection(transport)
        protocol.dataReceived(REQUEST)
        return transport

    def close(self, transport: StringTransport) -> None:
        """Have the client go."""
        transport.protocol.connectionLost(Failure(ConnectionDone()))  # type: ignore[attr-defined]

    def test_per_source(self) -> None:
        """One source has only so many sessions; others are not touched, and who goes makes room."""
        self.end.service.sources.most = 3
        open_ = [self.open("192.0.2.1") for _ in range(3)]
        with capturedLogs() as events:
            refused = self.open("192.0.2.1")
        self.assertEqual((b"", True), (refused.value(), refused.disconnecting))
        self.assertIn(
            "rejected 192.0.2.1:1: 192.0.2.1 has reached the limit of --max-sessions-per-source",
            [formatEvent(event) for event in events],
        )
        self.close(refused)
        self.assertIn(b" 200 ", self.open("192.0.2.2").value())
        self.close(open_[0])
        self.assertIn(b" 200 ", self.open("192.0.2.1").value())
        self.assertFalse(open_[1].disconnecting)

    def test_log(self) -> None:
        """Sessions that come and go all the time leave a bounded number of lines, one that lasts both of its own."""
        with capturedLogs() as events:
            lasting = self.open("192.0.2.1")
            for _ in range(500):
                self.close(self.open("192.0.2.1"))
            self.close(lasting)
            self.clock.advance(WINDOW)
        said = [event["event"] for event in events]
        self.assertEqual(
            (LINES, LINES, 1),
            (said.count("session-opened"), said.count("session-ended"), said.count("sessions-more")),
        )
        self.assertEqual([501 - LINES], [event["count"] for event in events if event["event"] == "sessions-more"])
        self.assertEqual(({}, set()), (self.end.service._anonymous, self.end.service._sessions._unlogged))
