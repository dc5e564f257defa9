"""The head of a request, which the listener reads before it knows the service."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus

import h11

from ..errors import ProtocolError
from ..text import shortened
from .answer import CLOSING, head
from .folding import FOLDED, Folds
from .head import MAXIMUM_HEAD, values

__all__ = ["FIRST", "Progress", "RequestHead", "RequestReader"]

_REQUEST_LINE = re.compile(rb"[!#-'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/\d\.\d\r?")  # RFC 9112 section 3
_HOST = re.compile(rb"(?:\[[0-9A-Za-z:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::\d*)?")  # RFC 3986 section 3.2

_PROXY_HEADER = "it sends a PROXY header, which only a --trusted-proxy may, and only with --proxy-protocol"
_STRANGERS = {
    b"\x16": "TLS handshake on a plain HTTP port",  # a handshake record: RFC 8446 section 5.1
    b"SSH-": "it speaks SSH",  # RFC 4253 section 4.2
    b"PROXY ": _PROXY_HEADER,
    b"\r\n\r\n\0\r\nQUIT\n": _PROXY_HEADER,
}
"""The first bytes of other protocols, with the sentence for each."""
FIRST = 12


class Progress(Enum):
    """The state of an incomplete request head."""

    NEED_DATA = "the head is not whole"


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request whose head is whole, and is proper HTTP/1.x.

    `path` is the path of the target, also where the target has the absolute form (RFC 9112 section 3.2.2); that of
    CONNECT is host and port. `rest` are the bytes behind the head, of the body already.
    """

    request: h11.Request
    path: str
    rest: bytes = field(repr=False)

    @property
    def method(self) -> str:
        """The method; methods are case-sensitive (RFC 9110 section 9.1)."""
        return self.request.method.decode("ascii")

    @property
    def http10(self) -> bool:
        """True if the request is HTTP/1.0."""
        return bool(self.request.http_version == b"1.0")

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of a header, one for each time it occurs; `name` is in lower case."""
        return values(self.request, name)


class RequestReader:
    """Reads one head of at most `MAXIMUM_HEAD` bytes, and has the answer to a request that is rejected."""

    def __init__(self) -> None:
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAXIMUM_HEAD)
        self._taken = 0
        self._first = b""
        self._folds = Folds()
        self._method = b""

    def feed(self, data: bytes) -> RequestHead | Progress:
        """Take bytes from the client; return the head, or NEED_DATA until it is whole.

        Raises:
            ProtocolError: with the status to answer, if this is no proper request.
        """
        room = MAXIMUM_HEAD - self._taken
        data, behind = data[:room], data[room:]
        self._taken += len(data)
        self._first = (self._first + data[:FIRST])[:FIRST]
        try:
            self._connection.receive_data(data)
            event = self._connection.next_event()
        except h11.RemoteProtocolError as error:
            raise self._not_http(str(error), error.error_status_hint) from error
        if self._folds.feed(data):
            raise self._not_http(FOLDED)
        if event is h11.NEED_DATA:
            self._check_beginning(self._connection.trailing_data[0])
            return Progress.NEED_DATA
        if not isinstance(event, h11.Request):
            raise ProtocolError("the connection was closed in the middle of a request")
        self._method = event.method
        return RequestHead(event, _path(event), self._connection.trailing_data[0] + behind)

    def _check_beginning(self, beginning: bytes) -> None:
        """Reject data that cannot begin a request; a client of another protocol often waits for an answer first."""
        line, newline, _ = beginning.partition(b"\n")
        if newline and not _REQUEST_LINE.fullmatch(line):
            raise self._not_http("the first line is not that of an HTTP request")
        if self._taken >= MAXIMUM_HEAD:
            if newline:
                sentence = f"the head is longer than {MAXIMUM_HEAD} bytes"
                raise ProtocolError(sentence, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            raise ProtocolError("the request's target is too long", HTTPStatus.REQUEST_URI_TOO_LONG)

    def _not_http(self, words: str, status: int = HTTPStatus.BAD_REQUEST) -> ProtocolError:
        """Return an error that names the protocol of the peer, if recognized, or else its breach of HTTP."""
        for beginning, sentence in _STRANGERS.items():
            if self._first.startswith(beginning):
                return ProtocolError(sentence)
        return ProtocolError(shortened(words), status)

    def refuse(self, error: ProtocolError, server: str, now: float) -> bytes:
        """Return the whole answer to a rejected request: the error's status, with its sentence as the body.

        `server` is the value of the Server header, `now` the time of day, in seconds since 1970.
        """
        status = HTTPStatus(error.status)
        body = b"" if self._connection.their_state is h11.ERROR else f"{error}\n".encode("ascii", "backslashreplace")
        allow = f"Allow: {', '.join(error.allow)}\r\n" if error.allow else ""
        about = f"{allow}{CLOSING}Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        # RFC 9110 section 9.3.2: the answer to HEAD has no body, only the length of one.
        return head(status, server, now, about) + (b"" if self._method == b"HEAD" else body)


def _path(request: h11.Request) -> str:
    """Return the path of the target; raises ProtocolError for a version that is not spoken, and for a wrong Host."""
    if not request.http_version.startswith(b"1."):  # h11 takes any: RFC 9112 section 2.3
        raise ProtocolError("only HTTP/1.1 is spoken here", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    # RFC 9112 section 3.2; that there is one, and only one, h11 sees to.
    if not all(_HOST.fullmatch(host) for host in values(request, b"host")):
        raise ProtocolError("the Host header is not that of a host")
    target = request.target.decode("ascii")
    if target.casefold().startswith(("http://", "https://")):  # absolute-form: RFC 9112 section 3.2.2
        return "/" + target.partition("://")[2].partition("/")[2]
    return target
