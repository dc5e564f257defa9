"""A session's budget: so many packets in one turn of the reactor, and the rest in later ones."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from iphttps.net.iphttps.server_session import ServerSession
from iphttps.net.paced import BUDGET

from .iphttps.test_server import ServerCase
from .support import PRIVATE_HOST, client_address, packet

MANY = 4 * BUDGET + 10


class BudgetTests(ServerCase):
    """A client that sends many small packets at a time."""

    def setUp(self) -> None:
        """Open a session."""
        super().setUp()
        protocol, self.transport = self.session(1)
        assert isinstance(protocol, ServerSession)
        self.tunnel = protocol
        self.written: list[int] = []
        self.end.service.wrote = self.written.append
        self.sent = [packet(client_address(1), PRIVATE_HOST, b"%d" % number) for number in range(MANY)]

    def test_few(self) -> None:
        """Packets within the budget are forwarded at once."""
        self.tunnel.dataReceived(b"".join(self.sent[:BUDGET]))
        self.assertEqual(self.sent[:BUDGET], self.end.device.taken)
        self.assertEqual("producing", self.transport.producerState)

    def test_many(self) -> None:
        """The rest follows in later turns, in order, and the connection is not read meanwhile."""
        self.tunnel.dataReceived(b"".join(self.sent))
        self.assertEqual(self.sent[:BUDGET], self.end.device.taken)
        self.assertEqual("paused", self.transport.producerState)
        self.clock.advance(0)  # as many turns as something is due in
        self.assertEqual(self.sent, self.end.device.taken)
        self.assertEqual("producing", self.transport.producerState)
        self.assertEqual([BUDGET] * 4 + [10], self.written)

    def test_in_order(self) -> None:
        """Packets delivered later wait for the queued ones."""
        self.tunnel.dataReceived(b"".join(self.sent[:-1]))
        self.tunnel.dataReceived(self.sent[-1])
        self.clock.pump([0] * 6)
        self.assertEqual(self.sent, self.end.device.taken)

    def test_others(self) -> None:
        """Others have their turn in between."""
        other, _ = self.session(2)
        self.tunnel.dataReceived(b"".join(self.sent))
        theirs = packet(client_address(2), PRIVATE_HOST)
        other.dataReceived(theirs)
        self.assertEqual([*self.sent[:BUDGET], theirs], self.end.device.taken)

    def test_fault(self) -> None:
        """Packets before a fault of the framing are still delivered (3.2.5.2.2)."""
        self.tunnel.dataReceived(b"".join(self.sent) + b"\0")
        self.assertEqual((self.sent, True), (self.end.device.taken, self.transport.disconnecting))
        self.assertFalse(self.pending())

    def test_body_ends(self) -> None:
        """So are those before the end of a body that ends."""
        protocol, transport = self.connection()
        stream = b"".join(packet(client_address(3), PRIVATE_HOST, b"%4d" % number) for number in range(MANY))
        length = b"Content-Length: %d" % len(stream)
        protocol.dataReceived(b"POST /IPHTTPS HTTP/1.1\r\nHost: a\r\n" + length + b"\r\n\r\n" + stream)
        self.assertEqual((MANY, True), (len(self.end.device.taken), transport.disconnecting))

    def test_lost(self) -> None:
        """So are those before the end of the connection."""
        self.tunnel.dataReceived(b"".join(self.sent))
        self.tunnel.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.sent, self.end.device.taken)
        self.assertFalse(self.pending())

    def test_ended(self) -> None:
        """Of a session that is ended here nothing is forwarded any more."""
        self.tunnel.dataReceived(b"".join(self.sent))
        self.tunnel.disconnect("it may not go on")
        self.assertEqual("producing", self.transport.producerState)
        self.clock.pump([0] * 6)
        self.assertEqual(self.sent[:BUDGET], self.end.device.taken)

    def pending(self) -> bool:
        """Tell whether more is to come in a later turn."""
        return bool(self.tunnel._put_off)
