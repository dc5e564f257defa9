"""The request that opens a tunnel, and its answer: the server's side of the HTTP exchange (2.1, 3.2.5.1, 4.1).

`core/http/request_head.py` has read the head. Bytes after the head belong to the packet phase and
is handed on. The client's side is in `client_handshake`.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from ..errors import ProtocolError
from ..http.answer import head
from ..http.body import Body, BoundedBody, ChunkedBody
from ..http.request_head import RequestHead

__all__ = ["DEFAULT_PATH", "DEFAULT_PATHS", "ENDLESS", "METHODS", "WRONG_METHOD", "Opened", "accept", "open_tunnel"]

DEFAULT_PATH = "/IPHTTPS"
DEFAULT_PATHS = (DEFAULT_PATH, "/IPTLS")
"""The path used by Windows servers, and the one in the example of section 4.1."""

METHODS = ("POST",)  # 3.1.5.2
WRONG_METHOD = "only POST opens a tunnel"

ENDLESS = 1 << 62
"""A body of this length or a greater one is never at its end: at 10 Gbit/s it takes a century."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The session is open; `rest` are the bytes that came behind the head, of the body already.

    `body` reads a body that ends; without one all bytes are packets, for ever. `interim` is what goes before the answer
    to a client that waits for permission to send its body.
    """

    rest: bytes
    body: Body | None = None
    interim: bytes = b""


def open_tunnel(request: RequestHead) -> Opened:
    """Return the tunnel that a POST to the tunnel's path opens.

    Raises:
        ProtocolError: with the status to answer, if its body has no room for packets.
    """
    expected = {word.strip().lower() for value in request.values(b"expect") for word in value.split(b",")}
    if expected - {b"100-continue"}:
        raise ProtocolError("no such expectation can be met", HTTPStatus.EXPECTATION_FAILED)
    # RFC 9110 section 10.1.1: in an HTTP/1.0 request it means nothing.
    continues = bool(expected) and not request.http10
    return Opened(request.rest, _body(request), b"HTTP/1.1 100 Continue\r\n\r\n" if continues else b"")


def _body(request: RequestHead) -> Body | None:
    """Return how the body ends, or None if it never does."""
    chunked, lengths = request.values(b"transfer-encoding"), request.values(b"content-length")
    # RFC 9112 section 6.1: both together, or chunks in HTTP/1.0, are faulty framing and may be an attack.
    # That the encoding is `chunked`, and the length one number, h11 sees to.
    if chunked and (lengths or request.http10):
        raise ProtocolError("the request's body has a length and an encoding that do not go together")
    if chunked:
        return ChunkedBody()
    if not lengths:
        raise ProtocolError("the request announces no body", HTTPStatus.LENGTH_REQUIRED)
    length = int(lengths[0])
    if not length:
        raise ProtocolError("the request's body has no room for packets")
    return BoundedBody(length) if length < ENDLESS else None


def accept(opened: Opened, server: str, now: float) -> bytes:
    """Return the head of the 200 answer: "200 OK reply with the Date and Server headers" (3.2.5.1).

    `server` is the value of the Server header, `now` the time of day in seconds since 1970. The body has no length: it
    ends with the connection.
    """
    return opened.interim + head(HTTPStatus.OK, server, now)
