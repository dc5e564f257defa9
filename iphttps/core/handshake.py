"""The HTTP exchange that opens a session: POST and 200 (3.1.5.2, 3.2.5.1, 4.1).

Each end has one object for it, current until the heads are through; what arrives behind a head in the same
bytes belongs to the packet phase and is handed on. h11 reads the heads. The server's answer is written
here, because h11 would make an answer without a length chunked, and packets must follow the head bare.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

import h11

from .errors import ProtocolError

CONTENT_LENGTH = 18446744073709551615
"""What the client SHOULD announce: the greatest length there is, for a body that never ends (3.1.5.2)."""

DEFAULT_PATH = "/IPHTTPS"
DEFAULT_PATHS = (DEFAULT_PATH, "/IPTLS")
"""What Windows servers answer at, and what the example in section 4.1 shows."""

DEFAULT_SERVER = "iphttps Microsoft-HTTPAPI/2.0"
"""The Server header (3.2.5.1); nmap and administrators recognise an IP-HTTPS server by `HTTPAPI/2.0`."""

MAXIMUM_HEAD = 16 * 1024
"""The longest head taken from a peer, in bytes."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The session is open; `rest` are the bytes that came behind the head, packets already."""

    rest: bytes


class ClientHandshake:
    """The client's side: sends the request, waits for a successful response (3.1.5.2)."""

    def __init__(self, host: str, target: str) -> None:
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAXIMUM_HEAD)
        self._host = host
        self._target = target

    def request(self) -> bytes:
        """Return the head of the POST request."""
        # 3.1.5.2: MUST be POST; SHOULD use content length encoding with just this value.
        headers = [("Content-Length", str(CONTENT_LENGTH)), ("Host", self._host)]
        return self._connection.send(h11.Request(method="POST", target=self._target, headers=headers)) or b""

    def feed(self, data: bytes) -> Opened | None:
        """Take bytes from the server; returns None until the head of a successful response is whole.

        Raises ProtocolError for any other answer, with the answer in its text.
        """
        try:
            self._connection.receive_data(data)
            event = self._connection.next_event()
            while isinstance(event, h11.InformationalResponse):
                event = self._connection.next_event()
        except h11.RemoteProtocolError as error:
            raise ProtocolError(f"the server's answer is not HTTP: {error}") from error
        if event is h11.NEED_DATA:
            return None
        assert isinstance(event, h11.Response)  # nothing else comes first: h11 raises
        if not 200 <= event.status_code < 300:
            reason = ascii_only(event.reason)
            location = dict(event.headers).get(b"location", b"")
            onward = f", pointing to {ascii_only(location)}" if location else ""
            raise ProtocolError(
                f"the server answered {event.status_code} {reason}{onward}, where an IP-HTTPS server answers 200 OK: "
                "check the path in --uri"
            )
        return Opened(self._connection.trailing_data[0])


class ServerHandshake:
    """The server's side: reads the request, and has the answers ready (3.2.5.1)."""

    def __init__(self, paths: tuple[str, ...] = DEFAULT_PATHS, server: str = DEFAULT_SERVER) -> None:
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAXIMUM_HEAD)
        self._paths = frozenset(path.casefold() for path in paths)
        self._server = server

    def feed(self, data: bytes) -> Opened | None:
        """Take bytes from the client; returns None until the head of a proper request is whole.

        Raises ProtocolError, with the status to answer, for any other request.
        """
        try:
            self._connection.receive_data(data)
            event = self._connection.next_event()
        except h11.RemoteProtocolError as error:
            raise ProtocolError(str(error), error.error_status_hint) from error
        if event is h11.NEED_DATA:
            return None
        if not isinstance(event, h11.Request):
            raise ProtocolError("the connection was closed in the middle of a request")
        self._check(event)
        return Opened(self._connection.trailing_data[0])

    def _check(self, request: h11.Request) -> None:
        if not request.http_version.startswith(b"1."):  # h11 takes any: RFC 9112 section 2.3
            raise ProtocolError("only HTTP/1.1 is spoken here", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        target = request.target.decode("ascii")
        if target.casefold().startswith(("http://", "https://")):  # absolute-form: RFC 9112 section 3.2.2
            target = "/" + target.partition("://")[2].partition("/")[2]
        if target.casefold() not in self._paths:
            raise ProtocolError(f"there is no such path as {target!r} here", HTTPStatus.NOT_FOUND)
        if request.method != b"POST":
            raise ProtocolError("only POST opens a tunnel", HTTPStatus.METHOD_NOT_ALLOWED)
        headers = dict(request.headers)
        if b"transfer-encoding" in headers:
            raise ProtocolError("a chunked body is not supported", HTTPStatus.NOT_IMPLEMENTED)
        if b"content-length" not in headers:
            raise ProtocolError("the request announces no body", HTTPStatus.LENGTH_REQUIRED)

    def accept(self, now: float) -> bytes:
        """Return the head of the 200 answer: "200 OK reply with the Date and Server headers" (3.2.5.1).

        `now` is the time of day, in seconds since 1970. The body has no length: it ends with the connection.
        """
        return self._head(HTTPStatus.OK, now) + b"\r\n"

    def refuse(self, error: ProtocolError, now: float) -> bytes:
        """Return the whole answer to a request that cannot open a session."""
        status = HTTPStatus(error.status)
        body = b"" if self._connection.their_state is h11.ERROR else f"{error}\n".encode("ascii", "backslashreplace")
        allow = "Allow: POST\r\n" if status is HTTPStatus.METHOD_NOT_ALLOWED else ""
        head = f"{allow}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        return self._head(status, now) + head.encode("ascii") + body

    def _head(self, status: HTTPStatus, now: float) -> bytes:
        date = formatdate(now, usegmt=True)
        return f"HTTP/1.1 {status.value} {status.phrase}\r\nServer: {self._server}\r\nDate: {date}\r\n".encode("ascii")


def ascii_only(text: bytes) -> str:
    """Return a peer's words fit for a log: printable ASCII, the rest escaped."""
    return "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in text)
