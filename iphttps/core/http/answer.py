"""The head of an answer, written here: h11 would make an answer without a length chunked."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

DEFAULT_SERVER = "iphttps Microsoft-HTTPAPI/2.0"
"""The Server header ([MS-IPHTTPS] 3.2.5.1); nmap and administrators recognise such a server by `HTTPAPI/2.0`."""

CLOSING = "Connection: close\r\n"


def head(status: HTTPStatus, server: str, now: float, about: str = "") -> bytes:
    """Return the head of an answer, with the blank line at its end.

    `server` is the value of the Server header, and `now` the time of day in seconds since 1970. `about` are more lines
    of the head, each with its end.
    """
    date = formatdate(now, usegmt=True)
    lines = f"HTTP/1.1 {status.value} {status.phrase}\r\nServer: {server}\r\nDate: {date}\r\n{about}\r\n"
    return lines.encode("ascii")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, after which the connection ends."""

    head: bytes
    content: bytes = field(repr=False)
