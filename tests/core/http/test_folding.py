"""Heads that can be read in two ways are rejected by both ends (RFC 9112 sections 2.2, 5.1, 5.2, 6.3)."""

from __future__ import annotations

from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ProtocolError
from iphttps.core.http.folding import Folds
from iphttps.core.iphttps.client_handshake import ClientHandshake
from tests.handshake import ServerHandshake

POST = b"POST /IPHTTPS HTTP/1.1\r\nHost: a.example\r\n"
LENGTH = b"Content-Length: 18446744073709551615\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"

TWO_WAYS = {
    "folded": b"X-A: b\r\n c\r\n",
    "folded by a tab": b"X-A: b\r\n\tc\r\n",
    "folded, and nothing else": b"X-A: b\r\n \r\n",
    "folded behind a bare line feed": b"X-A: b\n c\r\n",
    "blank before the colon": b"X-A : b\r\n",
    "bare carriage return": b"X-A: b\rX-B: c\r\n",
    "NUL": b"X-A: b\0c\r\n",
    "no colon": b"X-A\r\n",
    "lengths that differ": b"Content-Length: 5\r\nContent-Length: 6\r\n",
}


def server() -> ServerHandshake:
    """Return a server that waits for a request."""
    return ServerHandshake()


def client() -> ClientHandshake:
    """Return a client that has sent its request."""
    handshake = ClientHandshake("a.example", "/IPHTTPS")
    handshake.request()
    return handshake


class TwoWaysTests(SynchronousTestCase):
    """Whole, and cut at each place."""

    def test_server(self) -> None:
        """The server answers 400."""
        for name, lines in TWO_WAYS.items():
            for head in (POST + lines + LENGTH + b"\r\n", POST + LENGTH + lines + b"\r\n"):
                for cut in range(len(head)):
                    with self.subTest(f"{name}, {cut}"):
                        self._refused(server(), head[:cut], head[cut:])

    def test_second_host(self) -> None:
        """Nor is a request with two hosts taken, nor one with another length behind it."""
        self._refused(server(), POST + b"Host: b.example\r\n" + LENGTH + b"\r\n")
        self._refused(server(), POST + LENGTH + b"Content-Length: 5\r\n\r\n")

    def test_client(self) -> None:
        """For the client it is a bad answer, behind an interim response and in one as well.

        Lines that every reader takes alike are passed over, as browsers do (`core/http/response_head.py`).
        """
        refused = {name: lines for name, lines in TWO_WAYS.items() if "folded" in name or "lengths" in name}
        for name, lines in refused.items():
            for head in (OK + lines + b"\r\n", INTERIM + OK + lines + b"\r\n", INTERIM[:-2] + lines + b"\r\n" + OK):
                for cut in range(len(head)):
                    with self.subTest(f"{name}, {cut}"):
                        self._refused(client(), head[:cut], head[cut:])

    def test_before_the_head(self) -> None:
        """Empty lines in front, and interim responses that only a lenient reader takes, do not hide a folded line."""
        folded = OK + TWO_WAYS["folded"] + b"\r\n"
        for before in (
            b"\r\n\r\n",
            b"\n\n\r\n",
            b"HTTP/1.1  100 Continue\r\n\r\n",
            b"HTTP/1.0\t103\r\n\r\n",
            b"\r\n" + INTERIM + b"\r\n\n" + INTERIM + b"\r\n",
        ):
            for cut in range(len(before + folded)):
                with self.subTest(f"{before!r}, {cut}"):
                    self._refused(client(), (before + folded)[:cut], (before + folded)[cut:])
            opened = client().feed(before + OK + b"\r\n b")
            assert opened is not None
            self.assertEqual(b" b", opened.rest)

    def test_behind_the_head(self) -> None:
        """The bytes after the head are packets, with any content."""
        for lines in (b"a\r\n b\n\tc", b" b", b"\n b"):
            for handshake, head in (
                (server, POST + LENGTH + b"\r\n"),
                (client, OK + b"\r\n"),
                (client, INTERIM + OK + b"\r\n"),
            ):
                opened = handshake().feed(head + lines)
                assert opened is not None
                self.assertEqual(lines, opened.rest)

    def test_over(self) -> None:
        """Nor is anything that comes after the head has ended."""
        folds = Folds()
        self.assertEqual([False, False], [folds.feed(POST + b"\r\n"), folds.feed(b"a\r\n b")])

    def _refused(self, handshake: ServerHandshake | ClientHandshake, *pieces: bytes) -> None:
        def feed() -> None:
            for piece in pieces:
                if piece:
                    handshake.feed(piece)

        error = self.assertRaises(ProtocolError, feed)
        self.assertEqual(400, cast(ProtocolError, error).status)
