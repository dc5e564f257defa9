"""The client's side of the HTTP exchange that opens a session: the POST and its response (3.1.5.2, 4.1)."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from enum import Enum

import h11

from ..errors import ProtocolError
from ..http.body import Body, BoundedBody, ChunkedBody
from ..http.folding import FOLDED, Folds
from ..http.head import MAXIMUM_HEAD, values
from ..http.response_head import HeadCleaner
from ..text import ascii_only, shortened
from .request import ENDLESS, Opened

__all__ = [
    "CONTENT_LENGTH",
    "MAXIMUM_INTERIM",
    "MAXIMUM_RETRY_AFTER",
    "SIGNED_LENGTH",
    "ClientHandshake",
    "RequestLength",
]

CONTENT_LENGTH = 18446744073709551615
"""The Content-Length that a client SHOULD announce, the maximum, for an endless body (3.1.5.2)."""

SIGNED_LENGTH = 9223372036854775807
"""The maximum length for programs with signed 64-bit integers; at 10 Gbit/s it lasts for two centuries."""

MAXIMUM_INTERIM = 16
"""Maximum number of interim responses (1xx) before the final response."""

MAXIMUM_RETRY_AFTER = 3600.0
"""The longest that a server's Retry-After is heeded, in seconds."""

_WEB_PAGES = (b"text/html", b"application/xhtml+xml")

_PORTAL = (
    "a captive portal, which wants somebody to sign in first, or a web server or proxy answers in the place of an "
    "IP-HTTPS server"
)
_TOO_LARGE = "it or a front before it cannot take a request of this length: try --request-length 2^63-1, then chunked"
_ADVICE = {
    400: _TOO_LARGE,
    401: "it demands a user's password, which an IP-HTTPS server does not: check --uri",
    403: "it lets us not in: it may demand a client certificate (--certificate), or another one",
    404: "check the path in --uri",
    405: "the path in --uri is not that of an IP-HTTPS server",
    407: "a web proxy in between demands a user and a password",
    408: "it has waited for the end of the request, which has none: a front that passes packets on at once is needed",
    411: _TOO_LARGE,
    413: _TOO_LARGE,
    421: "it does not know the host in --uri",
    429: "we came too often",
    500: "it has failed; Windows Server 2025 says so also where it wants a client certificate only now",
    501: _TOO_LARGE,
    502: "the front that answers cannot reach the IP-HTTPS server behind it",
    503: "it is overloaded or out of service",
    504: "the front that answers got no answer from the IP-HTTPS server behind it",
}
"""The advice in the error message, by HTTP status."""

_STRANGERS: dict[bytes, str] = {
    b"\x15": "it speaks TLS: --uri must begin with https://",  # an alert: RFC 8446 section 5.1
    b"SSH-": "it speaks SSH",  # RFC 4253 section 4.2
    b"<": f"it is a bare web page: {_PORTAL}",
}
"""The first bytes of servers that do not speak HTTP, with the sentence for each."""
_BEGINNING = b"HTTP/"


class RequestLength(Enum):
    """The announcement of an endless body; the value is that of `--request-length`."""

    MAX = "max"  # as 3.1.5.2 says
    SIGNED = "2^63-1"
    CHUNKED = "chunked"


_ANNOUNCED = {
    RequestLength.MAX: ("Content-Length", str(CONTENT_LENGTH)),
    RequestLength.SIGNED: ("Content-Length", str(SIGNED_LENGTH)),
    RequestLength.CHUNKED: ("Transfer-Encoding", "chunked"),
}


class ClientHandshake:
    """The client's side: sends the request, waits for a successful response (3.1.5.2)."""

    def __init__(self, host: str, target: str, length: RequestLength = RequestLength.MAX) -> None:
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAXIMUM_HEAD)
        self._host = host
        self._target = target
        self._length = length
        self._first = b""
        self._folds = Folds()
        self._interim = 0
        self._cleaner = HeadCleaner()

    @property
    def chunked(self) -> bool:
        """True if the request body must be chunked."""
        return self._length is RequestLength.CHUNKED

    def request(self) -> bytes:
        """Return the head of the POST request."""
        # 3.1.5.2: MUST be POST; SHOULD use content length encoding with just this value.
        headers = [_ANNOUNCED[self._length], ("Host", self._host)]
        request = h11.Request(method="POST", target=self._target, headers=headers)
        return self._connection.send(request) or b""

    def feed(self, data: bytes) -> Opened | None:
        """Take bytes from the server; returns None until the head of a successful response is whole.

        Raises:
            ProtocolError: For any other answer, with the answer in its text.
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
        if not 200 <= event.status_code < 300:
            raise _refusal(event)
        return Opened(self._connection.trailing_data[0], _body(event))

    def _check_beginning(self) -> None:
        """Reject data that cannot begin a response at once: a server of another protocol may wait for us."""
        if len(self._first) == len(_BEGINNING) and self._first != _BEGINNING:
            words = shortened(ascii_only(self._connection.trailing_data[0].strip()))
            raise ProtocolError(f"the server's answer is not HTTP: {self._stranger() or f'it begins with {words}'}")

    def _stranger(self) -> str | None:
        return next((words for begin, words in _STRANGERS.items() if self._first.startswith(begin)), None)

    def _not_http(self, error: h11.RemoteProtocolError) -> ProtocolError:
        """Return an error that names the protocol of the server, if recognized, or else its breach of HTTP."""
        if error.error_status_hint == 431:
            return ProtocolError(f"the head of the server's answer is longer than {MAXIMUM_HEAD} bytes")
        if error.error_status_hint == 501:
            return ProtocolError("the server's answer has a transfer encoding that nobody asked for")
        return ProtocolError(f"the server's answer is not HTTP: {self._stranger() or shortened(str(error))}")


def _refusal(response: h11.Response) -> ProtocolError:
    """Put an answer other than a success into words, and into seconds if it says when to come again."""
    status = response.status_code
    target = b"".join(values(response, b"location")[:1])
    after = _retry_after(response)
    if status in (301, 302, 303, 307, 308):
        onward = f"pointing to {shortened(ascii_only(target))}" if target else "without saying where to"
        advice = f"{onward}, where we do not go: {_PORTAL}"
    else:
        expected = "where an IP-HTTPS server answers 200 OK"
        advice = f"{expected}: {_ADVICE.get(status, 'check --uri')}"
    waiting = f"; it asks us to wait {after:.0f} seconds" if after else ""
    reason = ascii_only(response.reason)
    return ProtocolError(f"the server answered {shortened(f'{status} {reason}')}, {advice}{waiting}", retry_after=after)


def _body(response: h11.Response) -> Body | None:
    """Return how the body of a successful response ends, or None if it does so with the connection.

    Raises:
        ProtocolError: If there can be no packets in it.
    """
    status = response.status_code
    if status in (204, 205):  # RFC 9110 sections 15.3.5 and 15.3.6
        raise ProtocolError(f"the server answered {status}, which has no body for packets: {_PORTAL}")
    kind = b"".join(values(response, b"content-type")[:1]).partition(b";")[0].strip().lower()
    if kind in _WEB_PAGES:  # 2.1: it is application/octet-stream, if anything
        raise ProtocolError(f"the server's answer is a web page: {_PORTAL}")
    for encoding in values(response, b"content-encoding"):
        if encoding.strip().lower() != b"identity":
            words = shortened(ascii_only(encoding))
            raise ProtocolError(f"the server's answer is encoded ({words}), which nobody asked for: a front does that")
    if values(response, b"transfer-encoding"):
        # RFC 9112 section 6.3: a length besides means nothing.
        return ChunkedBody(
            "the server's answer has ended with its last chunk: the server, or a front before it, ends the session",
            "the chunks of the server's answer are malformed",
        )
    lengths = values(response, b"content-length")
    if not lengths or (length := int(lengths[0])) >= ENDLESS:
        return None
    if not length:
        raise ProtocolError(f"the server's answer has no room for packets (Content-Length: 0): {_PORTAL}")
    return BoundedBody(
        length,
        f"the server's answer was only {length} bytes long (Content-Length): it is no IP-HTTPS server, or a front "
        "before it ends sessions so",
    )


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
