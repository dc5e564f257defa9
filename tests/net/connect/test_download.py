"""A small file brought by HTTP, from a real web server and from others that are none."""

from __future__ import annotations

import gzip
import zlib
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Request, Site
from zope.interface import implementer

from iphttps.core.errors import DiscoveryError
from iphttps.net.connect import download as module
from iphttps.net.connect.download import MAXIMUM_SIZE, download
from iphttps.net.connect.endpoints import URI

from ..certificates import Certificates
from ..support import NAME

PIECES = (
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 302 Found\r\nLocation: http://b/\r\n",
    b"HTTP/1.1 100 Continue\r\n",
    b"HTTP/1.1 101 Switch\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 99999999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n",
)


MOVED = {
    b"/relative": b"wpad.dat?a b\xc3\xa4",  # as servers write it, not encoded
    b"/absolute": b"https://b.example/",
    b"/round": b"/round",
    b"/lost": b"/none",
    b"/down": b"http://a.example/wpad.dat",
    b"/file": b"file:///etc/passwd",
    b"/ftp": b"ftp://b.example/",
    b"/user": b"http://alice:secret@b.example/",
}
"""The redirects of some paths."""


class Files(Resource):
    """A web server's files, and what was asked of it."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[bytes, bytes]] = []
        self.encodings: list[bytes | None] = []

    def render_GET(self, request: Request) -> bytes:
        """Answer with the file, or as it says."""
        self.asked.append((request.getHeader(b"host") or b"", request.uri))
        self.encodings.append(request.getHeader(b"accept-encoding"))
        match request.path:
            case b"/wpad.dat" | b"/":
                return b"content"
            case b"/large":
                return b"x" * MAXIMUM_SIZE
            case b"/larger":
                return b"x" * (MAXIMUM_SIZE + 1)
            case b"/moved":
                request.redirect(b"http://elsewhere.example/\x7f")
                return b""
        if target := MOVED.get(request.path):
            request.redirect(target)
            return b""
        request.setResponseCode(404)
        return b"x" * 10_000


class Speaker(Protocol):
    """Says its piece once it hears something; closes the connection after it if it is to."""

    words = b""
    closes = True
    lost: Deferred[None]

    def dataReceived(self, data: bytes) -> None:
        """Say it."""
        if self.transport:
            self.transport.write(self.words)
            if self.closes:
                self.transport.loseConnection()

    def connectionLost(self, reason: Any = None) -> None:
        """Note the end."""
        self.lost.callback(None)


@implementer(IStreamClientEndpoint)
class Endpoint:
    """Connects in memory."""

    def connect(self, factory: Any) -> Deferred[Any]:
        """Connect at once."""
        self.protocol = factory.buildProtocol(None)
        self.protocol.makeConnection(StringTransport())
        return succeed(self.protocol)


def _led_to(endpoint: Endpoint, uri: URI) -> IStreamClientEndpoint:
    return endpoint


class DownloadTests(TestCase):
    """`download`."""

    def setUp(self) -> None:
        """Listen, and note who is looked for."""
        self.files = Files()
        site = Site(self.files)
        site.noisy = False
        self.port = self.listen(site)
        self.wanted: list[URI] = []

    def listen(self, factory: Any) -> int:
        """Listen on a port of the loopback."""
        port: Any = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    def connect(self, uri: URI) -> IStreamClientEndpoint:
        """Lead every connection to that port."""
        self.wanted.append(uri)
        return TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)

    def bring(self, url: str, seconds: float = 10.0, **how: Any) -> Deferred[bytes]:
        """Bring a file."""
        return download(reactor, self.connect, url, seconds, **how).addCallback(lambda found: found.content)

    async def refused(self, url: str = "http://a.example/", **how: Any) -> str:
        """Return why there is no file."""
        try:
            content = await self.bring(url, **how)
        except DiscoveryError as error:
            return str(error)
        raise AssertionError(f"there is {content[:50]!r}")

    def speaker(self, words: bytes, *, closes: bool = True) -> Deferred[None]:
        """Answer with these words from now on; the result fires when a connection is over."""
        lost: Deferred[None] = Deferred()
        fields = {"words": words, "closes": closes, "lost": lost}
        factory = Factory.forProtocol(type("Speaker", (Speaker,), fields))
        factory.noisy = False
        self.port = self.listen(factory)
        return lost

    async def test_content(self) -> None:
        """The path and the query are asked of the host, by its name without a dot, wherever it is looked for."""
        self.assertEqual(await self.bring("http://a.example:8080/wpad.dat?b=c"), b"content")
        self.assertEqual(await self.bring("http://wpad.a.example", rooted=True), b"content")
        self.assertEqual(await self.bring("http://[2001:db8::1]/"), b"content")
        self.assertEqual(
            self.files.asked,
            [(b"a.example:8080", b"/wpad.dat?b=c"), (b"wpad.a.example", b"/"), (b"[2001:db8::1]", b"/")],
        )
        self.assertEqual([uri.host for uri in self.wanted], ["a.example", "wpad.a.example.", "2001:db8::1"])
        self.assertEqual(set(self.files.encodings), {b"identity"})
        self.assertEqual(len(await self.bring("http://a.example/large")), MAXIMUM_SIZE)

    async def test_ways_to_end(self) -> None:
        """The body may end with its length, with its last chunk, or with the connection."""
        for words in (
            b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncontentand more",
            b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ncontent\r\n0\r\n\r\n",
            b"HTTP/1.0 200 OK\r\n\r\ncontent",
        ):
            lost = self.speaker(words)
            self.assertEqual(await self.bring("http://a.example/"), b"content")
            await lost

    async def test_odd_servers(self) -> None:
        """A head that h11 rejects, a compressed body, a charset: what browsers take is taken."""
        packed = gzip.compress(b"content")
        for head, body in (
            (b"HTTP/1.1 200\r\nno colon\r\nX Y: z\r\nServer : \x01\r\n", b"content"),
            (b"HTTP/1.1  200  OK\nContent-Length: 7\n", b"content"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n", b"content"),
            (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n" % len(packed), packed),
            (b"HTTP/1.0 200 OK\r\nContent-Encoding: x-gzip\r\n", packed),
            (b"HTTP/1.0 200 OK\r\nContent-Encoding: deflate\r\n", zlib.compress(b"content")),
        ):
            lost = self.speaker(head + b"\r\n" + body)
            self.assertEqual(await self.bring("http://a.example/"), b"content", head)
            await lost
        for kind, charset in (
            (b"text/plain; charset=windows-1251", "windows-1251"),
            (b'application/x-ns-proxy-autoconfig;Charset = "UTF-16LE"; x=y', "UTF-16LE"),
            (b"text/plain", ""),
        ):
            lost = self.speaker(b"HTTP/1.0 200 OK\r\nContent-Type: " + kind + b"\r\n\r\nx")
            self.assertEqual(await download(reactor, self.connect, "http://a/", 10), (b"x", charset))
            await lost
        lost = self.speaker(b"HTTP/1.0 200 OK\r\nContent-Encoding: br\r\n\r\nx")
        self.assertIn("compresses it with br", await self.refused())
        await lost

    async def test_redirections(self) -> None:
        """A redirection is followed, to the same host or another, some times, and to no file of ours."""
        self.assertEqual(await self.bring("http://a.example/relative"), b"content")
        self.assertEqual(self.files.asked[-1][1], b"/wpad.dat?a%20b%C3%A4")
        self.assertEqual(await self.bring("http://a.example/absolute"), b"content")
        places = [(uri.secure, uri.authority) for uri in self.wanted[-2:]]
        self.assertEqual(places, [(False, "a.example"), (True, "b.example")])
        self.assertIn("more than 5 redirections", await self.refused("http://a.example/round"))
        lost = await self.refused("http://a.example/lost")
        self.assertIn("redirected to http://a.example/none: the web server answers 404", lost)
        for path in ("file", "ftp", "user"):
            self.assertIn("302 Found: give the address", await self.refused(f"http://a.example/{path}"))

    async def test_redirections_not_followed(self) -> None:
        """Nothing leads from https to http, and nothing leads on from where nobody chose to ask."""
        self.assertIn("302 Found: give the address", await self.refused("https://a.example/down"))
        self.assertEqual(await self.bring("https://a.example/relative"), b"content")
        self.assertIn("302 Found: give the address", await self.refused("http://a.example/relative", rooted=True))

    async def test_refused(self) -> None:
        """No file, or another place, or too large a file: the failure says which."""
        self.assertEqual(await self.refused("http://a.example/none"), "the web server answers 404 Not Found")
        self.assertEqual(
            await self.refused("http://a.example/moved"),
            "the web server answers 302 Found: give the address of the redirection, http://elsewhere.example/\\x7f",
        )
        self.assertIn("larger than", await self.refused("http://a.example/larger"))

    async def test_hostile(self) -> None:
        """A download from no web server, without an end, or cut off, is abandoned with bounded and escaped words."""
        for words in (
            b"SSH-2.0-x\r\n",
            b"SSH-2.0-" + b"\x1b" * 15_000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 400_000,
            b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000,
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncontent",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n" + b"x" * 2 * MAXIMUM_SIZE,
            b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + b"x" * 100 + b"\r\n" + b"Y: y\r\n" * 100_000,
            b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2 * MAXIMUM_SIZE,
            b"HTTP/1.1 404 " + b"\xff" * 5000 + b"\r\n\r\n",
            b"",
        ):
            lost = self.speaker(words)
            error = await self.refused()
            self.assertTrue(error.isprintable() and len(error) < 700, error)
            await lost

    def test_broken(self) -> None:
        """A body that only the connection's end ends is not whole if the connection broke."""
        for reason, whole in ((ConnectionDone(), True), (ConnectionLost(), False)):
            endpoint = Endpoint()
            self.patch(self, "connect", lambda uri, endpoint=endpoint: endpoint)
            content = self.bring("http://a.example/")
            endpoint.protocol.dataReceived(b"HTTP/1.0 200 OK\r\n\r\ncontent")
            self.assertNoResult(content)
            endpoint.protocol.connectionLost(Failure(reason))
            if whole:
                self.assertEqual(self.successResultOf(content), b"content")
            else:
                self.failureResultOf(content, DiscoveryError)

    @given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=10))
    def test_anything(self, pieces: list[bytes]) -> None:
        """Any response, whole or byte by byte, gives a file or a failure in a sentence."""
        data = b"".join(pieces)
        for step in (1, len(data) or 1):
            endpoint = Endpoint()
            outcome: list[Any] = []
            download(Clock(), partial(_led_to, endpoint), "http://a/", 10).addBoth(outcome.append)
            for at in range(0, len(data), step):
                endpoint.protocol.dataReceived(data[at : at + step])
            endpoint.protocol.connectionLost(Failure(ConnectionDone()))
            (result,) = outcome
            if isinstance(result, Failure):
                self.assertIsInstance(result.value, DiscoveryError)
                self.assertTrue(str(result.value).isprintable() and len(str(result.value)) < 700, str(result.value))

    async def test_slow(self) -> None:
        """A slow download is abandoned at the deadline, at any point."""
        for words in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncontent"):
            lost = self.speaker(words, closes=False)
            self.assertEqual(await self.refused(seconds=0.1), "the download took longer than 0.1 seconds")
            await lost

    async def test_unreachable(self) -> None:
        """A server that is not there fails with the reason."""
        self.port = 1
        self.assertIn("connection refused", await self.refused())

    async def test_cancel(self) -> None:
        """A cancelled download closes the connection."""
        lost = self.speaker(b"", closes=False)
        content = self.bring("http://a.example/")
        await self.assertFailure(self.cancelled_later(content), CancelledError)
        await lost
        content = self.bring("http://a.example/")  # not connected yet
        content.cancel()
        await self.assertFailure(content, CancelledError)

    def cancelled_later(self, content: Deferred[bytes]) -> Deferred[bytes]:
        """Cancel once the connection stands."""
        reactor.callLater(0.1, content.cancel)
        return content

    async def test_tls(self) -> None:
        """A file from a server of https, whose certificate is checked."""
        certificates = Certificates(Path(self.mktemp()))
        site = Site(self.files)
        site.noisy = False
        factory = TLSMemoryBIOFactory(certificates.server_tls(ask=False), False, site)
        factory.noisy = False
        self.port = self.listen(factory)
        plain = self.connect
        for name, expected in ((NAME, "content"), ("other.example", "certificate")):
            tls = certificates.client_tls(name=name)
            self.patch(self, "connect", lambda uri, tls=tls: wrapClientTLS(tls, plain(uri)))
            if name == NAME:
                self.assertEqual(await self.bring(f"https://{name}/"), expected.encode())
            else:
                self.assertIn(expected, await self.refused(f"https://{name}/"))
        self.assertEqual([uri.port for uri in self.wanted], [443, 443])

    def test_limits(self) -> None:
        """The bounds are small ones."""
        limits = module.MAXIMUM_SIZE, module.MAXIMUM_WIRE, module.MAXIMUM_HEAD
        self.assertEqual(limits, (1048576, 2097152, 16384))
