"""The client's side of one HTTP exchange that opens a session: the request's head out, the head of the answer in.

The answer's body never ends, and what arrives behind its head belongs to the session already. What is the same for
every protocol is here: what is no HTTP at all, how long a head may be, interim responses, and the sentence about an
answer that is no success.
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
"""How many interim responses (1xx) a server may send before the one that counts."""

MAXIMUM_RETRY_AFTER = 3600.0
"""The longest that a server's Retry-After is heeded, in seconds."""

_WEB_PAGES = (b"text/html", b"application/xhtml+xml")
_BEGINNING = b"HTTP/"


@dataclass(frozen=True, slots=True)
class Expected:
    """What should answer, for sentences: its name, such as "an SSTP server", and advice by the status of the answer."""

    server: str
    advice: Mapping[int, str]

    @property
    def portal(self) -> str:
        """What may answer in its place."""
        return (
            "a captive portal, which wants somebody to sign in first, or a web server or proxy answers in the place of "
            f"{self.server}"
        )

    def stranger(self, first: bytes) -> str | None:
        """Say who answers in these first bytes if it is no web server at all."""
        strangers = {
            b"\x15": "it speaks TLS: --uri must begin with https://",  # an alert: RFC 8446 section 5.1
            b"SSH-": "it speaks SSH",  # RFC 4253 section 4.2
            b"<": f"it is a bare web page: {self.portal}",
        }
        return next((words for begin, words in strangers.items() if first.startswith(begin)), None)

    def refusal(self, response: h11.Response) -> ProtocolError:
        """Put an answer that is no success into words, and into seconds if it says when to come again."""
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
        """Check that the body of a success can be packets.

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
    """One request, and the head of its answer, which `expected` puts into words if it is no success."""

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
        """Take bytes from the server; return the answer's head, of any status, and what is behind it; None before.

        Raises:
            ProtocolError: The answer is not HTTP, or too long.
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
            raise self._not_http(error) from error
        if self._folds.feed(data):
            raise ProtocolError(f"the server's answer is not HTTP: {FOLDED}")
        if event is h11.NEED_DATA:
            self._check_beginning()
            return None
        assert isinstance(event, h11.Response)  # nothing else comes first: h11 raises
        return event, self._connection.trailing_data[0]

    def _check_beginning(self) -> None:
        """Refuse at once what can never become an answer: who speaks another protocol may wait for us."""
        if len(self._first) == len(_BEGINNING) and self._first != _BEGINNING:
            words = shortened(ascii_only(self._connection.trailing_data[0].strip()))
            raise ProtocolError(f"the server's answer is not HTTP: {self._stranger or f'it begins with {words}'}")

    @property
    def _stranger(self) -> str | None:
        return self._expected.stranger(self._first)

    def _not_http(self, error: h11.RemoteProtocolError) -> ProtocolError:
        """Say of the server that it breaks HTTP, or what it speaks instead."""
        if error.error_status_hint == 431:
            return ProtocolError(f"the head of the server's answer is longer than {MAXIMUM_HEAD} bytes")
        if error.error_status_hint == 501:
            return ProtocolError("the server's answer has a transfer encoding that nobody asked for")
        return ProtocolError(f"the server's answer is not HTTP: {self._stranger or shortened(str(error))}")


def _retry_after(response: h11.Response) -> float | None:
    """Return how many seconds the server asks to be left alone, at most `MAXIMUM_RETRY_AFTER` (RFC 9110 10.2.3)."""
    wanted = b"".join(values(response, b"retry-after")[:1]).strip().decode("latin-1")
    if wanted.isascii() and wanted.isdigit():
        seconds = float(wanted[:9])
    else:
        # Counted from the server's own idea of the time, so that nobody's clock has to be right.
        try:
            until, now = parsedate_to_datetime(wanted), parsedate_to_datetime(_date(response))
            seconds = (until - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAXIMUM_RETRY_AFTER)


def _date(response: h11.Response) -> str:
    return b"".join(values(response, b"date")[:1]).decode("latin-1")
