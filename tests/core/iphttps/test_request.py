"""Tests for iphttps.core.iphttps.request; the standard library's HTTP client is the witness for the answers."""

from __future__ import annotations

import io
from collections.abc import Iterable
from http.client import HTTPResponse
from socket import socket
from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ProtocolError
from iphttps.core.http.answer import DEFAULT_SERVER
from iphttps.core.http.body import BoundedBody
from iphttps.core.http.head import MAXIMUM_HEAD
from iphttps.core.iphttps.client_handshake import ClientHandshake
from iphttps.core.iphttps.request import Opened, accept
from iphttps.core.text import ascii_only
from tests.handshake import ServerHandshake
from tests.requests import CHUNKED, HOST, OPENED, REFUSED, post, request
from tests.support import every_cut, udp

NAME = "gateway.example"
REQUEST = b"POST /IPTLS HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: 18446744073709551615\r\n\r\n"
"""The request of the example in 4.1."""
EXAMPLE_TIME = 1218340312.0
RESPONSE = b"HTTP/1.1 200 OK\r\nServer: Microsoft-HTTPAPI/2.0\r\nDate: Sun, 10 Aug 2008 03:51:52 GMT\r\n\r\n"
"""The response of the example in 4.1, sent at `EXAMPLE_TIME`."""
PACKET = udp("2001:db8:2::a", "2001:db8:1::5")


class Answer:
    """A socket for the standard library's client."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def makefile(self, mode: str) -> io.BytesIO:
        """Return the answer, then its end."""
        return io.BytesIO(self._answer)


def opened(handshake: ClientHandshake | ServerHandshake, pieces: Iterable[bytes]) -> bytes | None:
    """Feed the pieces; return what belongs to the packet phase, or None if it was never reached."""
    rest = None
    for piece in pieces:
        if rest is not None:
            rest += piece
        elif result := handshake.feed(piece):
            rest = result.rest
    return rest


def cut(stream: bytes, size: int) -> list[bytes]:
    """Cut a stream into pieces of a size."""
    return [stream[at : at + size] for at in range(0, len(stream), size)]


class WordsTests(SynchronousTestCase):
    """A peer's words in errors."""

    @given(st.binary())
    def test_ascii_only(self, words: bytes) -> None:
        """Any bytes of a peer become printable text."""
        self.assertTrue(all(" " <= character <= "~" for character in ascii_only(words)))


class ServerHandshakeTests(SynchronousTestCase):
    """Accepting IP-HTTPS clients (3.2.5.1)."""

    def refused(self, request: bytes, handshake: ServerHandshake | None = None) -> int:
        """Return the status with which the request is rejected."""
        error = self.assertRaises(ProtocolError, opened, handshake or ServerHandshake(), [request])
        return int(cast(ProtocolError, error).status)

    def test_every_cut(self) -> None:
        """The request of the example opens the session, and what follows the head are packets (3.2.5.1, 4.1)."""
        for pieces in every_cut(REQUEST + PACKET):
            self.assertEqual(PACKET, opened(ServerHandshake(), pieces))

    def test_paths(self) -> None:
        """A request for the configured URI is accepted, in any case and in absolute form (3.2.5.1, RFC 9112 3.2.2)."""
        for path in (b"/IPHTTPS", b"/iphttps", b"/IPTLS", b"/ipTLS", b"https://Gateway.example:443/IPHTTPS"):
            self.assertEqual(b"", opened(ServerHandshake(), [REQUEST.replace(b"/IPTLS", path)]))
        for path in (b"/vpn", b"/VPN", b"HTTP://gateway.example/Vpn"):
            self.assertEqual(b"", opened(ServerHandshake(("/Vpn",)), [REQUEST.replace(b"/IPTLS", path)]))

    def test_other_paths(self) -> None:
        """A request for anything but the configured URI gets 404 and no entry (3.2.5.1, RFC 9110 15.5.5)."""
        others = [b"/", b"/IPTLS/", b"/IPTLS?x", b"/%49PTLS", b"/x/../IPTLS", b"IPTLS", b"https://gateway.example"]
        for path in others:
            self.assertEqual(404, self.refused(REQUEST.replace(b"/IPTLS", path)), path)
        self.assertEqual(404, self.refused(REQUEST, ServerHandshake(("/vpn",))))

    def test_versions(self) -> None:
        """HTTP/1.0 is as good, a newer one is not spoken (3.1.5.1, RFC 9112 section 2.3)."""
        self.assertEqual(PACKET, opened(ServerHandshake(), [REQUEST.replace(b"/1.1", b"/1.0") + PACKET]))
        versions = {b"HTTP/2.0": 505, b"HTTP/9.9": 505, b"HTTP/0.9": 505, b"HTTP/11.1": 400, b"FTP/1.1": 400}
        refused = {version: self.refused(REQUEST.replace(b"HTTP/1.1", version)) for version in versions}
        self.assertEqual(versions, refused)

    def test_content_type(self) -> None:
        """A client MAY say that its body is application/octet-stream (2.1)."""
        request = REQUEST[:-2] + b"Content-Type: application/octet-stream\r\n\r\n"
        self.assertEqual(PACKET, opened(ServerHandshake(), [request + PACKET]))

    def test_methods(self) -> None:
        """The request MUST be a POST; any other method gets 405 (3.1.5.2, RFC 9110 section 15.5.6)."""
        for method in (b"GET", b"PUT", b"HEAD", b"OPTIONS", b"TRACE", b"post"):
            self.assertEqual(405, self.refused(REQUEST.replace(b"POST", method)), method)

    def test_connect(self) -> None:
        """The server is no proxy: a CONNECT is rejected (3.1.5.2)."""
        self.assertIn(self.refused(b"CONNECT 192.0.2.9:443 HTTP/1.1\r\nHost: 192.0.2.9:443\r\n\r\n"), (404, 405))

    def test_no_body(self) -> None:
        """A request that announces no entity body has no place for packets, and gets 411 (RFC 9110 15.5.12)."""
        self.assertEqual(411, self.refused(b"POST /IPTLS HTTP/1.1\r\nHost: x\r\n\r\n"))

    def test_refused_requests(self) -> None:
        """Every request of the catalogue is rejected with its status, whole and in pieces (RFC 9110, 9112)."""
        for name, (head, status) in REFUSED.items():
            for size in (len(head), 1000, 1):
                error = self.assertRaises(ProtocolError, opened, ServerHandshake(), cut(head, size))
                self.assertEqual(status, cast(ProtocolError, error).status, (name, size))
                self.assertLess(len(str(error)), 200, name)

    def test_opened_requests(self) -> None:
        """Every proper request of the catalogue opens a session whose body never ends (3.1.5.2)."""
        for name, head in OPENED.items():
            for pieces in ([head + PACKET], [head[:-1], head[-1:] + PACKET]):
                self.assertEqual(PACKET, opened(ServerHandshake(), pieces), name)
            self.assertEqual(Opened(PACKET), ServerHandshake().feed(head + PACKET), name)

    def test_longest_head(self) -> None:
        """A head of 16 kB is taken, and one of a byte more is not, in one piece or in many."""
        head = request(b"X: %s\r\n")
        head = head.replace(b"%s", b"y" * (MAXIMUM_HEAD - len(head) + 2))
        longer = head.replace(b"yy", b"yyy", 1)
        for size in (MAXIMUM_HEAD, 1000, MAXIMUM_HEAD + len(PACKET) + 1):
            self.assertEqual(PACKET, opened(ServerHandshake(), cut(head + PACKET, size)))
            error = self.assertRaises(ProtocolError, opened, ServerHandshake(), cut(longer + PACKET, size))
            self.assertEqual(431, cast(ProtocolError, error).status)

    def test_bounded(self) -> None:
        """A body of a length that can be reached ends there (RFC 9112 section 6.3)."""
        for length in (b"5", b"4611686018427387903"):
            result = ServerHandshake().feed(post(HOST, b"Content-Length: " + length + b"\r\n") + PACKET)
            self.assertIsInstance(result and result.body, BoundedBody)
        result = ServerHandshake().feed(post(HOST, b"Content-Length: 5, 5\r\n") + PACKET)
        assert result and result.body
        self.assertEqual((PACKET, PACKET[:5]), (result.rest, result.body.feed(result.rest)))

    def test_chunked(self) -> None:
        """A body in chunks is taken, and what follows the head is to be read as chunks (RFC 9112 section 7.1)."""
        for encoding in (CHUNKED, b"transfer-encoding:CHUNKED \r\n"):
            result = ServerHandshake().feed(post(HOST, encoding) + b"3\r\nabc")
            assert result and result.body
            self.assertEqual((b"3\r\nabc", b"abc"), (result.rest, result.body.feed(result.rest)))

    def test_continue(self) -> None:
        """A client that expects 100 Continue gets it before the 200 (RFC 9110 section 10.1.1)."""
        for version, interim in ((b"HTTP/1.1", b"HTTP/1.1 100 Continue\r\n\r\n"), (b"HTTP/1.0", b"")):
            handshake = ServerHandshake(server="Microsoft-HTTPAPI/2.0")
            self.assertTrue(handshake.feed(request(b"Expect: 100-Continue\r\n", version=version)))
            self.assertEqual(interim + RESPONSE, handshake.accept(EXAMPLE_TIME))

    def test_other_protocols(self) -> None:
        """Clients of other protocols are told apart from bad HTTP."""
        for name, words in (
            ("TLS", "TLS handshake on a plain HTTP port"),
            ("SSH", "speaks SSH"),
            ("the PROXY protocol", "sends a PROXY header"),
            ("the PROXY protocol in binary", "sends a PROXY header"),
        ):
            error = self.assertRaises(ProtocolError, ServerHandshake().feed, REFUSED[name][0])
            self.assertIn(words, str(error))

    def test_refuse_head(self) -> None:
        """The answer to HEAD is that to GET without its body (RFC 9110 section 9.3.2)."""
        answers = []
        for method in (b"GET", b"HEAD"):
            handshake = ServerHandshake()
            error = self.assertRaises(ProtocolError, handshake.feed, request(method=method))
            answers.append(handshake.refuse(cast(ProtocolError, error), EXAMPLE_TIME).partition(b"\r\n\r\n"))
        (get, _, body), (head, _, nothing) = answers
        self.assertEqual((get, b""), (head, nothing))
        self.assertTrue(body)

    def test_bad_requests(self) -> None:
        """A request that breaks HTTP gets 400 (RFC 9112 sections 2.2, 3.2 and 6.3)."""
        requests = [
            REQUEST.replace(b"Host: 192.0.2.1\r\n", b""),
            REQUEST.replace(b"Host: 192.0.2.1\r\n", b"Host: a\r\nHost: b\r\n"),
            REQUEST.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n"),
            REQUEST.replace(b"18446744073709551615", b"-1"),
            REQUEST.replace(b"18446744073709551615", b"9" * 21),
            REQUEST.replace(b"POST /", b"POST  /"),
            REQUEST.replace(b"Host:", b"Host :"),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        ]
        self.assertEqual([400] * len(requests), [self.refused(request) for request in requests])

    def test_too_long(self) -> None:
        """A head without an end is given up after 16 kB with 431 (RFC 6585 section 5)."""
        self.assertEqual(431, self.refused(REQUEST[:-2] + b"X: y\r\n" * MAXIMUM_HEAD))

    def test_closed(self) -> None:
        """A connection that ends before the request does opens nothing (3.2.5.1)."""
        self.assertEqual(400, self.refused(b""))

    def test_accept(self) -> None:
        """The server MUST send a 200 OK reply with the Date and Server headers (3.2.5.1, 4.1)."""
        self.assertEqual(RESPONSE, accept(Opened(b""), "Microsoft-HTTPAPI/2.0", EXAMPLE_TIME))

    def test_accept_by_default(self) -> None:
        """The reply is endless, and its Server header lets the server be recognised (3.2.5.1)."""
        response = self.parsed(accept(Opened(b""), DEFAULT_SERVER, EXAMPLE_TIME) + PACKET * 3)
        self.assertEqual({"Server", "Date"}, set(response.headers))
        self.assertIn("HTTPAPI/2.0", response.headers["Server"])
        self.assertEqual((200, "OK", PACKET * 3), (response.status, response.reason, response.read()))

    def test_refuse(self) -> None:
        """A request that cannot open a session gets its status and a sentence, and the connection ends (3.2.5.1)."""
        answers = {}
        for head in (REQUEST.replace(b"/IPTLS", b"/other"), REQUEST.replace(b"POST", b"GET"), b"nonsense\r\n\r\n"):
            handshake = ServerHandshake()
            error = self.assertRaises(ProtocolError, handshake.feed, head)
            response = self.parsed(handshake.refuse(cast(ProtocolError, error), EXAMPLE_TIME))
            self.assertEqual("close", response.headers["Connection"])
            self.assertEqual("Sun, 10 Aug 2008 03:51:52 GMT", response.headers["Date"])
            answers[response.status] = (response.headers["Allow"], response.read())
        expected = {
            404: (None, b"there is no such path as '/other' here\n"),
            405: ("POST", b"only POST opens a tunnel\n"),
            400: (None, b""),
        }
        self.assertEqual(expected, answers)

    def parsed(self, answer: bytes) -> HTTPResponse:
        """Let the standard library's client read an answer to a POST."""
        response = HTTPResponse(cast(socket, Answer(answer)), method="POST")
        response.begin()
        return response


class TwoEndsTests(SynchronousTestCase):
    """Client and server, without a network."""

    def test_exchange(self) -> None:
        """POST and 200 open a session both ways (3.1.5.2, 3.2.5.1)."""
        client, server = ClientHandshake(NAME, "/IPHTTPS"), ServerHandshake()
        self.assertEqual(PACKET, opened(server, [client.request() + PACKET]))
        self.assertEqual(PACKET * 2, opened(client, [server.accept(EXAMPLE_TIME) + PACKET * 2]))

    def test_refusal(self) -> None:
        """The client tells a person what the server answered (3.1.5.2)."""
        client, server = ClientHandshake(NAME, "/other"), ServerHandshake()
        error = self.assertRaises(ProtocolError, server.feed, client.request())
        answer = server.refuse(cast(ProtocolError, error), EXAMPLE_TIME)
        error = self.assertRaises(ProtocolError, client.feed, answer)
        self.assertIn("404 Not Found", str(error))
