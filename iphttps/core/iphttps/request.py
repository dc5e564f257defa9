"""The HTTP exchange that opens a session: what both ends have in common, and the server's side (2.1, 3.2.5.1, 4.1).

Each end has one object for it, current until the heads are through; what arrives behind a head in the same
bytes belongs to the packet phase and is handed on. h11 reads the heads. The server's answer is written
here, because h11 would make an answer without a length chunked, and packets must follow the head bare.
The client's side is in `client_handshake`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

import h11

from ..errors import ProtocolError
from ..http.body import Body, BoundedBody, ChunkedBody
from ..http.folding import FOLDED, Folds
from ..http.header import values

DEFAULT_PATH = "/IPHTTPS"
DEFAULT_PATHS = (DEFAULT_PATH, "/IPTLS")
"""What Windows servers answer at, and what the example in section 4.1 shows."""

DEFAULT_SERVER = "iphttps Microsoft-HTTPAPI/2.0"
"""The Server header (3.2.5.1); nmap and administrators recognise an IP-HTTPS server by `HTTPAPI/2.0`."""

MAXIMUM_HEAD = 16 * 1024
"""The longest head taken from a peer, in bytes."""

ENDLESS = 1 << 62
"""A body of this length or a greater one is never at its end: at 10 Gbit/s it takes a century."""

SHOWN_WORDS = 100
"""How many characters of what a peer said stand in a sentence about it."""

_REQUEST_LINE = re.compile(rb"[!#-'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/\d\.\d\r?")  # RFC 9112 section 3
_HOST = re.compile(rb"(?:\[[0-9A-Za-z:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::\d*)?")  # RFC 3986 section 3.2

_PROXY_HEADER = "it sends a PROXY header, which only a --trusted-proxy may, and only with --proxy-protocol"
_STRANGERS = {
    b"\x16": "it speaks TLS to a port for plain HTTP",  # a handshake record: RFC 8446 section 5.1
    b"SSH-": "it speaks SSH",  # RFC 4253 section 4.2
    b"PROXY ": _PROXY_HEADER,
    b"\r\n\r\n\0\r\nQUIT\n": _PROXY_HEADER,
}
"""What those send first who have come to the wrong port."""
FIRST = 12


@dataclass(frozen=True, slots=True)
class Opened:
    """The session is open; `rest` are the bytes that came behind the head, of the body already.

    `body` reads a body that ends; without one all bytes are packets, for ever. `forwarded_for` is what the
    X-Forwarded-For headers of a request say.
    """

    rest: bytes
    body: Body | None = None
    forwarded_for: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """What anybody may fetch who finds the way here, at a path beside that of the tunnel; `kind` is its media type."""

    path: str
    kind: str
    content: bytes = field(repr=False)


class ServerHandshake:
    """The server's side: reads the request, and has the answers ready (3.2.5.1)."""

    def __init__(
        self,
        paths: tuple[str, ...] = DEFAULT_PATHS,
        server: str = DEFAULT_SERVER,
        documents: Iterable[Document] = (),
    ) -> None:
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAXIMUM_HEAD)
        self._paths = frozenset(path.casefold() for path in paths)
        self._documents = {document.path.casefold(): document for document in documents}
        self.asked: Document | None = None
        """The document that the request is for; `show` has the answer."""
        self._server = server
        self._allowed = "POST"
        self._taken = 0
        self._first = b""
        self._folds = Folds()
        self._method = b""
        self._continues = False

    def feed(self, data: bytes) -> Opened | None:
        """Take bytes from the client; returns None until the head of a proper request is whole.

        Raises:
            ProtocolError: The request is not one for a tunnel, nor for a document (`asked`); with the status to answer.
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
            return None
        if not isinstance(event, h11.Request):
            raise ProtocolError("the connection was closed in the middle of a request")
        self._method = event.method
        self.asked = self._check(event)
        if self.asked:
            return None
        rest = self._connection.trailing_data[0] + behind
        forwarded_for = b",".join(values(event, b"x-forwarded-for")).decode("latin-1")
        return Opened(rest, self._body(event), forwarded_for)

    def _check_beginning(self, head: bytes) -> None:
        """Refuse what cannot become a request; who speaks another protocol often waits for an answer first."""
        line, newline, _ = head.partition(b"\n")
        if newline and not _REQUEST_LINE.fullmatch(line):
            raise self._not_http("the first line is not that of an HTTP request")
        if self._taken >= MAXIMUM_HEAD:
            if newline:
                sentence = f"the head is longer than {MAXIMUM_HEAD} bytes"
                raise ProtocolError(sentence, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            raise ProtocolError("the request's target is too long", HTTPStatus.REQUEST_URI_TOO_LONG)

    def _not_http(self, words: str, status: int = HTTPStatus.BAD_REQUEST) -> ProtocolError:
        """Say of a peer that it breaks HTTP, or what it speaks instead."""
        for beginning, sentence in _STRANGERS.items():
            if self._first.startswith(beginning):
                return ProtocolError(sentence)
        return ProtocolError(shortened(words), status)

    def _check(self, request: h11.Request) -> Document | None:
        """Return the document that is asked for, or None for a request that opens a tunnel.

        Raises:
            ProtocolError: ???
        """
        if not request.http_version.startswith(b"1."):  # h11 takes any: RFC 9112 section 2.3
            raise ProtocolError("only HTTP/1.1 is spoken here", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        # RFC 9112 section 3.2; that there is one, and only one, h11 sees to.
        if not all(_HOST.fullmatch(host) for host in values(request, b"host")):
            raise ProtocolError("the Host header is not that of a host")
        target = request.target.decode("ascii")
        if target.casefold().startswith(("http://", "https://")):  # absolute-form: RFC 9112 section 3.2.2
            target = "/" + target.partition("://")[2].partition("/")[2]
        if document := self._documents.get(target.casefold()):
            if request.method in (b"GET", b"HEAD"):
                return document
            self._allowed = "GET, HEAD"
            raise ProtocolError("this can only be fetched", HTTPStatus.METHOD_NOT_ALLOWED)
        # The target of CONNECT is no path, and nothing is connected for anybody here.
        if target.casefold() not in self._paths and request.method != b"CONNECT":
            raise ProtocolError(f"there is no such path as {shortened(target)!r} here", HTTPStatus.NOT_FOUND)
        if request.method != b"POST":
            raise ProtocolError("only POST opens a tunnel", HTTPStatus.METHOD_NOT_ALLOWED)
        expected = {word.strip().lower() for value in values(request, b"expect") for word in value.split(b",")}
        if expected - {b"100-continue"}:
            raise ProtocolError("no such expectation can be met", HTTPStatus.EXPECTATION_FAILED)
        # RFC 9110 section 10.1.1: in an HTTP/1.0 request it means nothing.
        self._continues = bool(expected) and request.http_version != b"1.0"
        return None

    def _body(self, request: h11.Request) -> Body | None:
        """Return how the body ends, or None if it never does."""
        chunked, lengths = values(request, b"transfer-encoding"), values(request, b"content-length")
        # RFC 9112 section 6.1: both together, or chunks in HTTP/1.0, are faulty framing and may be an attack.
        # That the encoding is `chunked`, and the length one number, h11 sees to.
        if chunked and (lengths or request.http_version == b"1.0"):
            raise ProtocolError("the request's body has a length and an encoding that do not go together")
        if chunked:
            return ChunkedBody()
        if not lengths:
            raise ProtocolError("the request announces no body", HTTPStatus.LENGTH_REQUIRED)
        length = int(lengths[0])
        if not length:
            raise ProtocolError("the request's body has no room for packets")
        return BoundedBody(length) if length < ENDLESS else None

    def accept(self, now: float) -> bytes:
        """Return the head of the 200 answer: "200 OK reply with the Date and Server headers" (3.2.5.1).

        `now` is the time of day, in seconds since 1970. The body has no length: it ends with the connection.
        """
        interim = b"HTTP/1.1 100 Continue\r\n\r\n" if self._continues else b""
        return interim + self._head(HTTPStatus.OK, now) + b"\r\n"

    def show(self, document: Document, now: float) -> tuple[bytes, bytes]:
        """Return the head and the body of the answer to who has asked for a document."""
        about = f"Content-Type: {document.kind}\r\nContent-Length: {len(document.content)}\r\n"
        head = self._head(HTTPStatus.OK, now) + f"Connection: close\r\n{about}\r\n".encode("ascii")
        return head, b"" if self._method == b"HEAD" else document.content

    def refuse(self, error: ProtocolError, now: float) -> bytes:
        """Return the whole answer to a request that cannot open a session."""
        status = HTTPStatus(error.status)
        body = b"" if self._connection.their_state is h11.ERROR else f"{error}\n".encode("ascii", "backslashreplace")
        allow = f"Allow: {self._allowed}\r\n" if status is HTTPStatus.METHOD_NOT_ALLOWED else ""
        head = f"{allow}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        # RFC 9110 section 9.3.2: the answer to HEAD has no body, only the length of one.
        return self._head(status, now) + head.encode("ascii") + (b"" if self._method == b"HEAD" else body)

    def _head(self, status: HTTPStatus, now: float) -> bytes:
        date = formatdate(now, usegmt=True)
        return f"HTTP/1.1 {status.value} {status.phrase}\r\nServer: {self._server}\r\nDate: {date}\r\n".encode("ascii")


def ascii_only(text: bytes) -> str:
    """Return a peer's words fit for a log: printable ASCII, the rest escaped."""
    return "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in text)


def shortened(words: str) -> str:
    """Return the beginning of a peer's words, as long as fits in a sentence."""
    return words if len(words) <= SHOWN_WORDS else f"{words[:SHOWN_WORDS]}..."
