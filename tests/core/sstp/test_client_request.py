"""Tests for iphttps.core.sstp.client_request: the request that opens a call, and the check of the answer."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ProtocolError
from iphttps.core.http.request_head import RequestHead, RequestReader
from iphttps.core.sstp import request as server
from iphttps.core.sstp.client_request import CORRELATION_LENGTH, ClientHandshake, Opened, guid
from tests.support import every_cut

RANDOM = bytes(range(CORRELATION_LENGTH))
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\nServer: Microsoft-HTTPAPI/2.0\r\n\r\n"
PACKET = bytes.fromhex("1001000800080000")


class RequestTests(SynchronousTestCase):
    """The request (3.2.4.1)."""

    def test_request(self) -> None:
        """SSTP_DUPLEX_POST to the path of SSTP, with the maximum length and a GUID, and no body yet (3.2.4.1, 4.1)."""
        self.assertEqual(
            b"SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n"
            b"Host: vpn.example.org\r\n"
            b"SSTPCORRELATIONID: {00010203-0405-0607-0809-0A0B0C0D0E0F}\r\n"
            b"Content-Length: 18446744073709551615\r\n\r\n",
            ClientHandshake("vpn.example.org", RANDOM).request(),
        )

    def test_correlation(self) -> None:
        """The GUID is available for the log, in the form of [MS-DTYP] 2.3.4.3."""
        self.assertEqual("{FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF}", guid(b"\xff" * 16))
        self.assertEqual(guid(RANDOM), ClientHandshake("host", RANDOM).correlation)

    def test_target(self) -> None:
        """The path may have the query of a front, and the host a port (3.2.4.1)."""
        target = f"{server.PATH}?tenantid=7"
        without = ClientHandshake("host", RANDOM, f"{server.PATH[:-1]}?tenantid=7").request()
        self.assertIn(f" {target} HTTP/1.1\r\n".encode(), without)
        self.assertIn(b" /elsewhere HTTP/1.1\r\n", ClientHandshake("host", RANDOM, "/elsewhere").request())
        head = ClientHandshake("[2001:db8::1]:4443", RANDOM, target).request()
        self.assertIn(f" {target} HTTP/1.1\r\nHost: [2001:db8::1]:4443\r\n".encode(), head)

    def test_server_takes_it(self) -> None:
        """Our own server accepts the request, and the client the server's answer (3.3.7.2)."""
        handshake = ClientHandshake("vpn.example.org", RANDOM)
        found = RequestReader().feed(handshake.request())
        assert isinstance(found, RequestHead)
        self.assertTrue(server.is_path(found.path))
        self.assertEqual(b"", server.open_call(found))
        self.assertEqual(Opened(b""), handshake.feed(server.accept("test", 0.0)))


class AnswerTests(SynchronousTestCase):
    """The answer (3.2.4.1, 4.1)."""

    def opened(self, *pieces: bytes) -> bytes | None:
        """Return what belongs to the call, None if the answer is not complete."""
        handshake = ClientHandshake("vpn.example.org", RANDOM)
        handshake.request()
        rest: bytes | None = None
        for piece in pieces:
            if rest is not None:
                rest += piece
            elif found := handshake.feed(piece):
                rest = found.rest
        return rest

    def refused(self, *pieces: bytes) -> ProtocolError:
        """Return the error for a rejected answer."""
        error = self.assertRaises(ProtocolError, self.opened, *pieces)
        assert isinstance(error, ProtocolError)
        self.assertTrue(str(error).isascii() and str(error).isprintable(), str(error))
        return error

    def test_every_cut(self) -> None:
        """A 200 opens the call, and the bytes after its head belong to the call."""
        for pieces in every_cut(ANSWER + PACKET):
            self.assertEqual(PACKET, self.opened(*pieces))

    def test_incomplete(self) -> None:
        """Before the head is complete there is no call."""
        for at in range(1, len(ANSWER)):
            self.assertIsNone(self.opened(ANSWER[:at]))

    def test_lengths(self) -> None:
        """Some servers and fronts send another huge Content-Length, or none."""
        for header in (b"", b"Content-Length: 9223372036854775807\r\n", b"Content-Encoding: identity\r\n"):
            self.assertEqual(PACKET, self.opened(b"HTTP/1.1 200 OK\r\n" + header + b"\r\n" + PACKET))

    def test_statuses(self) -> None:
        """Any other status is an error, with the status and advice."""
        for status, words in {
            b"400 Bad Request": "a front does not forward",
            b"401 Unauthorized": "check --uri",
            b"403 Forbidden": "forbids the request",
            b"404 Not Found": "no SSTP server at this host and path",
            b"405 Method Not Allowed": "does not support SSTP",
            b"407 Proxy Authentication Required": "--proxy",
            b"503 Service Unavailable": "no free port",
            b"505 HTTP Version Not Supported": "HTTP/1.0",
            b"418 I'm a teapot": "an SSTP server answers 200 OK: check --uri",
            b"204 No Content": "an SSTP server answers 200 OK",
            b"302 Found": "captive portal",
        }.items():
            error = self.refused(b"HTTP/1.1 " + status + b"\r\n\r\n")
            self.assertIn(status.decode(), str(error))
            self.assertIn(words, str(error))

    def test_retry_after(self) -> None:
        """The error has the seconds of the server's Retry-After (RFC 9110 10.2.3)."""
        error = self.refused(b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\n\r\n")
        self.assertEqual(120.0, error.retry_after)
        self.assertIsNone(self.refused(b"HTTP/1.1 503 Busy\r\n\r\n").retry_after)

    def test_no_call(self) -> None:
        """A 200 that cannot be a call: a web page, a short answer, one that is chunked or encoded."""
        for header, words in {
            b"Content-Type: text/html": "captive portal",
            b"Content-Length: 0": "ends after 0 bytes",
            b"Content-Length: 4000": "ends after 4000 bytes",
            b"Transfer-Encoding: chunked": "chunked",
            b"Content-Encoding: gzip": "encoded (gzip)",
        }.items():
            self.assertIn(words, str(self.refused(b"HTTP/1.1 200 OK\r\n" + header + b"\r\n\r\n")))

    def test_no_http(self) -> None:
        """Other protocols are recognized by their first bytes."""
        for first, words in {
            b"\x15\x03\x01\x00\x02\x02\x46": "https://",
            b"SSH-2.0-OpenSSH_9.2\r\n": "SSH",
            b"<html>": "web page",
            PACKET: "not HTTP",
        }.items():
            self.assertIn(words, str(self.refused(first)))
        self.assertIn("closed the connection without an answer", str(self.refused(b"")))
