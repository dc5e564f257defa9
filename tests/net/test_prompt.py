"""TLS that does not wait for more to be written."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.prompt import RECORD, Gathering, PromptTLSFactory

from .certificates import Certificates
from .support import Connection


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


class Gatherer(Recorder, Gathering):
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
        for_server = PromptTLSFactory(certificates.server_tls(), False, Factory.forProtocol(lambda: server), clock)
        tls = certificates.client_tls(certificates.client)
        for_client = PromptTLSFactory(tls, True, Factory.forProtocol(lambda: client), clock)
        connection = Connection(clock, for_server.buildProtocol(None), for_client.buildProtocol(None))
        connection.settle()
        return connection

    def test_one_piece(self) -> None:
        """What is written at a time goes to the transport at once and in one piece, of however many records."""
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
        """Who gathers is told once that nothing more comes, after all the records that one read has brought."""
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
        """What is written before TLS is up waits for it."""
        client, server = Recorder(b"first"), Recorder(b"second")
        self.connect(client, server)
        self.assertEqual((client.heard, server.heard), (b"second", b"first"))

    def test_after_the_end(self) -> None:
        """What is written to a connection that closes, or has closed, goes nowhere."""
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
