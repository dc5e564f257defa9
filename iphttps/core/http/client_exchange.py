"""The client's side of one HTTP exchange that opens a session: the request's head out, the head of the answer in.

The body of the answer never ends: the bytes after its head belong to the session. This module has the parts that are
the same for every protocol: bytes that are not HTTP, the maximum length of a head, interim responses, and the sentence
about an answer without success.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import h11

from ..errors import ProtocolError
from ..text import ascii_only, shortened
from .folding import FOLDED, Folds
from .head import MAXIMUM_HEAD, values
from .response_head import HeadCleaner

__all__ = ["MAXIMUM_INTERIM", "MAXIMUM_RETRY_AFTER", "ClientExchange", "Expected"]

MAXIMUM_INTERIM = 16
"""Maximum interim responses (1xx) before the final one (RFC 9110 section 15.2)."""

MAXIMUM_RETRY_AFTER = 3600.0
"""Maximum seconds that the client waits because of a Retry-After."""

_WEB_PAGES = (b"text/html", b"application/xhtml+xml")
_BEGINNING = b"HTTP/"


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected server, for sentences: its name, such as "an SSTP server", and advice by the status of an answer."""

    server: str
    advice: Mapping[int, str]

    @property
    def portal(self) -> str:
        """A phrase that names the other programs that may answer instead."""
        return (
            "a captive portal, which wants somebody to sign in first, or a web server or proxy answers in the place of "
            f"{self.server}"
        )

    def stranger(self, first: bytes) -> str | None:
        """Name the protocol of an answer that begins with these bytes; return None if it is not recognized."""
        strangers = {
            b"\x15": "it speaks TLS: --uri must begin with https://",  # an alert: RFC 8446 section 5.1
            b"SSH-": "it speaks SSH",  # RFC 4253 section 4.2
            b"<": f"it is a bare web page: {self.portal}",
        }
        return next((words for begin, words in strangers.items() if first.startswith(begin)), None)

    def refusal(self, response: h11.Response) -> ProtocolError:
        """Return the error for an answer without success, with the seconds of its Retry-After."""
        status = response.status_code
        target = b"".join(values(response, b"location")[:1])
        after = _retry_after(response)
        if status in (301, 302, 303, 307, 308):
            onward = f"pointing to {shortened(ascii_only(target))}" if target else "without saying where to"
            advice = f"{onward}, where we do not go: {self.portal}"
        else:
            advice = f"where {self.server} answers 200 OK: {self.advice.get(status, 'check --uri')}"
        waiting = f"; it asks us to wait {after:.0f} seconds" if after else ""
        words = shortened(f"{status} {ascii_only(response.reason)}")
        return ProtocolError(f"the server answered {words}, {advice}{waiting}", retry_after=after)

    def check_content(self, response: h11.Response) -> None:
        """Check that the body of a successful answer can contain packets.

        Raises:
            ProtocolError: It is a web page, or encoded.
        """
        kind = b"".join(values(response, b"content-type")[:1]).partition(b";")[0].strip().lower()
        if kind in _WEB_PAGES:
            raise ProtocolError(f"the server's answer is a web page: {self.portal}")
        for encoding in values(response, b"content-encoding"):
            if encoding.strip().lower() != b"identity":
                words = shortened(ascii_only(encoding))
                raise ProtocolError(
                    f"the server's answer is encoded ({words}), which nobody asked for: a front does that"
                )


class ClientExchange:
    """One request, and the head of its answer; `expected` is for the sentences about other answers."""

    def __init__(self, expected: Expected, method: str, target: str, headers: list[tuple[str, str]]) -> None:
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAXIMUM_HEAD)
        self._expected = expected
        self._request = h11.Request(method=method, target=target, headers=headers)
        self._first = b""
        self._folds = Folds()
        self._interim = 0
        self._cleaner = HeadCleaner()

    def request(self) -> bytes:
        """Return the head of the request."""
        return self._connection.send(self._request) or b""

    def feed(self, data: bytes) -> tuple[h11.Response, bytes] | None:
        """Process bytes from the server; return the head of the answer and the bytes after it, None while incomplete.

        The answer may have any status.

        No bytes are the end of the connection.

        Raises:
            ProtocolError: The answer is not HTTP, too long or absent.
        """
        beginning = data[:MAXIMUM_HEAD] if self._first else data[:MAXIMUM_HEAD].lstrip(b"\r\n")
        self._first = (self._first + beginning[: len(_BEGINNING)])[: len(_BEGINNING)]
        try:
            cleaned = self._cleaner.feed(data)
            if cleaned or not data:  # h11 takes no bytes for the end of the connection
                self._connection.receive_data(cleaned)
            event = self._connection.next_event()
            while isinstance(event, h11.InformationalResponse):
                self._interim += 1
                if self._interim > MAXIMUM_INTERIM:
                    raise ProtocolError(f"the server sent more than {MAXIMUM_INTERIM} interim responses, and no answer")
                event = self._connection.next_event()
        except h11.RemoteProtocolError as error:
            if not data and not self._first:
                raise ProtocolError("the server closed the connection without an answer") from error
            raise self._not_http(error) from error
        if self._folds.feed(data):
            raise ProtocolError(f"the server's answer is not HTTP: {FOLDED}")
        if event is h11.NEED_DATA:
            self._check_beginning()
            return None
        assert isinstance(event, h11.Response)  # nothing else comes first: h11 raises
        return event, self._connection.trailing_data[0]

    def _check_beginning(self) -> None:
        """Reject other protocols by the first bytes: their server may wait for the client and never end the answer."""
        if len(self._first) == len(_BEGINNING) and self._first != _BEGINNING:
            words = shortened(ascii_only(self._connection.trailing_data[0].strip()))
            raise ProtocolError(f"the server's answer is not HTTP: {self._stranger or f'it begins with {words}'}")

    @property
    def _stranger(self) -> str | None:
        return self._expected.stranger(self._first)

    def _not_http(self, error: h11.RemoteProtocolError) -> ProtocolError:
        """Return the error for an answer that violates HTTP, or belongs to another protocol."""
        if error.error_status_hint == 431:
            return ProtocolError(f"the head of the server's answer is longer than {MAXIMUM_HEAD} bytes")
        if error.error_status_hint == 501:
            return ProtocolError("the server's answer has a transfer encoding that nobody asked for")
        return ProtocolError(f"the server's answer is not HTTP: {self._stranger or shortened(str(error))}")


def _retry_after(response: h11.Response) -> float | None:
    """Return the seconds of the server's Retry-After, at most `MAXIMUM_RETRY_AFTER` (RFC 9110 10.2.3)."""
    wanted = b"".join(values(response, b"retry-after")[:1]).strip().decode("latin-1")
    if wanted.isascii() and wanted.isdigit():
        seconds = float(wanted[:9])
    else:
        # Relative to the server's own Date, so that the clocks need not agree.
        try:
            until, now = parsedate_to_datetime(wanted), parsedate_to_datetime(_date(response))
            seconds = (until - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAXIMUM_RETRY_AFTER)


def _date(response: h11.Response) -> str:
    return b"".join(values(response, b"date")[:1]).decode("latin-1")
