"""Tests for iphttps.core.http.document: what the answer to a request for a static document is."""

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.http.answer import Answer
from iphttps.core.http.document import Document
from tests.core.iphttps.test_request import EXAMPLE_TIME

DOCUMENT = Document("/iphttps.crl", "application/pkix-crl", b"content")
HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: name\r\nDate: Sun, 10 Aug 2008 03:51:52 GMT\r\nConnection: close\r\n"
    b"Content-Type: application/pkix-crl\r\nContent-Length: 7\r\n\r\n"
)


class DocumentTests(SynchronousTestCase):
    """A request for a document."""

    def test_answer(self) -> None:
        """GET gets it, HEAD gets the head that GET would get (RFC 9110 section 9.3)."""
        self.assertEqual(Answer(HEAD, b"content"), DOCUMENT.answer("GET", "name", EXAMPLE_TIME))
        self.assertEqual(Answer(HEAD, b""), DOCUMENT.answer("HEAD", "name", EXAMPLE_TIME))
