"""Tests for iphttps.core.http.dispatch and iphttps.core.http.request_head: which service a request is for."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ProtocolError
from iphttps.core.http.dispatch import dispatch
from iphttps.core.http.request_head import Progress, RequestHead, RequestReader
from tests.core.iphttps.test_request import EXAMPLE_TIME
from tests.requests import ENDLESS, HOST, post, request


@dataclass(frozen=True)
class Resource:
    """A resource with one path."""

    path: str
    methods: tuple[str, ...]
    wrong_method: str = "it is only fetched"

    def serves(self, path: str) -> bool:
        """Tell whether this is its path."""
        return path.casefold() == self.path.casefold()


TUNNEL = Resource("/IPHTTPS", ("POST",), "only POST opens a tunnel")
DOCUMENT = Resource("/iphttps.crl", ("GET", "HEAD"))
DUPLEX = Resource("/IPHTTPS", ("SSTP_DUPLEX_POST",))
ALL = (DOCUMENT, TUNNEL, DUPLEX)


def read(head: bytes) -> RequestHead:
    """Return a request whose head is whole."""
    found = RequestReader().feed(head)
    assert found is not Progress.NEED_DATA
    return found


class DispatchTests(SynchronousTestCase):
    """Three resources, two of which share a path."""

    def test_found(self) -> None:
        """A request goes to what takes its path, in any case and in absolute form, and its method."""
        for resource, method, path in (
            (DOCUMENT, b"GET", b"/iphttps.crl"),
            (DOCUMENT, b"HEAD", b"/IPHTTPS.CRL"),
            (DOCUMENT, b"GET", b"http://gateway.example/iphttps.crl"),
            (TUNNEL, b"POST", b"/iphttps"),
            (DUPLEX, b"SSTP_DUPLEX_POST", b"/IPHTTPS"),
        ):
            self.assertIs(resource, dispatch(read(request(method=method, target=path)), ALL), path)

    def test_other_methods(self) -> None:
        """Another method is rejected with those that are allowed there (RFC 9110 section 15.5.6)."""
        for path, method, allowed, sentence in (
            (b"/iphttps.crl", b"POST", b"GET, HEAD", "it is only fetched"),
            (b"/iphttps.crl", b"get", b"GET, HEAD", "it is only fetched"),
            (b"/IPHTTPS", b"GET", b"POST, SSTP_DUPLEX_POST", "only POST opens a tunnel"),
        ):
            reader = RequestReader()
            head = reader.feed(request(method=method, target=path))
            assert head is not Progress.NEED_DATA
            error = self.refused(head, 405)
            self.assertEqual(sentence, str(error))
            self.assertIn(b"\r\nAllow: " + allowed + b"\r\n", reader.refuse(error, "name", EXAMPLE_TIME))

    def test_other_paths(self) -> None:
        """Another path is not found, and without resources none is."""
        for path in (b"/", b"/iphttps.crl/", b"/iphttps.crl?x", b"/other.crl", b"*"):
            self.refused(read(request(method=b"GET", target=path)), 404)
        self.assertRaises(ProtocolError, dispatch, read(request()), ())

    def test_connect(self) -> None:
        """The target of CONNECT is no path, and nothing is connected here."""
        error = self.refused(read(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"), 405)
        self.assertEqual(("GET", "HEAD", "POST", "SSTP_DUPLEX_POST"), error.allow)

    def refused(self, head: RequestHead, status: int) -> ProtocolError:
        """Return the error of a request that is rejected with this status."""
        error = self.assertRaises(ProtocolError, dispatch, head, ALL)
        assert isinstance(error, ProtocolError)
        self.assertEqual(status, error.status)
        return error


class RequestReaderTests(SynchronousTestCase):
    """The results of `feed`."""

    def test_need_data(self) -> None:
        """Until the head is whole it needs more; then it is there, with what came behind it."""
        reader, whole = RequestReader(), request(b"X: y\r\n", b"x: z\r\n")
        for at in range(len(whole) - 1):
            self.assertIs(Progress.NEED_DATA, reader.feed(whole[at : at + 1]))
        head = reader.feed(whole[-1:] + b"rest")
        assert head is not Progress.NEED_DATA
        self.assertEqual(
            ("POST", "/IPHTTPS", b"rest", [b"y", b"z"], False),
            (head.method, head.path, head.rest, head.values(b"x"), head.http10),
        )

    def test_duplex_post(self) -> None:
        """A method of another protocol is read like any other ([MS-SSTP] 3.2.4.1)."""
        target = b"/sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/"
        head = read(post(HOST, ENDLESS, method=b"SSTP_DUPLEX_POST", target=target))
        self.assertEqual(("SSTP_DUPLEX_POST", target.decode()), (head.method, head.path))
