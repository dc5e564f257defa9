"""The request that opens a call, and its answer: the server's side of the HTTP exchange ([MS-SSTP] 3.3.7.2, 4.1).

`core/http/request_head.py` has read the head. What arrives behind it in the same bytes belongs to the call: a client
should wait for the answer, and some do not.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import unquote

from ..errors import ProtocolError
from ..http.answer import head
from ..http.head import CONTENT_LENGTH
from ..http.request_head import RequestHead

__all__ = ["METHODS", "PATH", "WRONG_METHOD", "accept", "is_path", "open_call"]

METHODS = ("SSTP_DUPLEX_POST",)  # [MS-SSTP] 3.2.4.1
WRONG_METHOD = "only SSTP_DUPLEX_POST opens a call"

PATH = "/sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/"
"""The only path ([MS-SSTP] 3.2.4.1)."""


def is_path(path: str) -> bool:
    """Tell whether a path is that of SSTP, percent-encoded or not, in upper or lower case, with or without a query."""
    return unquote(path.partition("?")[0]).casefold() == PATH.casefold()


def open_call(request: RequestHead) -> bytes:
    """Return the bytes behind the head, which belong to the call.

    The length that the request announces does not matter: some clients leave it out.

    Raises:
        ProtocolError: The body is chunked, or the request is one of HTTP/1.0; with the status to answer.
    """
    if request.http10:
        raise ProtocolError("only HTTP/1.1 opens a call", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    if request.values(b"transfer-encoding"):
        raise ProtocolError("a call has no transfer encoding", HTTPStatus.NOT_IMPLEMENTED)
    return request.rest


def accept(server: str, now: float) -> bytes:
    """Return the head of the answer ([MS-SSTP] 3.3.7.2).

    `server` is the value of the Server header, `now` the time of day in seconds since 1970.
    """
    return head(HTTPStatus.OK, server, now, f"Content-Length: {CONTENT_LENGTH}\r\n")
