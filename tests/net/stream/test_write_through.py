"""Writing to a TCP connection without delay: what the kernel takes at once, and what is left to Twisted."""

from __future__ import annotations

import socket

from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactor, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.stream.write_through import write_through


class PutTests(SynchronousTestCase):
    """Twisted's TCP connection on a real socket, with a reactor that only takes notes."""

    def setUp(self) -> None:
        """Make the connection and its peer."""
        ours, self.peer = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(self.peer.close)
        ours.setblocking(False)
        self.peer.setblocking(False)
        self.reactor = MemoryReactor()
        self.connection = Connection(ours, Protocol(), self.reactor)
        self.connection.connected = 1

    def received(self) -> bytes:
        """Return what the peer has."""
        data = b""
        while True:
            try:
                data += self.peer.recv(1 << 20)
            except BlockingIOError:
                return data

    def test_at_once(self) -> None:
        """The kernel has it before the reactor does anything, and the reactor has nothing to do."""
        write_through(self.connection, b"one")
        write_through(self.connection, b"two")
        self.assertEqual(self.received(), b"onetwo")
        self.assertEqual(self.reactor.getWriters(), [])

    def test_records(self) -> None:
        """While nothing may be buffered, a write ends the kernel's buffer (MSG_EOR), so that its limit holds."""
        flags: list[int] = []

        class Handle:
            """A socket that notes the flags."""

            def send(self, data: bytes, flag: int) -> int:
                """Take all."""
                flags.append(flag)
                return len(data)

        self.patch(self.connection, "getHandle", Handle)
        for size in (1 << 16, 0):
            self.connection.bufferSize = size
            write_through(self.connection, b"data")
        self.assertEqual([0, socket.MSG_EOR], flags)

    def test_order(self) -> None:
        """Data in Twisted's buffer is sent first."""
        self.connection.write(b"one")
        write_through(self.connection, b"two")
        self.assertEqual(self.received(), b"")
        self.connection.doWrite()
        write_through(self.connection, b"three")
        self.assertEqual(self.received(), b"onetwothree")

    def test_full(self) -> None:
        """Data that the kernel does not accept is queued, and so is later data."""
        said = bytes(range(251)) * 20_000
        write_through(self.connection, said)
        write_through(self.connection, b"end")
        self.assertEqual(self.reactor.getWriters(), [self.connection])
        received = self.received()
        self.assertTrue(0 < len(received) < len(said))
        while len(received) < len(said) + 3:
            self.connection.doWrite()
            more = self.received()
            self.assertTrue(more)
            received += more
        self.assertEqual(received, said + b"end")

    def test_broken(self) -> None:
        """If the peer is gone, Twisted finds it so, as ever."""
        self.peer.close()
        write_through(self.connection, b"lost")
        self.assertEqual(self.reactor.getWriters(), [self.connection])
        self.assertIsInstance(self.connection.doWrite(), Exception)

    def test_closed(self) -> None:
        """A connection that is no more takes nothing."""
        self.connection.connected = 0
        write_through(self.connection, b"late")
        self.assertEqual((self.received(), self.reactor.getWriters()), (b"", []))

    def test_other_transports(self) -> None:
        """Other transports are written to as always."""
        transport = StringTransport()
        write_through(transport, b"said")
        self.assertEqual(transport.value(), b"said")
