"""Documents beside the tunnel: who may fetch them, and what the answer is."""

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ProtocolError
from iphttps.core.iphttps.request import Document, ServerHandshake
from tests.core.iphttps.test_request import EXAMPLE_TIME
from tests.requests import HOST

DOCUMENT = Document("/iphttps.crl", "application/pkix-crl", b"content")
HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: name\r\nDate: Sun, 10 Aug 2008 03:51:52 GMT\r\nConnection: close\r\n"
    b"Content-Type: application/pkix-crl\r\nContent-Length: 7\r\n\r\n"
)


def asked(method: bytes, path: bytes) -> ServerHandshake:
    """Return what has read a request."""
    handshake = ServerHandshake(server="name", documents=[DOCUMENT])
    handshake.feed(method + b" " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    return handshake


class DocumentTests(SynchronousTestCase):
    """Requests for a document."""

    def test_get(self) -> None:
        """GET gets it, whatever the case of the path, in absolute form too; HEAD gets its head (RFC 9110 9.3)."""
        for path in (b"/iphttps.crl", b"/IPHTTPS.CRL", b"http://gateway.example/iphttps.crl"):
            handshake = asked(b"GET", path)
            self.assertIs(DOCUMENT, handshake.asked)
            self.assertEqual((HEAD, b"content"), handshake.show(DOCUMENT, EXAMPLE_TIME))
            self.assertEqual((HEAD, b""), asked(b"HEAD", path).show(DOCUMENT, EXAMPLE_TIME))

    def test_other_methods(self) -> None:
        """Another method is refused with those that are allowed (RFC 9110 15.5.6), here and at the tunnel's path."""
        for path, method, allowed in (
            (b"/iphttps.crl", b"POST", b"GET, HEAD"),
            (b"/iphttps.crl", b"DELETE", b"GET, HEAD"),
            (b"/IPHTTPS", b"GET", b"POST"),
        ):
            handshake = ServerHandshake(documents=[DOCUMENT])
            request = method + b" " + path + b" HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n"
            error = self.assertRaises(ProtocolError, handshake.feed, request)
            assert isinstance(error, ProtocolError)
            self.assertEqual(405, error.status)
            self.assertIn(b"\r\nAllow: " + allowed + b"\r\n", handshake.refuse(error, EXAMPLE_TIME))
            self.assertIsNone(handshake.asked)

    def test_other_paths(self) -> None:
        """Another path is not found, and without documents this one neither."""
        for path in (b"/", b"/iphttps.crl/", b"/iphttps.crl?x", b"/other.crl"):
            error = self.assertRaises(ProtocolError, asked, b"GET", path)
            assert isinstance(error, ProtocolError)
            self.assertEqual(404, error.status)
        request = b"GET /iphttps.crl HTTP/1.1\r\n" + HOST + b"\r\n"
        self.assertRaises(ProtocolError, ServerHandshake().feed, request)
