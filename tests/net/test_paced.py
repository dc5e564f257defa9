"""The size of reads from a session, over a real socket."""

from __future__ import annotations

import contextlib
import socket

from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection

from iphttps.net.iphttps.server_session import ServerSession
from iphttps.net.paced import INITIAL_READ, MAXIMUM_READ, PACKET
from iphttps.net.stream.read_scheduler import QUANTUM
from iphttps.net.stream.socket_reader import SocketReader

from .iphttps.test_server import REQUEST, ServerCase
from .support import PRIVATE_HOST, client_address, packet

FULL, SMALL = (packet(client_address(1), PRIVATE_HOST, bytes(size)) for size in (1240, 20))


class PacedTests(ServerCase):
    """A session whose client sends as fast as it is read."""

    def setUp(self) -> None:
        """Open a session."""
        super().setUp()
        ours, self.peer = socket.socketpair()
        for end in (ours, self.peer):
            self.addCleanup(end.close)
        self.peer.setblocking(False)
        self.sizes: list[int] = []
        read = SocketReader.read

        def noted(reader: SocketReader, size: int) -> int:
            self.sizes.append(size)
            return read(reader, size)

        self.patch(SocketReader, "read", noted)
        self.transport = Connection(ours, Protocol(), self.clock)
        self.transport.connected = 1
        self.transport.protocol = self.end.accept(self.transport)
        self.rest = b""
        self.peer.sendall(REQUEST)
        self.transport.doRead()

    def send(self, data: bytes) -> None:
        """Fill the socket with this data, over and over."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.rest = self.rest or data * 100
                self.rest = self.rest[self.peer.send(self.rest) :]

    def reads(self, data: bytes, count: int) -> list[int]:
        """Return the sizes of so many reads, before each of which the socket is filled."""
        for _ in range(count):
            self.send(data)
            self.transport.doRead()
            self.clock.pump([0] * 9)
        return self.sizes[:count]

    def test_grows(self) -> None:
        """The size of a read doubles from one to the next, up to the most that is read at a time."""
        wanted = [min(INITIAL_READ << number, MAXIMUM_READ) for number in range(4)]
        self.assertEqual(wanted, self.reads(FULL, 4))
        self.assertEqual({FULL}, set(self.end.device.taken))

    def test_small_packets(self) -> None:
        """Of small packets so many are read that they cost no more than the quantum."""
        sizes = self.reads(SMALL, 6)
        self.assertEqual(INITIAL_READ, sizes[0])
        for size in sizes[1:]:
            self.assertLess(abs(size / len(SMALL) * (PACKET + len(SMALL)) / QUANTUM - 1), 0.05)
        self.assertEqual({SMALL}, set(self.end.device.taken))

    def test_little(self) -> None:
        """A read that empties the socket says nothing about the size of the next."""
        for _ in range(9):
            self.peer.sendall(SMALL)
            self.transport.doRead()
        self.assertEqual({INITIAL_READ}, set(self.sizes))

    def test_ended(self) -> None:
        """Once the connection is lost nothing of it is left in the scheduler, nor of the session in the connection."""
        session = self.transport.protocol
        assert isinstance(session, ServerSession)
        self.peer.sendall(SMALL)
        self.transport.doRead()
        self.assertIn(session, self.end.service.reads._direct)
        self.peer.close()
        self.transport.doRead()
        self.assertIsNotNone(self.transport.doRead())
        session.connectionLost()
        self.assertNotIn(session, self.end.service.reads._direct)
        self.assertNotIn("doRead", vars(self.transport))
