"""The client with servers that are not as they should be: what it does, and what it says of them."""

from __future__ import annotations

from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport

from iphttps.core.failure import FailureReason, Stage
from iphttps.core.iphttps.client_handshake import RequestLength
from iphttps.core.reconnect import INITIAL
from iphttps.net.connection import HANDSHAKE_DEADLINE
from iphttps.net.iphttps.client import IPHTTPSClientSession

from .iphttps.test_client import ANSWER, FROM_US, TO_US, ClientCase


def answer(*headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Build the head of an answer."""
    return b"HTTP/1.1 %s\r\n%s\r\n" % (status, b"".join(header + b"\r\n" for header in headers))


class OddServerCase(ClientCase):
    """A client that connects by plain HTTP."""

    def setUp(self) -> None:
        """Enable the client."""
        super().setUp()
        self.start()

    @property
    def trouble(self) -> FailureReason:
        """What went wrong last."""
        assert self.end.client.last_failure
        return self.end.client.last_failure[0]

    def answered(self, *pieces: bytes) -> Protocol:
        """Let the latest attempt come as far as this answer; end it, if the client has closed the connection."""
        protocol, transport = self.established()
        for piece in pieces:
            protocol.dataReceived(piece)
        if transport.disconnecting:
            self.lose(protocol)
        return protocol


class BodyTests(OddServerCase):
    """Answers whose body ends (RFC 9112 section 6.3)."""

    def test_chunked(self) -> None:
        """Packets come out of chunks, however they are cut; with the last chunk the session ends."""
        chunks = b"%x\r\n%b\r\n%x\r\n%b\r\n" % (10, TO_US[:10], len(TO_US) - 10, TO_US[10:])
        head = answer(b"Transfer-Encoding: chunked")
        protocol = self.answered(head + chunks[:7], chunks[7:])
        self.assertEqual((self.end.link, self.end.device.taken), (["up"], [TO_US]))
        self.assertEqual(protocol.counters.packets_in, 1)  # type: ignore[attr-defined]
        protocol.dataReceived(b"0\r\n\r\n")
        self.lose(protocol)
        self.assertEqual((self.end.link, self.delays()), (["up", "down"], [INITIAL]))
        self.assertIn("the server's answer has ended with its last chunk", self.trouble.sentence)

    def test_length(self) -> None:
        """After as many bytes as were announced the session ends, with a sentence, and the client comes back."""
        self.answered(answer(b"Content-Length: 10") + TO_US)
        self.assertEqual((self.end.link, self.end.device.taken), (["up", "down"], []))
        self.assertEqual(self.trouble.stage, Stage.HTTP)
        self.assertIn("only 10 bytes long (Content-Length)", self.trouble.sentence)
        self.assertEqual(self.delays(), [INITIAL])

    def test_plain(self) -> None:
        """A plain answer's bytes go to the framer without a detour."""
        protocol = self.answered(ANSWER)
        assert isinstance(protocol, IPHTTPSClientSession)
        self.assertEqual(protocol._receive, protocol._packets_received)


class LoopTests(OddServerCase):
    """Servers that would keep a client busy."""

    def test_hanging_up_at_once(self) -> None:
        """A server that answers 200 and hangs up is called no more often than the schedule says (3.1.2.1)."""
        waited = []
        for _ in range(6):
            self.lose(self.answered(ANSWER))
            waited += self.delays()
            self.clock.advance(INITIAL - 1)
            self.assertEqual(len(self.end.endpoint.attempts), len(waited))
            self.clock.advance(1)
        self.assertEqual(waited, [INITIAL] * 6)

    def test_retry_after(self) -> None:
        """A server that asks for more time gets it; one that asks for less does not shorten the schedule (3.1.2.1)."""
        for asked, delay in ((b"120", 120.0), (b"1", 120.0), (b"999999", 3600.0)):
            self.answered(answer(b"Retry-After: " + asked, status=b"503 Service Unavailable"))
            self.assertEqual(self.delays(), [delay], asked)
            self.assertIn("it is overloaded or out of service", self.trouble.sentence)
            self.clock.advance(delay)

    def test_black_hole(self) -> None:
        """A server that accepts everything and says nothing is given up after 30 seconds; its code is a timeout."""
        protocol, transport = self.established()
        self.clock.advance(HANDSHAKE_DEADLINE)
        self.assertTrue(transport.disconnecting)
        self.lose(protocol)
        self.assertEqual((self.trouble.stage, self.trouble.code), (Stage.HTTP, "0x274C"))

    def test_endless_head(self) -> None:
        """A head without an end is given up as soon as it is too long."""
        self.answered(answer()[:-2], *[b"X: %b\r\n" % (b"y" * 1000)] * 20)
        self.assertIn("the head of the server's answer is longer than 16384 bytes", self.trouble.sentence)

    def test_hanging_up_before_the_answer(self) -> None:
        """A server that ends the connection instead of answering is told from one that ends a session."""
        self.lose(self.answered())
        self.assertIn("instead of answering the request", self.trouble.sentence)


class RequestLengthTests(OddServerCase):
    """Requests for fronts that refuse the length of 3.1.5.2."""

    length = RequestLength.CHUNKED

    def setUp(self) -> None:
        """Have the client announce another length."""
        self.clock = MemoryReactorClock()
        super().setUp()
        self.end.length = self.length
        self.lose(self.answered())
        self.clock.advance(INITIAL)

    def session(self) -> tuple[Protocol, StringTransport]:
        """Open a session; return it with all that was sent until now."""
        protocol, transport = self.established()
        protocol.dataReceived(ANSWER)
        return protocol, transport

    def test_chunked(self) -> None:
        """Each batch is sent as a chunk, and the last chunk with the end (RFC 9112 section 7.1)."""
        protocol, transport = self.session()
        self.assertIn(b"\r\nTransfer-Encoding: chunked\r\n\r\n", transport.value())
        transport.clear()
        self.end.from_host(FROM_US)
        self.assertEqual(transport.value(), b"%x\r\n%b\r\n" % (len(FROM_US), FROM_US))
        transport.clear()
        assert isinstance(protocol, IPHTTPSClientSession)
        protocol.disconnect("enough")
        self.assertEqual((transport.value(), transport.disconnecting), (b"0\r\n\r\n", True))

    def test_signed(self) -> None:
        """With the smaller length packets are sent bare, as with the greatest."""
        self.end.length = RequestLength.SIGNED
        _, transport = self.session()
        self.assertIn(b"\r\nContent-Length: 9223372036854775807\r\n\r\n", transport.value())
        transport.clear()
        self.end.from_host(FROM_US)
        self.assertEqual(transport.value(), FROM_US)
