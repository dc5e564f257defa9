"""Tests for iphttps.core.iphttps.client_handshake: the request, and what becomes of each answer to it."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ProtocolError
from iphttps.core.http.client_exchange import MAXIMUM_INTERIM, MAXIMUM_RETRY_AFTER
from iphttps.core.http.head import MAXIMUM_HEAD
from iphttps.core.iphttps.client_handshake import ClientHandshake, RequestLength
from iphttps.core.iphttps.request import Opened
from iphttps.core.text import SHOWN_LENGTH
from tests.support import every_cut, udp

NAME = "gateway.example"
RESPONSE = b"HTTP/1.1 200 OK\r\nServer: Microsoft-HTTPAPI/2.0\r\nDate: Sun, 10 Aug 2008 03:51:52 GMT\r\n\r\n"
"""The response of the example in 4.1."""
PACKET = udp("2001:db8:2::a", "2001:db8:1::5")


def opened(handshake: ClientHandshake, pieces: Iterable[bytes]) -> Opened | None:
    """Feed the pieces; return what the answer has opened, with all that came behind its head, or None."""
    result: Opened | None = None
    for piece in pieces:
        result = Opened(result.rest + piece, result.body) if result else handshake.feed(piece)
    return result


def answer(*headers: bytes, status: bytes = b"200 OK", version: bytes = b"HTTP/1.1") -> bytes:
    """Build the head of an answer."""
    return b"%s %s\r\n%s\r\n" % (version, status, b"".join(header + b"\r\n" for header in headers))


class HandshakeCase(SynchronousTestCase):
    """A client that has sent its request."""

    def client(self) -> ClientHandshake:
        """Make it."""
        handshake = ClientHandshake(NAME, "/IPHTTPS")
        handshake.request()
        return handshake

    def rest(self, *pieces: bytes) -> bytes | None:
        """Return what belongs to the packet phase, or None if it was never reached."""
        result = opened(self.client(), pieces)
        return None if result is None else result.rest

    def error(self, *pieces: bytes) -> ProtocolError:
        """Return the error with which the answer is rejected."""
        error = self.assertRaises(ProtocolError, opened, self.client(), pieces)
        assert isinstance(error, ProtocolError)
        self.assertTrue(str(error).isascii() and str(error).isprintable(), str(error))
        self.assertLess(len(str(error)), 500)
        return error

    def refused(self, *pieces: bytes) -> str:
        """Return the sentence that explains why the answer is rejected."""
        return str(self.error(*pieces))


class RequestTests(HandshakeCase):
    """The client's request (3.1.5.2)."""

    def test_request(self) -> None:
        """The client MUST send a POST, and its Content-Length SHOULD be 18446744073709551615 (3.1.5.2)."""
        expected = b"POST /IPHTTPS HTTP/1.1\r\nHost: gateway.example\r\nContent-Length: 18446744073709551615\r\n\r\n"
        handshake = ClientHandshake(NAME, "/IPHTTPS")
        self.assertEqual((expected, False), (handshake.request(), handshake.chunked))

    def test_for_fronts(self) -> None:
        """For fronts that reject this length there is a smaller one, and a body in chunks (RFC 9112 section 6)."""
        for length, header, chunked in (
            (RequestLength.SIGNED, b"Content-Length: 9223372036854775807", False),
            (RequestLength.CHUNKED, b"Transfer-Encoding: chunked", True),
        ):
            handshake = ClientHandshake(NAME, "/IPHTTPS", length)
            expected = b"POST /IPHTTPS HTTP/1.1\r\nHost: gateway.example\r\n%b\r\n\r\n" % header
            self.assertEqual((expected, chunked), (handshake.request(), handshake.chunked))


class SuccessTests(HandshakeCase):
    """A successful response, and the body in which the packets come (3.1.5.2, 3.1.5.3)."""

    def test_every_cut(self) -> None:
        """A successful response opens the session, and what follows the head are packets (3.1.5.2, 3.1.5.3)."""
        for pieces in every_cut(RESPONSE + PACKET):
            self.assertEqual(PACKET, self.rest(*pieces))

    @given(st.lists(st.binary(max_size=20)))
    def test_any_bytes_behind(self, pieces: list[bytes]) -> None:
        """The bytes after the head belong to the entity body, and are passed on (3.1.5.3)."""
        self.assertEqual(b"".join(pieces), self.rest(RESPONSE, *pieces))

    def test_incomplete(self) -> None:
        """Before the response is complete there is no link (3.1.5.2)."""
        for at in range(len(RESPONSE)):
            self.assertIsNone(self.rest(*([RESPONSE[:at]] if at else [])), at)

    def test_other_success(self) -> None:
        """Any status of the class 2xx with a body is a successful response (3.1.5.2, RFC 9110 section 15.3)."""
        for head in (b"HTTP/1.1 201 Created", b"HTTP/1.1 299 ", b"HTTP/1.0 200 OK"):
            self.assertEqual(PACKET, self.rest(head + b"\r\n\r\n" + PACKET))

    def test_interim(self) -> None:
        """Interim responses are skipped (RFC 9110 section 15.2), but not without end."""
        hints = b"HTTP/1.1 103 Early Hints\r\n\r\n"
        interim = b"HTTP/1.1 100 Continue\r\n\r\n" * (MAXIMUM_INTERIM - 1) + hints
        self.assertEqual(PACKET, self.rest(interim + RESPONSE + PACKET))
        for pieces in every_cut(hints * 2 + RESPONSE + PACKET):
            self.assertEqual(PACKET, self.rest(*pieces))
        self.assertIn("interim", self.refused(interim, b"HTTP/1.1 102 Processing\r\n\r\n"))

    def test_endless(self) -> None:
        """Without a length, or with one that is never reached, there is nothing between the bytes and the packets."""
        for headers in ((), (b"Content-Length: 18446744073709551615",), (b"Content-Encoding: identity",)):
            result = opened(self.client(), [answer(*headers) + PACKET])
            self.assertEqual(Opened(PACKET), result)

    def test_length(self) -> None:
        """A body with a length within reach ends there, and the sentence names the length (RFC 9112 section 6.3)."""
        result = opened(self.client(), [answer(b"Content-Length: 10")])
        assert result and result.body
        self.assertEqual(
            (b"0123456789", True), (result.body.feed(b"0123456789abc"), "10 bytes" in str(result.body.end))
        )

    def test_chunked(self) -> None:
        """A body in chunks is decoded, whatever length there is besides (RFC 9112 sections 6.3, 7.1)."""
        for headers in ((), (b"Content-Length: 4",)):
            result = opened(self.client(), [answer(b"Transfer-Encoding: Chunked", *headers) + b"5\r\npa"])
            assert result and result.body
            self.assertEqual(b"packet", result.body.feed(result.rest) + result.body.feed(b"cke\r\n1\r\nt\r\n"))
            result.body.feed(b"0\r\n\r\n")
            self.assertIn("the server's answer has ended", result.body.end or "")

    def test_malformed_chunks(self) -> None:
        """Chunks that are none end the session with a sentence about the server (RFC 9112 section 7.1)."""
        result = opened(self.client(), [answer(b"Transfer-Encoding: chunked")])
        assert result and result.body
        result.body.feed(b"nonsense\r\n")
        self.assertEqual("the chunks of the server's answer are malformed", result.body.end)


class RefusalTests(HandshakeCase):
    """After any other response there is no link, and a person is told what it was (3.1.5.2)."""

    def test_statuses(self) -> None:
        """The status is named, with what to do about it (RFC 9110 section 15)."""
        for head, advice in (
            (b"400 Bad Request", "try --request-length 2^63-1, then chunked"),
            (b"401 Unauthorized", "password"),
            (b"403 Forbidden", "--certificate"),
            (b"404 Not Found", "check the path in --uri"),
            (b"405 Method Not Allowed", "is not that of an IP-HTTPS server"),
            (b"411 Length Required", "--request-length"),
            (b"413 Content Too Large", "--request-length"),
            (b"418 Teapot", "check --uri"),
            (b"500 Internal Server Error", "Windows Server 2025"),
            (b"502 Bad Gateway", "behind it"),
            (b"503 Service Unavailable", "overloaded"),
            (b"504 Gateway Timeout", "behind it"),
            (b"304 Not Modified", "check --uri"),
        ):
            sentence = self.refused(answer(b"Content-Length: 0", status=head))
            self.assertIn(f"the server answered {head.decode()}, where an IP-HTTPS server answers 200 OK: ", sentence)
            self.assertIn(advice, sentence)

    def test_no_answer(self) -> None:
        """A connection that ends before an answer is said to have had none."""
        self.assertEqual("the server closed the connection without an answer", self.refused(b""))

    def test_redirection(self) -> None:
        """A redirection is not followed, but its target is named, and whose it may be (3.1.5.2)."""
        sentence = self.refused(answer(b"Location: https://portal.example/", status=b"302 Found"))
        self.assertIn("302 Found, pointing to https://portal.example/, where we do not go: a captive portal", sentence)
        self.assertIn("without saying where to", self.refused(answer(status=b"307 Temporary Redirect")))

    def test_words_of_the_peer(self) -> None:
        """A peer's words appear in errors as printable ASCII of bounded length."""
        self.assertIn("404 N\\xc3\\xb6", self.refused(b"HTTP/1.1 404 N\xc3\xb6\t\r\n\r\n"))
        target = b"Location: https://p.example/" + b"\xff" * 9000
        for head in (answer(target, status=b"302 Found"), answer(status=b"404 " + b"x" * 9000)):
            self.assertIn("...", self.refused(head))
        self.assertLess(len(self.refused(b"nonsense " * 900 + b"\r\n\r\n")), 100 + SHOWN_LENGTH)

    def test_web_page(self) -> None:
        """A web page in the place of packets is taken for what a captive portal answers (2.1)."""
        for kind in (b"text/html", b"TEXT/HTML; charset=utf-8", b"application/xhtml+xml"):
            self.assertIn("is a web page: a captive portal", self.refused(answer(b"Content-Type: " + kind)))
        self.assertEqual(b"", self.rest(answer(b"Content-Type: application/octet-stream")))

    def test_no_body(self) -> None:
        """An answer that has no room for packets is rejected, although it is a success (RFC 9110 section 15.3)."""
        for status in (b"204 No Content", b"205 Reset Content"):
            self.assertIn("no body for packets: a captive portal", self.refused(answer(status=status)))
        self.assertIn("no room for packets", self.refused(answer(b"Content-Length: 0")))

    def test_encodings(self) -> None:
        """Codings that the client did not request are not decoded (RFC 9110 section 8.4, RFC 9112 section 6.1)."""
        self.assertIn("encoded (gzip)", self.refused(answer(b"Content-Encoding: gzip")))
        self.assertIn("transfer encoding that nobody", self.refused(answer(b"Transfer-Encoding: gzip, chunked")))

    def test_not_http(self) -> None:
        """An answer that is not HTTP is no successful response, and who is known is named (3.1.5.2)."""
        for words in (PACKET + b"\r\n\r\n", b"HTTP/1.1 101 Switch\r\n\r\n", answer(b"Content-Length: 1, 2")):
            self.assertIn("the server's answer is not HTTP: ", self.refused(words))
        for words, said in (
            (b"SSH-2.0-OpenSSH_9.2\r\n", "it speaks SSH"),
            (b"220 mail.example ESMTP\r\n", "it begins with 220 m"),
            (b"<html>", "it is a bare web page: a captive portal"),
            (b"<html>\r\n\r\n", "it is a bare web page: a captive portal"),
            (b"\x15\x03\x01\x00\x02\x02\x28", "it speaks TLS: --uri must begin with https://"),
        ):
            self.assertIn(f"not HTTP: {said}", self.refused(words))
            self.assertIn(f"not HTTP: {said}", self.refused(*(words[at : at + 1] for at in range(len(words)))))

    def test_odd_heads(self) -> None:
        """Invalid header lines of fronts that browsers ignore do not end the session (3.1.5.2)."""
        for head in (
            b"HTTP/1.1 200 OK\r\nX-Front : a\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\nX-Front\x00: a\r\n\r\n",
            b"HTTP/1.1  200  OK\r\nX: a\x00b\rc\r\n\r\n",
            b"HTTP/1.1 102 Processing\r\nX : a\r\n\r\nHTTP/1.1 200\n: a\n\n",
            b"\r\n\r\nHTTP/1.1 200 OK\r\nX(y): a\r\n\r\n",
        ):
            self.assertEqual(PACKET, self.rest(head + PACKET))
            self.assertEqual(b"", self.rest(*(head[at : at + 1] for at in range(len(head)))))
        # What says how long the body is stays as it came: contradictions are rejected, and a length is heeded.
        self.assertIn("not HTTP", self.refused(answer(b"Content-Length: 40", b"Content-Length : 41")))
        self.assertIn("no room for packets", self.refused(answer(b"Content-Length : 0")))

    def test_too_long(self) -> None:
        """A head without an end is given up after 16 kB (3.1.5.2)."""
        sentence = f"the head of the server's answer is longer than {MAXIMUM_HEAD} bytes"
        self.assertEqual(sentence, self.refused(RESPONSE[:-2] + b"X: " + b"x" * MAXIMUM_HEAD))
        self.assertEqual(sentence, self.refused(RESPONSE[:-2], *[b"X: y\r\n"] * MAXIMUM_HEAD))


class RetryAfterTests(HandshakeCase):
    """The Retry-After of a server (RFC 9110 section 10.2.3)."""

    def after(self, *headers: bytes) -> float | None:
        """Return what becomes of an answer with these headers."""
        return self.error(answer(*headers, status=b"503 Busy")).retry_after

    def test_seconds(self) -> None:
        """A number is one of seconds, at most an hour."""
        for said, seconds in ((b"0", 0.0), (b"120", 120.0), (b"99999", MAXIMUM_RETRY_AFTER), (b"9" * 400, 3600.0)):
            self.assertEqual(seconds, self.after(b"Retry-After: " + said))
        sentence = self.refused(answer(b"Retry-After: 120", status=b"503 Busy"))
        self.assertTrue(sentence.endswith("; it asks us to wait 120 seconds"), sentence)

    def test_date(self) -> None:
        """A date is counted from the server's own, so that no clock has to be right."""
        date = b"Date: Sun, 10 Aug 2008 03:51:52 GMT"
        for said, seconds in ((b"03:53:52", 120.0), (b"03:51:00", 0.0), (b"23:51:52", MAXIMUM_RETRY_AFTER)):
            self.assertEqual(seconds, self.after(date, b"Retry-After: Sun, 10 Aug 2008 %b GMT" % said))

    def test_rubbish(self) -> None:
        """A Retry-After of another form is ignored."""
        date = b"Date: Sun, 10 Aug 2008 03:51:52 GMT"
        for headers in (
            (),
            (b"Retry-After: soon",),
            (b"Retry-After: -5",),
            (b"Retry-After: \xb2",),
            (b"Retry-After: Sun, 10 Aug 2008 03:53:52 GMT",),
            (date, b"Retry-After: Sun, 10 Aug 2008 03:53:52 -0000"),
            (date, b"Retry-After: Sun, 99 Aug 2008 03:53:52 GMT"),
        ):
            self.assertIsNone(self.after(*headers), headers)
