"""The request that opens a call, and its answer ([MS-SSTP] 3.2.4.1, 3.3.7.2, 4.1)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ProtocolError
from iphttps.core.http.request_head import Progress, RequestHead, RequestReader
from iphttps.core.sstp.request import METHODS, PATH, accept, is_path, open_call
from tests.support import every_cut

EXAMPLE = (
    b"SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n"
    b"Host: vpn.example.org\r\nSSTPCORRELATIONID: {f7a0f9cd-4c1a-4f8c-8e56-4f7ab16a2e64}\r\n"
    b"Content-Length: 18446744073709551615\r\n\r\n"
)
"""The request of the example in 4.1."""
ENCODED = "/sra_%7BBA195980-CD49-458b-9E23-C84EE0ADCD75%7D/"
FIRST = bytes.fromhex("1001000e0001000100010006 0001")
NOW = 1218340312.0


def read(*pieces: bytes) -> RequestHead:
    """Read a head in pieces, and the bytes behind it."""
    reader = RequestReader()
    for piece in pieces:
        head = reader.feed(piece)
        if head is not Progress.NEED_DATA:
            return head
    raise AssertionError("the head is incomplete")


class RequestTests(SynchronousTestCase):
    """The requests that open a call."""

    def test_example(self) -> None:
        """The specification's own request opens a call; what follows it belongs to the call."""
        for pieces in every_cut(EXAMPLE):
            head = read(*pieces[:-1], pieces[-1] + FIRST)
            self.assertEqual((head.method in METHODS, is_path(head.path), open_call(head)), (True, True, FIRST))

    def test_path(self) -> None:
        """The path may be percent-encoded, in upper or lower case, and have a query; no other is ours."""
        for path in (PATH, ENCODED, PATH.lower(), ENCODED.upper(), PATH + "?tenantid=a", ENCODED.lower() + "?"):
            self.assertTrue(is_path(path), path)
        for path in ("/", "", PATH[:-1], PATH + "x", PATH * 2, "/x" + PATH, "?" + PATH, PATH.replace("{", "%257B")):
            self.assertFalse(is_path(path), path)

    @given(st.text())
    def test_any_path(self, path: str) -> None:
        """Any path is accepted or rejected without an exception."""
        self.assertIn(is_path(path), (True, False))

    def test_length(self) -> None:
        """The length that the request announces does not matter, nor whether it announces one."""
        for length in (b"Content-Length: 0\r\n", b"Content-Length: 1000\r\n", b""):
            head = read(EXAMPLE.replace(b"Content-Length: 18446744073709551615\r\n", length) + FIRST)
            self.assertEqual(open_call(head), FIRST)

    def test_refused(self) -> None:
        """HTTP/1.0 and a transfer encoding are rejected with their status (RFC 9110 sections 15.6.2, 15.6.6)."""
        chunked = EXAMPLE.replace(b"Content-Length: 18446744073709551615", b"Transfer-Encoding: chunked")
        for request, status in ((EXAMPLE.replace(b"HTTP/1.1", b"HTTP/1.0"), 505), (chunked, 501)):
            error = self.assertRaises(ProtocolError, open_call, read(request))
            self.assertEqual(error.status, status)

    def test_answer(self) -> None:
        """The answer has status 200, the length of the request, Server and Date, and nothing else (3.3.7.2)."""
        self.assertEqual(
            accept("iphttps", NOW),
            b"HTTP/1.1 200 OK\r\nServer: iphttps\r\nDate: Sun, 10 Aug 2008 03:51:52 GMT\r\n"
            b"Content-Length: 18446744073709551615\r\n\r\n",
        )
