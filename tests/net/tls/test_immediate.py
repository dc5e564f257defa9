"""TLS that does not wait for more to be written."""

from __future__ import annotations

from pathlib import Path

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.tls.immediate import RECORD, ImmediateTLS, ImmediateTLSFactory, ReadBatching

from ..certificates import Certificates
from ..support import Connection
from ..test_hellos import client_hello


class Recorder(Protocol):
    """Says something as soon as it is connected, before TLS is up, and records what it hears."""

    def __init__(self, says: bytes = b"") -> None:
        self.heard = b""
        self._says = says

    def connectionMade(self) -> None:
        """Speak."""
        if self._says:
            assert self.transport
            self.transport.write(self._says)

    def dataReceived(self, data: bytes) -> None:
        """Record."""
        self.heard += data


class Gatherer(Recorder, ReadBatching):
    """Notes how much it has heard each time that nothing more comes for now."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[int] = []

    def turn_over(self) -> None:
        """Note it."""
        self.turns.append(len(self.heard))


class PromptTLSTests(SynchronousTestCase):
    """Two protocols joined in memory."""

    def connect(self, client: Recorder, server: Recorder) -> Connection:
        """Join them by TLS."""
        clock, certificates = MemoryReactorClock(), Certificates(Path(self.mktemp()))
        for_server = ImmediateTLSFactory(certificates.server_tls(), False, Factory.forProtocol(lambda: server), clock)
        tls = certificates.client_tls(certificates.client)
        for_client = ImmediateTLSFactory(tls, True, Factory.forProtocol(lambda: client), clock)
        connection = Connection(clock, for_server.buildProtocol(None), for_client.buildProtocol(None))
        connection.settle()
        return connection

    def test_one_piece(self) -> None:
        """Each write reaches the transport at once and in one piece, for any number of records."""
        for size in (1, RECORD, RECORD + 1, 5 * RECORD, 100 * RECORD - 1):
            client, server = Recorder(), Recorder()
            connection = self.connect(client, server)
            said = bytes(number % 251 for number in range(size))
            assert server.transport
            server.transport.write(said)
            self.assertEqual(len(connection.server_end.stream), 1)
            connection.settle()
            self.assertEqual(client.heard, said)

    def test_gathering(self) -> None:
        """The reader is notified once per read, after all its records."""
        client, server = Gatherer(), Recorder()
        connection = self.connect(client, server)
        client.turns.clear()
        assert server.transport
        server.transport.write(bytes(3 * RECORD))
        connection.settle()
        self.assertEqual([3 * RECORD], client.turns)

    def test_nothing(self) -> None:
        """Nothing at all can be written, and is heard as nothing."""
        client, server = Recorder(), Recorder()
        connection = self.connect(client, server)
        assert server.transport
        server.transport.write(b"")
        connection.settle()
        self.assertEqual(client.heard, b"")

    def test_before_the_handshake(self) -> None:
        """Data written before the TLS handshake completes is queued."""
        client, server = Recorder(b"first"), Recorder(b"second")
        self.connect(client, server)
        self.assertEqual((client.heard, server.heard), (b"second", b"first"))

    def test_after_the_end(self) -> None:
        """Data written to a closing or closed connection is discarded."""
        client, server = Recorder(), Recorder()
        connection = self.connect(client, server)
        assert server.transport
        server.transport.loseConnection()
        server.transport.write(b"late")
        connection.settle()
        server.transport.write(b"too late")
        connection.settle()
        self.assertEqual(client.heard, b"")

    def test_failed(self) -> None:
        """A connection on which TLS has failed ends, and writing to it is no error."""
        client, server = Recorder(), Recorder()
        connection = self.connect(client, server)
        connection.client_end.stream.append(b"\x17\x03\x03\x00\x20" + bytes(32))  # a record that was tampered with
        connection.settle()
        assert server.transport
        server.transport.write(b"late")
        self.assertTrue(connection.server_end.disconnecting)


class HandshakesTests(SynchronousTestCase):
    """Several clients that come to a server at the same time."""

    def setUp(self) -> None:
        """Start the server's side; two clients have said hello before it turns to any."""
        self.clock, certificates = MemoryReactorClock(), Certificates(Path(self.mktemp()))
        self.heard = [Recorder(), Recorder()]
        waiting = list(self.heard)
        factory = ImmediateTLSFactory(
            certificates.server_tls(), False, Factory.forProtocol(lambda: waiting.pop(0)), self.clock
        )
        self.transports = [StringTransport() for _ in self.heard]
        self.ends = []
        for transport in self.transports:
            end = factory.buildProtocol(None)
            end.makeConnection(transport)
            end.dataReceived(client_hello(SSL.TLS1_3_VERSION))
            self.ends.append(end)

    def answered(self) -> list[bool]:
        """Return who has an answer."""
        return [bool(transport.value()) for transport in self.transports]

    def test_one_after_the_other(self) -> None:
        """Of two that come in one turn of the reactor the second waits for the next, and is not read meanwhile."""
        self.assertEqual(self.answered(), [True, False])
        self.assertEqual([transport.producerState for transport in self.transports], ["producing", "paused"])
        self.clock.advance(0)
        self.assertEqual(self.answered(), [True, True])
        self.assertEqual([transport.producerState for transport in self.transports], ["producing", "producing"])

    def test_end_while_waiting(self) -> None:
        """Data received before the client closed is processed, so that the log has the reason."""
        self.ends[1].connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.answered(), [True, True])
        self.clock.advance(0)

    def test_open(self) -> None:
        """Once its session is open, nothing that comes from a client waits."""
        end = self.ends[0]
        assert isinstance(end, ImmediateTLS)
        end.hand_over(end.wrappedProtocol)
        end.dataReceived(b"\x15\x03\x03\x00\x02\x02\x28")  # the alert handshake_failure
        self.assertTrue(self.transports[0].disconnecting)
