"""New keys for a session (RFC 8446 section 4.6.3), by tlslite-ng, which sends what it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tlslite.api import HandshakeSettings, TLSConnection
from tlslite.constants import KeyUpdateMessageType
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.connection import KEY_BURST
from tests.requests import request

from .certificates import Certificates
from .support import SERVER, ServerEnd, client_address, packet

AT_ONCE = int(KEY_BURST / 2)
"""Number of consecutive key updates, each with a message in both directions."""


class Joined:
    """A socket at whose other end is the server; what is sent is there at once."""

    def __init__(self, end: ServerEnd) -> None:
        self.transport = StringTransport()
        self._protocol = end.accept(self.transport)

    def send(self, data: bytes) -> int:
        """Let the server have it."""
        self._protocol.dataReceived(bytes(data))
        return len(data)

    def sendall(self, data: bytes) -> None:
        """Let the server have it."""
        self.send(data)

    def recv(self, size: int) -> bytes:
        """Return what the server has sent."""
        waiting: bytes = self.transport.value()
        self.transport.clear()
        self.transport.write(waiting[size:])
        return waiting[:size]


class KeyUpdateTests(SynchronousTestCase):
    """A client that renews its keys."""

    def setUp(self) -> None:
        """Open its session."""
        self.clock = MemoryReactorClock()
        self.end = ServerEnd(self.clock, Certificates(Path(self.mktemp())).server_tls(ask=False))
        self.addCleanup(self.end.device.close)
        self.joined = Joined(self.end)
        self.client: Any = TLSConnection(self.joined)
        settings = HandshakeSettings()
        settings.minVersion = (3, 4)
        self.client.handshakeClientCert(settings=settings)
        self.client.write(request())
        self.clock.advance(1)
        self.assertTrue(self.client.read(max=100).startswith(b"HTTP/1.1 200 "))

    def renew(self, times: int) -> None:
        """Have the client renew its keys, and ask the server to do so."""
        for _ in range(times):
            for _ in self.client.send_keyupdate_request(KeyUpdateMessageType.update_requested):
                pass

    def test_few(self) -> None:
        """It may, and gets new keys of the server's; packets pass as before. In time it may again."""
        for _ in range(3):
            self.renew(AT_ONCE - 1)
            self.assertGreater(len(self.joined.transport.value()), 20 * AT_ONCE)
            sent = packet(client_address(1), SERVER)
            self.client.write(sent)
            self.assertEqual(sent, self.end.device.taken.pop())
            self.clock.advance(200)
        self.assertEqual(1, len(self.end.table))

    def test_flood(self) -> None:
        """If it does nothing else the session ends at once, or the answers would wait in memory without limit."""
        with capturedLogs() as events:
            self.renew(AT_ONCE + 1)
            self.clock.advance(0)
        self.assertEqual([], list(self.end.table))
        self.assertTrue(self.joined.transport.disconnecting)
        (line,) = [formatEvent(event) for event in events]
        self.assertIn("disconnected: it renews its keys too often", line)
