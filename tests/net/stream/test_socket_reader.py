"""Reading a socket in pieces of a chosen size, in the place of Twisted's connection."""

from __future__ import annotations

import socket
import struct

from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.stream.socket_reader import SocketReader


class Recorder(Protocol):
    """Records what it receives."""

    def __init__(self) -> None:
        self.received: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        """Record it."""
        self.received.append(data)


class SocketReaderTests(SynchronousTestCase):
    """Twisted's TCP connection on a real socket, with a reactor that only takes notes."""

    def setUp(self) -> None:
        """Connect."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.peer = socket.create_connection(listening.getsockname())
            ours, _ = listening.accept()
        self.addCleanup(ours.close)
        self.addCleanup(self.peer.close)
        self.protocol = Recorder()
        self.connection = Connection(ours, self.protocol, MemoryReactor())
        self.calls = 0
        self.reader = SocketReader(self.connection, self.called)

    def called(self) -> None:
        """Count a report of the reactor."""
        self.calls += 1

    def test_report(self) -> None:
        """The reactor's report reads nothing, but calls what decides when to read."""
        self.peer.sendall(b"data")
        self.assertIsNone(self.connection.doRead())
        self.assertEqual((1, []), (self.calls, self.protocol.received))

    def test_size(self) -> None:
        """A read takes at most so much, and the rest waits in the socket."""
        self.peer.sendall(b"a few bytes")
        self.assertEqual([4, 4, 3, 0], [self.reader.read(4) for _ in range(4)])
        self.assertEqual([b"a fe", b"w by", b"tes"], self.protocol.received)
        self.assertIsNone(self.connection.doRead())

    def test_end(self) -> None:
        """The end of the connection is what the reactor's next report returns, behind the data."""
        self.peer.sendall(b"last")
        self.peer.close()
        self.assertEqual([4, 0], [self.reader.read(100) for _ in range(2)])
        self.assertEqual((CONNECTION_DONE, 0), (self.connection.doRead(), self.calls))

    def test_reset(self) -> None:
        """So is an error."""
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()
        self.assertEqual(0, self.reader.read(100))
        self.assertEqual((CONNECTION_LOST, []), (self.connection.doRead(), self.protocol.received))

    def test_release(self) -> None:
        """Once released, Twisted reads as before, and to release it again is no error."""
        for _ in range(2):
            self.reader.release()
        self.peer.sendall(b"data")
        self.assertIsNone(self.connection.doRead())
        self.assertEqual((0, [b"data"]), (self.calls, self.protocol.received))
