"""CONNECT through a web proxy (3.1.5.1, RFC 9110 section 9.3.6)."""

from __future__ import annotations

from time import process_time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ProxyError, ProxyFault
from iphttps.core.http.head import MAXIMUM_HEAD
from iphttps.core.proxy.connect import (
    MAXIMUM_BODY,
    MAXIMUM_INTERIM,
    MAXIMUM_SHOWN,
    Challenged,
    Connected,
    ConnectHandshake,
)
from tests.support import every_cut

AUTHORITY = "vpn.example:443"
NAME = "http://proxy.example:3128"
PIECES = (
    b"HTTP/1.1 407 Login\r\n",
    b"HTTP/1.0 403 No\r\n",
    b"HTTP/1.1 100 Continue\r\n",
    b"HTTP/1.1 101 Switch\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 99999999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Connection: upgrade\r\nUpgrade: x\r\n",
    b'Proxy-Authenticate: Digest "\r\n',
    b"\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n",
)
REST = b"\x16\x03\x03 a ServerHello"


class ConnectCase(SynchronousTestCase):
    """A handshake that has asked once."""

    def setUp(self) -> None:
        """Ask."""
        self.handshake = ConnectHandshake(AUTHORITY, NAME)
        self.handshake.request()

    def answer(self, *pieces: bytes) -> Connected | Challenged | None:
        """Return what the answer means, once that is clear."""
        for piece in pieces:
            if result := self.handshake.feed(piece):
                return result
        return None

    def fault(self, *pieces: bytes, closed: bool = False) -> tuple[ProxyFault, str]:
        """Return why the answer is none that opens the way, and the sentence about it."""
        handshake = ConnectHandshake(AUTHORITY, NAME)
        handshake.request()
        self.handshake = handshake

        def read() -> None:
            self.answer(*pieces)
            if closed:
                handshake.closed()

        error = self.assertRaises(ProxyError, read)
        return error.fault, str(error)


class RequestTests(ConnectCase):
    """The client's request."""

    def test_request(self) -> None:
        """CONNECT with host and port, Host, and what makes old proxies keep the connection."""
        self.assertEqual(
            b"CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example:443\r\nUser-Agent: iphttps\r\n"
            b"Proxy-Connection: Keep-Alive\r\n\r\n",
            ConnectHandshake(AUTHORITY, NAME).request(),
        )

    def test_headers(self) -> None:
        """The operator's headers are added, or take the place of ours; an empty value leaves one out."""
        request = ConnectHandshake(AUTHORITY, NAME, [(b"user-agent", b"Mozilla/5.0"), (b"X-A", b"b")]).request()
        self.assertTrue(
            request.endswith(b"Proxy-Connection: Keep-Alive\r\nuser-agent: Mozilla/5.0\r\nX-A: b\r\n\r\n"), request
        )
        self.assertNotIn(b"iphttps", request)
        self.assertNotIn(b"gent", ConnectHandshake(AUTHORITY, NAME, [(b"User-Agent", b"")]).request())

    def test_authorization(self) -> None:
        """Credentials, and a server named by its IPv6 address."""
        request = ConnectHandshake("[2001:db8::1]:443", NAME).request(b"Basic eDp5")
        self.assertIn(b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n", request)
        self.assertIn(b"\r\nProxy-Authorization: Basic eDp5\r\n", request)


class OpeningCase(ConnectCase):
    """Answers of which what is behind the head is kept."""

    def assert_opens(self, head: bytes) -> None:
        """Check that a head opens the way, however it is cut, and that what comes behind it is kept."""
        for pieces in every_cut(head + REST):
            self.setUp()
            opened, rest = None, b""
            for piece in pieces:
                if opened:
                    rest += piece
                elif opened := self.handshake.feed(piece):
                    assert isinstance(opened, Connected)
                    rest = opened.rest
            self.assertEqual(REST, rest, pieces)


class OpenTests(OpeningCase):
    """Answers that open the way."""

    def test_every_cut(self) -> None:
        """HTTP/1.0 or 1.1, any 2xx, any case and any words; what comes behind the head is kept, however it is cut."""
        for head in (
            b"HTTP/1.1 200 Connection established\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nproxy-agent: Apache\r\nX: y\r\n\r\n",
            b"HTTP/1.1 204\r\nPROXY-CONNECTION: close\r\n\r\n",
        ):
            self.assert_opens(head)

    def test_length_means_nothing(self) -> None:
        """The length, or the encoding, of a 2xx is ignored: all behind its head is the server's (PX-04)."""
        for header in (b"Content-Length: 10", b"Transfer-Encoding: chunked"):
            self.setUp()
            self.assertEqual(Connected(REST), self.answer(b"HTTP/1.1 200 OK\r\n" + header + b"\r\n\r\n" + REST))

    def test_interim(self) -> None:
        """1xx answers are skipped, but not for ever."""
        interim = b"HTTP/1.1 100 Continue\r\n\r\n"
        self.assertEqual(Connected(b""), self.answer(interim * MAXIMUM_INTERIM, b"HTTP/1.1 200 OK\r\n\r\n"))
        fault, sentence = self.fault(interim * (MAXIMUM_INTERIM + 1))
        self.assertEqual(ProxyFault.NOT_HTTP, fault)
        self.assertIn("sends 1xx responses without end", sentence)


class OddHeadTests(OpeningCase):
    """Heads that break RFC 9112, and that browsers and curl take."""

    def test_every_cut(self) -> None:
        """The way is open, however the head is cut, and what comes behind it is kept."""
        for head in (
            b"HTTP/1.1 200 OK\r\nProxy-agent : Gateway 1.0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nProxy agent: x\r\nTiming[ms]: 5\r\nX-Gr\xfc\xdfe: ja\r\nno colon\r\n : x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\nTransfer-Encoding: identity\r\n\r\n",
            b"\r\nHTTP/1.0  200  OK\n\n",
            b"HTTP/1.1 100 Go\r\nbad\r\n\r\nHTTP/1.1\t200\r\nX: a\0b\rc\x0bd\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n folded\r\nX:\r\n a\r\n\tb\r\n\r\n",
        ):
            self.assert_opens(head)

    def test_challenge(self) -> None:
        """A challenge that is folded is put together; lengths that contradict each other end with the connection."""
        head = b"HTTP/1.1 407 x\r\nProxy-Authenticate: Digest realm=x,\r\n nonce=y\r\n"
        for headers, reusable in (
            (b"Content-Length : 0\r\n", True),
            (b"Content-Length: 0\r\nTransfer-Encoding: identity\r\n", True),
            (b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", False),
            (b"Transfer-Encoding: gzip\r\n", False),
            (b"Content-Length: +1\r\n", False),
        ):
            self.setUp()
            expected = Challenged((b"Digest realm=x, nonce=y",), reusable)
            self.assertEqual(expected, self.answer(head + headers + b"\r\n"), headers)

    def test_waiting(self) -> None:
        """The rest of a challenge's body can be left."""
        self.assertFalse(self.handshake.answered)
        self.assertIsNone(self.answer(b"HTTP/1.1 407 x\r\nContent-Length: 9\r\n\r\nabc"))
        self.assertTrue(self.handshake.answered)
        self.assertEqual(Challenged((), False), self.handshake.settle())


class ChallengeTests(ConnectCase):
    """Answers that ask for a login."""

    def challenge(self, headers: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
        """Build a 407."""
        return b"HTTP/" + version + b" 407 Login\r\nProxy-Authenticate: Basic realm=x\r\n" + headers + b"\r\n" + body

    def test_every_cut(self) -> None:
        """The body is read away, by its length or in chunks, and the same connection serves for the next request."""
        for headers, body in (
            (b"Content-Length: 5\r\n", b"hello"),
            (b"Content-Length: 0\r\n", b""),
            (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        ):
            for pieces in every_cut(self.challenge(headers, body)):
                self.setUp()
                results = [self.handshake.feed(piece) for piece in pieces]
                self.assertEqual([Challenged((b"Basic realm=x",), True)], [result for result in results if result])
        self.assertIn(b"Basic", self.handshake.request(b"Basic eDp5"))
        self.assertEqual(Connected(REST), self.answer(b"HTTP/1.1 200 OK\r\n\r\n" + REST))

    def test_kept_or_not(self) -> None:
        """HTTP/1.1 keeps a connection unless it says close, HTTP/1.0 only if it says so, under either name."""
        for version, header, reusable in (
            (b"1.1", b"", True),
            (b"1.1", b"Connection: close\r\n", False),
            (b"1.1", b"Proxy-Connection: Close\r\n", False),
            (b"1.0", b"", False),
            (b"1.0", b"Proxy-Connection: Keep-Alive\r\n", True),
            (b"1.0", b"Connection: x, keep-alive\r\n", True),
        ):
            self.setUp()
            result = self.answer(self.challenge(header + b"Content-Length: 1\r\n", b"x", version))
            assert isinstance(result, Challenged)
            self.assertEqual(reusable, result.reusable, (version, header))

    def test_until_close(self) -> None:
        """A body that ends with the connection is not waited for, and thrown away where the connection breaks."""
        for headers in (
            b"",
            b"Connection: close\r\nContent-Length: 9\r\n",
            b"Content-Length: 1\r\nContent-Length: 2\r\n",
        ):
            self.setUp()
            self.assertEqual(Challenged((b"Basic realm=x",), False), self.answer(self.challenge(headers)), headers)
        self.setUp()
        self.assertIsNone(self.answer(self.challenge(b"Content-Length: 100\r\n", b"some words")))
        self.assertEqual(Challenged((b"Basic realm=x",), False), self.handshake.closed())

    def test_no_way_to_go_on(self) -> None:
        """After a body that is too long, or faulty, or followed by more, another connection is taken."""
        for answer in (
            self.challenge(b"Content-Length: 104857600\r\n", b"x" * (MAXIMUM_BODY + 1)),
            self.challenge(b"Transfer-Encoding: chunked\r\n", b"nonsense\r\n"),
            self.challenge(b"Content-Length: 1\r\n", b"xHTTP/1.1 200 OK\r\n\r\n"),
        ):
            self.setUp()
            self.assertEqual(Challenged((b"Basic realm=x",), False), self.answer(answer))

    def test_several_headers(self) -> None:
        """Every header with challenges counts; 401 says that credentials are wrong (tinyproxy)."""
        result = self.answer(self.challenge(b"PROXY-AUTHENTICATE: NTLM\r\nContent-Length: 0\r\n"))
        self.assertEqual(Challenged((b"Basic realm=x", b"NTLM"), True), result)
        self.setUp()
        result = self.answer(b"HTTP/1.0 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(Challenged((), False, refused=True), result)


class RefusalTests(ConnectCase):
    """Answers that open nothing."""

    def test_refused(self) -> None:
        """The sentence has the status and the first line of the page, escaped and bounded (PX-05)."""
        page = b"<html>\n<title>\n Access <b>denied\x1b[31m</b></title>\n<p>more"
        head = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 104857600\r\n\r\n"
        fault, sentence = self.fault(head, *(page[at : at + 1] for at in range(len(page))))
        self.assertEqual(ProxyFault.REFUSED, fault)
        self.assertEqual(
            f"the proxy {NAME} rejected the connection to {AUTHORITY}: "
            'it answered 403 Forbidden: "Access denied\\x1b[31m"',
            sentence,
        )  # fmt: skip

    def test_repeated(self) -> None:
        """A page that begins with the status or the reason once more is not quoted."""
        head = b"HTTP/1.1 403 Access violation\r\nContent-Length: 99\r\n\r\n"
        for line in (b"<h1>403 Access violation</h1>\n", b"Access Violation\n"):
            self.assertTrue(self.fault(head + line)[1].endswith("it answered 403 Access violation"))

    def test_bounded(self) -> None:
        """A page without a line that says anything, or with an endless one, is not read to its end (PX-05)."""
        head = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 104857600\r\n\r\n"
        self.assertTrue(self.fault(head, b"\n" * MAXIMUM_SHOWN)[1].endswith("it answered 502 Bad Gateway"))
        begin = process_time()
        chunked = b"HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.fault(chunked + b"1\r\n\n\r\n" * MAXIMUM_SHOWN)
        self.assertLess(process_time() - begin, 0.5)
        _, sentence = self.fault(head + b"x" * 2 * MAXIMUM_SHOWN)
        self.assertTrue(sentence.endswith(f': "{"x" * 100}"'))

    def test_until_close(self) -> None:
        """A rejection can end with the connection, and without a word."""
        self.assertIn('503 Busy: "try later"', self.fault(b"HTTP/1.0 503 Busy\r\n\r\ntry later", closed=True)[1])
        self.assertTrue(self.fault(b"HTTP/1.0 503 Busy\r\nContent-Length: 9\r\n\r\n", closed=True)[1].endswith("Busy"))
        self.assertTrue(self.fault(b"HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n")[1].endswith("it answered 500"))

    def test_captive_portal(self) -> None:
        """A redirect of a CONNECT is reported as a captive portal's login page (PX-09)."""
        for status, header, words in (
            (
                b"302 Found",
                b"Location: http://login.example/\x01\r\n",
                "302 Found, pointing to http://login.example/\\x01:",
            ),
            (b"511 Network Authentication Required", b"", "answered 511 Network Authentication Required: this looks"),
        ):
            fault, sentence = self.fault(b"HTTP/1.1 " + status + b"\r\n" + header + b"Content-Length: 0\r\n\r\n")
            self.assertEqual(ProxyFault.CAPTIVE_PORTAL, fault)
            self.assertIn(words, sentence)
            self.assertIn("captive portal", sentence)

    def test_not_http(self) -> None:
        """A response that is not HTTP is an error at once; a proxy that speaks TLS is recognised by its alert."""
        for answer in (
            b"SSH-2.0-OpenSSH\r\n\r\n",
            b"\0" * 20 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2 * MAXIMUM_HEAD,
            b"HTTP/1.1 2000 OK\r\n\r\n",
        ):
            fault, sentence = self.fault(answer)
            self.assertEqual(ProxyFault.NOT_HTTP, fault)
            self.assertLess(len(sentence), 300)
        self.assertIn("write https://", self.fault(b"\x15\x03\x01\0\x02\x02\x16")[1])

    def test_no_answer(self) -> None:
        """A proxy that closes, or says nothing in time, has given no answer."""
        self.assertIsNone(self.handshake.closed())
        error = self.handshake.expired()
        self.assertEqual(ProxyFault.NO_ANSWER, error.fault)
        self.assertIn("did not answer in time", str(error))

    def test_slow_page(self) -> None:
        """A rejection whose page does not end in time is a rejection."""
        self.assertIsNone(self.answer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\nnot here"))
        error = self.handshake.expired()
        self.assertEqual((ProxyFault.REFUSED, True), (error.fault, str(error).endswith('403 Forbidden: "not here"')))

    @given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=10))
    def test_anything(self, pieces: list[bytes]) -> None:
        """Any data of a proxy, whole or byte by byte, is a response, an incomplete response, or a ProxyError."""
        data = b"".join(pieces)
        for step in (1, len(data) or 1):
            handshake = ConnectHandshake(AUTHORITY, NAME)
            handshake.request()
            try:
                for at in range(0, len(data), step):
                    if handshake.feed(data[at : at + step]):
                        break
                else:
                    handshake.closed()
            except ProxyError as error:
                self.assertTrue(str(error).isprintable() and len(str(error)) < 1000, str(error))
