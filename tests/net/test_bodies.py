"""Sessions whose request has a body that ends, in the shell (RFC 9112 sections 6 and 7)."""

from __future__ import annotations

from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.net.support import PRIVATE_HOST, ServerEnd, client_address, packet
from tests.requests import CHUNKED, HOST, MALFORMED_CHUNKS, post, request

PACKET = packet(client_address(1), PRIVATE_HOST)
OTHER = packet(client_address(1), PRIVATE_HOST, b"other")


class BodyCase(SynchronousTestCase):
    """A server, and one client."""

    def setUp(self) -> None:
        """Start the server."""
        self.end = ServerEnd(MemoryReactorClock())
        self.addCleanup(self.end.device.close)

    def send(self, *pieces: bytes) -> tuple[StringTransport, str]:
        """Connect and send the pieces; return the transport and what the log says."""
        transport = StringTransport()
        protocol: Protocol = self.end.accept(transport)
        with capturedLogs() as events:
            for piece in pieces:
                protocol.dataReceived(piece)
                protocol = vars(transport).get("protocol", protocol)
        return transport, "\n".join(str(formatEvent(event)) for event in events)

    def assert_over(self, sent: tuple[StringTransport, str], why: str, *packets: bytes) -> None:
        """Check that a session has ended for a reason, after these packets, and that nothing else was answered."""
        transport, said = sent
        self.assertIn(f"disconnected: {why}", said)
        self.assertEqual((True, 1), (transport.disconnecting, transport.value().count(b"HTTP/1.1 ")))
        self.assertEqual((list(packets), 0), (self.end.device.taken, len(self.end.table)))
        self.end.device.taken.clear()

    def test_bounded(self) -> None:
        """After as many bytes as were announced the session ends; what follows is neither packet nor request."""
        head = post(HOST, b"Content-Length: %d\r\n" % len(PACKET))
        over = "the body of its request has ended"
        for behind in (b"", PACKET, request(), b"\0" * 100):
            self.assert_over(self.send(head + PACKET + behind), over, PACKET)
            self.assert_over(self.send(head, PACKET + behind), over, PACKET)
            self.assert_over(self.send(head, PACKET[:9], PACKET[9:], behind), over, PACKET)

    def test_half_a_packet(self) -> None:
        """A packet that the body's end cuts off is none."""
        for length in (1, len(PACKET) + 1, 2 * len(PACKET) - 1):
            sent = self.send(post(HOST, b"Content-Length: %d\r\n" % length), PACKET + PACKET)
            self.assert_over(sent, "the body of its request has ended", *[PACKET] * (length // len(PACKET)))

    def test_chunked(self) -> None:
        """Packets are taken out of chunks, wherever these cut them; the last chunk ends the session."""
        stream = b"%x\r\n%s\r\n" % (len(PACKET) + 5, PACKET + OTHER[:5])
        stream += b"%X;x=y\r\n%s\r\n" % (len(OTHER) - 5, OTHER[5:]) + b"0\r\n\r\n" + request()
        for size in (1, 7, len(stream)):
            pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
            self.assert_over(
                self.send(post(HOST, CHUNKED), *pieces), "the body of its request has ended", PACKET, OTHER
            )

    def test_malformed_chunks(self) -> None:
        """Malformed chunks end the session; packets before them count."""
        good = b"%x\r\n%s\r\n" % (len(PACKET), PACKET)
        for name, stream in MALFORMED_CHUNKS.items():
            # What they hold is no packet, so it may be framing that is lost first.
            transport, said = self.send(post(HOST, CHUNKED) + good, stream)
            self.assertRegex(said, "disconnected: (the chunks of|framing is lost)", name)
            self.assertTrue(transport.disconnecting)
            self.assertEqual(([PACKET], 0), (self.end.device.taken, len(self.end.table)), name)
            self.end.device.taken.clear()

    def test_framing(self) -> None:
        """Framing that is lost inside a body ends the session as ever (3.2.5.2.2)."""
        sent = self.send(post(HOST, b"Content-Length: 1000\r\n"), PACKET + b"\0")
        self.assert_over(sent, "framing is lost", PACKET)
