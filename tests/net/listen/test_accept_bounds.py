"""Bounds at the accept_filter: connections in the handshake phase, and sessions of one source."""

from __future__ import annotations

from socket import socketpair
from typing import cast
from unittest.mock import patch

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from iphttps.core.admission import HandshakeLimiter
from iphttps.net.listen.accept import SILENCE, PeerInfo
from iphttps.net.listen.request import RequestProtocol
from tests.net.listen.test_accept import FRONT, HEADER, STRANGER, AcceptFilterCase
from tests.proxyprotocol import version2
from tests.requests import request


class SourceTests(AcceptFilterCase):
    """The counting of sessions behind a front."""

    def test_announced(self) -> None:
        """The source is the one that the PROXY header announces."""
        self.end.service.sources.most = 1
        for host, opened in (("192.0.2.7", True), ("192.0.2.7", False), ("203.0.113.8", True)):
            transport = self.say(version2(host, "198.51.100.1", 1) + request())
            self.assertEqual(opened, transport.value().startswith(b"HTTP/1.1 200"))

    def test_forwarded(self) -> None:
        """It is the one in X-Forwarded-For; of a front that tells nothing, sessions are not limited."""
        self.proxy_protocol = False
        self.accept_filter = self.before(self.end)
        self.end.service.sources.most = 1
        header = b"X-Forwarded-For: 192.0.2.7\r\n"
        for lines, opened in ((header, True), (header, False), (b"", True), (b"", True)):
            transport = self.say(request(lines))
            self.assertEqual(opened, transport.value().startswith(b"HTTP/1.1 200"))


class BoundTests(AcceptFilterCase):
    """Bounds on connections in the handshake phase."""

    def setUp(self) -> None:
        """Have room for few."""
        super().setUp()
        self.end.listener.limiter = HandshakeLimiter(maximum=4, per_source=2)
        self.accept_filter = self.before(self.end)

    def test_per_source(self) -> None:
        """Of one source only so many are let in; another source, and sessions, are not touched."""
        open_ = self.say(request(), address=STRANGER)
        for _ in range(2):
            self.say(b"P", address=STRANGER)
        with capturedLogs() as events:
            self.assertIsNone(self.connect(STRANGER))
        self.assertIn("rejected 192.0.2.66:40000: too many of its connections", str([formatEvent(e) for e in events]))
        self.assertTrue(self.connect(IPv4Address("TCP", "192.0.2.67", 1)))
        self.assertFalse(open_.disconnecting)

    def test_room_again(self) -> None:
        """A connection with a session, or a closed one, makes room for the next of its source."""
        for end in (
            lambda t: t.protocol.dataReceived(request()[9:]),
            lambda t: t.protocol.connectionLost(Failure(ConnectionDone())),
        ):
            one, two = (self.say(request()[:9], address=STRANGER) for _ in range(2))
            self.assertIsNone(self.connect(STRANGER))
            end(one)
            end(two)
            self.assertEqual(0, len(self.end.listener.limiter))

    def test_announced(self) -> None:
        """Behind a front the bound is on each client, not on the front."""
        for number in (1, 2, 3, 4):
            transport = self.say(version2(f"192.0.2.{number // 3}", "198.51.100.1", 1) + b"P")
            self.assertFalse(transport.disconnected)
        fifth = self.say(version2("192.0.2.0", "198.51.100.1", 1))
        self.assertTrue(fifth.disconnected)

    def test_not_announced(self) -> None:
        """Connections of fronts that announce nobody displace each other, first those that are silent."""
        self.accept_filter.announcing.limit(4, 4)
        half = self.connect()
        assert half
        half.protocol.dataReceived(HEADER[:20])  # type: ignore[attr-defined]
        with capturedLogs() as events:
            silent = [self.connect() for _ in range(6)]
        self.assertEqual([True, True, True, False, False, False], [each.disconnected for each in silent if each])
        self.assertEqual(4, len(self.accept_filter.announcing))
        self.assertIn(
            "it sent no PROXY header and was displaced by a newer connection", str([formatEvent(e) for e in events])
        )
        half.protocol.dataReceived(HEADER[20:] + request())  # type: ignore[attr-defined]
        self.assertTrue(half.value().startswith(b"HTTP/1.1 200"))
        self.assertEqual((3, 0), (len(self.accept_filter.announcing), len(self.end.listener.limiter)))

    def test_silent(self) -> None:
        """One that has sent nothing is cut off for the next of its source, and that is logged as any rejection."""
        silent, speaking = self.connect(STRANGER), self.say(b"P", address=STRANGER)
        assert silent
        with capturedLogs() as events:
            self.assertTrue(self.connect(STRANGER))
        self.assertEqual((True, False), (silent.disconnected, speaking.disconnected))
        self.assertIn(
            "it sent no data and was displaced by a newer connection", str([formatEvent(event) for event in events])
        )

    def test_silence(self) -> None:
        """One that goes on sending nothing is cut off in time, and nothing of it is left."""
        for stream, address in ((b"", STRANGER), (HEADER, FRONT)):
            silent = self.connect(address)
            assert silent
            if stream:
                silent.protocol.dataReceived(stream)  # type: ignore[attr-defined]
            self.clock.advance(SILENCE - 1)
            self.assertFalse(silent.disconnected)
            with capturedLogs() as events:
                self.clock.advance(1)
            self.assertTrue(silent.disconnected)
            self.assertIn("it sent no complete request in time", str([formatEvent(event) for event in events]))
            self.assertEqual((0, set()), (len(self.end.listener.limiter), self.accept_filter.silent))

    def test_cheap(self) -> None:
        """Nothing is made for a connection on which nothing comes, which ends with the port or by itself."""
        self.accept_filter.doStart()
        with patch.object(self.end.listener, "buildProtocol", side_effect=AssertionError):
            for closed in (True, False):
                transport = self.connect(STRANGER)
                assert transport
                if closed:
                    self.accept_filter.doStop()
                else:
                    transport.protocol.connectionLost(Failure(ConnectionDone()))  # type: ignore[attr-defined]
                self.assertEqual((0, set()), (len(self.end.listener.limiter), self.accept_filter.silent))

    def test_unread(self) -> None:
        """One that has sent something is not silent, though nobody has read it yet."""
        near, far = socketpair()
        self.addCleanup(near.close)
        far.sendall(b"P")
        far.close()
        protocol = self.accept_filter.buildProtocol(STRANGER)
        assert protocol
        transport = StringTransport()
        transport.getHandle = lambda: near  # type: ignore[attr-defined]
        protocol.makeConnection(transport)
        self.assertTrue(self.connect(STRANGER))
        self.assertTrue(self.connect(STRANGER))
        self.assertFalse(transport.disconnected)

    def test_full_meanwhile(self) -> None:
        """One that speaks when others of its source have taken all places is turned away then."""
        late = self.connect(STRANGER)
        assert late
        self.end.listener.limiter.limit(4, 1)
        other = self.accept_filter.greet(PeerInfo.of(STRANGER))
        assert other
        cast(RequestProtocol, other).begun()
        late.protocol.dataReceived(b"P")  # type: ignore[attr-defined]
        self.assertTrue(late.disconnected)

    def test_longest(self) -> None:
        """Of too many together the one that has waited longest is cut off, in favour of the newest."""
        transports = [self.connect(IPv4Address("TCP", f"192.0.2.{number}", 1)) for number in range(6)]
        cut = [transport.disconnected for transport in transports if transport]
        self.assertEqual([True, True, False, False, False, False], cut)
