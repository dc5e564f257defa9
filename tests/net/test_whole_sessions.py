"""Client and server joined through real TLS, in memory: whole sessions."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.client import ClientEvent, ClientState
from iphttps.core.errors import DropReason
from iphttps.core.identity import Identity
from iphttps.core.iphttps.server import ServerEvent
from iphttps.core.reconnect import INITIAL
from iphttps.host.device import memory
from iphttps.net.connection import CLOSE_DEADLINE, HANDSHAKE_DEADLINE
from iphttps.net.stream import compiled

from .certificates import Certificates
from .support import OUTER, PRIVATE_HOST, ClientEnd, Connection, ServerEnd, Wire, packet


class SessionCase(SynchronousTestCase):
    """A server, and clients that can be joined to it."""

    secure = True

    def setUp(self) -> None:
        """Start the server."""
        self.clock = MemoryReactorClock()
        self.certificates = Certificates(Path(self.mktemp()))
        self.server = ServerEnd(self.clock, self.certificates.server_tls() if self.secure else None)
        self.addCleanup(self.server.device.close)

    def client(self, number: int = 1, *, shown: bool = True) -> ClientEnd:
        """Start a client, which shows its certificate unless told otherwise."""
        identity = self.certificates.client if shown else None
        end = ClientEnd(self.clock, self.certificates.client_tls(identity) if self.secure else None, number)
        self.addCleanup(end.device.close)
        end.client.handle(ClientEvent.ENABLE)
        end.client.handle(ClientEvent.PRECONDITION)
        return end

    def joined(self, number: int = 1, cut: int = Wire.cut) -> tuple[ClientEnd, Connection]:
        """Start a client and open its session, in which it has sent a packet."""
        client = self.client(number)
        connection = client.connect(self.server, cut)
        client.from_host(packet(client.address, PRIVATE_HOST))
        connection.settle()
        self.server.device.taken.clear()
        return client, connection


class SessionTestsMixin(SessionCase):
    """Requirements for both transports (2.1)."""

    def test_link_up(self) -> None:
        """The session opens, and the client is in the table with its name (3.1.5.2, 3.2.5.1)."""
        client, _ = self.joined()
        self.assertEqual((client.state, client.link), (ClientState.LINK_UP, ["up"]))
        identities = [entry.identity for entry in self.server.table]
        self.assertEqual(identities, [Identity("CN=alice", ("alice",))] if self.secure else [None])

    def test_packets_both_ways(self) -> None:
        """Packets pass unchanged and in order, in both directions (3.1.5.3, 3.2.5.2)."""
        client, connection = self.joined()
        out = [packet(client.address, PRIVATE_HOST, bytes(size)) for size in (0, 1, 1240)]
        back = [packet(PRIVATE_HOST, client.address, bytes(size)) for size in (1240, 0, 1)]
        client.from_host(*out)
        self.server.from_host(*back)
        connection.settle()
        self.assertEqual((self.server.device.taken, client.device.taken), (out, back))

    def test_whatever_cuts(self) -> None:
        """However the bytes are cut on their way, the same packets arrive (3.1.5.3)."""
        for number, cut in enumerate((1, 7, 40, 1000), start=1):
            client, connection = self.joined(number, cut)
            out = [packet(client.address, PRIVATE_HOST, bytes(size)) for size in (100, 0)]
            back = [packet(PRIVATE_HOST, client.address, bytes(size)) for size in (0, 100)]
            client.from_host(*out)
            self.server.from_host(*back)
            connection.settle()
            self.assertEqual((self.server.device.taken, client.device.taken), (out, back), f"pieces of {cut}")

    def test_several_clients(self) -> None:
        """Several clients at once each get their own packets (3.2.5.2.1)."""
        ends = [self.joined(number) for number in (1, 2, 3)]
        packets = [packet(PRIVATE_HOST, client.address) for client, _ in ends]
        self.server.from_host(*packets)
        for (client, connection), mine in zip(ends, packets, strict=True):
            connection.settle()
            self.assertEqual(client.device.taken, [mine])

    def test_shutdown_and_return(self) -> None:
        """A shutdown ends every session in order, and each client comes back by itself (3.2.7.3, 3.1.5.4)."""
        client, connection = self.joined()
        self.server.server.handle(ServerEvent.SHUTDOWN)
        connection.settle()
        self.successResultOf(self.server.server.wait_closed())
        self.assertFalse(connection.server_end.aborted)
        self.assertEqual((client.state, client.link), (ClientState.LINK_DOWN, ["up", "down"]))
        self.server.server.handle(ServerEvent.START)
        self.clock.advance(INITIAL)
        client.connect(self.server)
        self.assertEqual((client.state, client.link), (ClientState.LINK_UP, ["up", "down", "up"]))

    def test_broken_connection(self) -> None:
        """A connection that breaks ends the session at both ends (3.1.5.4, 3.2.5.3)."""
        client, connection = self.joined()
        connection.cut_off()
        connection.settle()
        self.assertEqual((client.state, len(self.server.table)), (ClientState.LINK_DOWN, 0))

    def test_framing_fault(self) -> None:
        """Bad framing from a client ends its session alone (3.2.5.2.2)."""
        (bad, first), (good, second) = self.joined(1), self.joined(2)
        entry = next(iter(self.server.table))
        self.patch(memory, "unfit", lambda packet, **kinds: None)  # a client that checks nothing
        bad.from_host(b"\x45\x00")
        first.settle()
        self.assertEqual(entry.counters.drops, {DropReason.NOT_IPV6: 1})
        self.assertEqual((bad.state, good.state), (ClientState.LINK_DOWN, ClientState.LINK_UP))
        passed = packet(good.address, PRIVATE_HOST)
        good.from_host(passed)
        second.settle()
        self.assertEqual(self.server.device.taken, [passed])

    def test_disabled_client(self) -> None:
        """A client that is disabled says good-bye, and the server forgets it (3.1.4.2, 3.2.5.3)."""
        client, connection = self.joined()
        client.client.handle(ClientEvent.DISABLE)
        connection.settle()
        self.successResultOf(client.client.gone())
        self.assertEqual((len(self.server.table), connection.client_end.aborted), (0, False))

    def test_silent_peer(self) -> None:
        """A client that does not answer the close is cut off after the deadline (3.2.7.3)."""
        _, connection = self.joined()
        self.server.server.handle(ServerEvent.SHUTDOWN)
        self.clock.advance(CLOSE_DEADLINE)
        self.assertTrue(connection.server_end.aborted)
        connection.settle()
        self.successResultOf(self.server.server.wait_closed())
        self.assertEqual([call for call in self.clock.getDelayedCalls() if call.getTime() > INITIAL + 1], [])


class PlainSessionTests(SessionTestsMixin):
    """Sessions over plain HTTP."""

    secure = False


class TLSSessionTests(SessionTestsMixin):
    """Sessions over TLS."""

    def test_established_after_tls(self) -> None:
        """The connection counts as established when the TLS handshake is complete, not when TCP is (3.1.5.1)."""
        client = self.client()
        factory, _ = client.endpoint.attempts[0]
        protocol = factory.buildProtocol(OUTER)
        assert protocol
        wire = Wire(protocol, isServer=False)
        protocol.makeConnection(wire)
        self.clock.advance(1)
        self.assertTrue(wire.getOutBuffer().startswith(b"\x16\x03"))  # a TLS handshake record
        self.assertEqual(client.state, ClientState.LINK_DOWN)
        self.clock.advance(HANDSHAKE_DEADLINE - 1)
        self.assertTrue(wire.aborted)

    def test_peer_that_speaks_no_tls(self) -> None:
        """A server gives a connection on which no TLS handshake comes about up after the deadline."""
        wire = Wire(None, isServer=True)
        wire.protocol = self.server.accept(wire)
        self.clock.advance(HANDSHAKE_DEADLINE)
        self.assertTrue(wire.aborted)

    def test_shutdown_during_the_handshake(self) -> None:
        """A shutdown in the middle of a TLS handshake cuts the connection at once (3.2.7.3)."""
        wire = Wire(None, isServer=True)
        wire.protocol = self.server.accept(wire)
        self.server.server.handle(ServerEvent.SHUTDOWN)
        self.assertTrue(wire.aborted)

    def test_tampering(self) -> None:
        """Bytes changed on their way end the session; it is said to have ended, not to have been rejected (3.2.5.3)."""
        client, connection = self.joined()
        client.from_host(packet(client.address, PRIVATE_HOST))
        self.clock.advance(0)
        record = bytearray(connection.client_end.getOutBuffer())
        record[-1] ^= 1
        with capturedLogs() as events:
            connection.server_end.bufferReceived(bytes(record))
            connection.settle()
        self.assertEqual((self.server.device.taken, len(self.server.table)), ([], 0))
        said = [str(formatEvent(event)) for event in events if not event["log_namespace"].endswith(".Client")]
        self.assertEqual(len(said), 1, said)
        self.assertIn("disconnected: TLS failed: ", said[0])

    def test_mode_none(self) -> None:
        """In mode None a client without a certificate has a session, as nobody (3.2.1)."""
        self.server = ServerEnd(self.clock, self.certificates.server_tls(ask=False))
        self.addCleanup(self.server.device.close)
        client = self.client(shown=False)
        client.connect(self.server)
        self.assertEqual(client.state, ClientState.LINK_UP)
        self.assertEqual([entry.identity for entry in self.server.table], [None])


del SessionTestsMixin


class InterpretedSessionTests(TLSSessionTests):
    """The same without the compiled loops, which are optional."""

    def setUp(self) -> None:
        """Start the server without them."""
        self.patch(compiled, "LOOPS", None)
        self.patch(compiled, "DECRYPT", None)
        super().setUp()
