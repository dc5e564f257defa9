"""The client's HTTP request that opens a call, and the check of the answer ([MS-SSTP] 3.2.4.1, 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

import h11

from ..errors import ProtocolError
from ..http.client_exchange import ClientExchange, Expected
from ..http.head import CONTENT_LENGTH, values
from .request import METHODS, PATH, is_path

__all__ = ["ANSWER_TIMEOUT", "CORRELATION_LENGTH", "ClientHandshake", "Opened", "guid"]

ANSWER_TIMEOUT = 60.0
"""Maximum seconds until the head of the answer is complete (4.1)."""

CORRELATION_LENGTH = 16
"""Bytes of a GUID."""

SHORTEST = 1 << 62
"""Minimum Content-Length of the answer, in bytes: a call must not reach the end of the body."""

_FRONT = "a front does not forward requests of SSTP: it must forward TCP, or support such requests"
_NO_SSTP = "this is a web server that does not support SSTP"
_ADVICE = {
    400: _FRONT,
    401: "the server demands an HTTP login, which no SSTP server does: check --uri",
    403: "the server forbids the request: it may filter by host name or client address",
    404: "there is no SSTP server at this host and path: check --uri",
    405: _NO_SSTP,
    407: "a web proxy demands a user and a password: see --proxy",
    408: "a front waits for the end of the request, whose body never ends: it must forward the body at once",
    411: _FRONT,
    413: _FRONT,
    421: "the server does not serve the host in --uri",
    429: "this client has sent too many requests",
    500: "the server has an internal error",
    501: _NO_SSTP,
    502: "the front cannot reach the SSTP server",
    503: "the server is overloaded, out of service, or has no free port",
    504: "the front got no answer from the SSTP server",
    505: "a front has changed the request to HTTP/1.0",
}
"""Explanation of an answer, and advice, by its status."""

_EXPECTED = Expected("an SSTP server", _ADVICE)


@dataclass(frozen=True, slots=True)
class Opened:
    """The server has answered 200; `rest` is the bytes after the head, which belong to the call."""

    rest: bytes


def guid(value: bytes) -> str:
    """Return 16 bytes as a GUID in curly braces ([MS-DTYP] 2.3.4.3)."""
    digits = value.hex().upper()
    parts = (digits[start:end] for start, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))
    return f"{{{'-'.join(parts)}}}"


class ClientHandshake:
    """The client's side of the HTTP exchange.

    `host` is the value of the Host header. `target` is the path, with a query such as `tenantid` for a front (3.2.4.1);
    the slash at the end of the path of SSTP is added if it is missing. `correlation` is 16 random bytes, new for each
    attempt.
    """

    def __init__(self, host: str, correlation: bytes, target: str = PATH) -> None:
        self.correlation = guid(correlation)
        """The GUID of this attempt, which the server may log too."""
        headers = [
            ("SSTPCORRELATIONID", self.correlation),
            ("Content-Length", str(CONTENT_LENGTH)),
            ("Host", host),
        ]
        path, mark, query = target.partition("?")
        slash = "/" if is_path(f"{path}/") else ""
        self._exchange = ClientExchange(_EXPECTED, METHODS[0], f"{path}{slash}{mark}{query}", headers)

    def request(self) -> bytes:
        """Return the head of the request (3.2.4.1). The client must send nothing more before the answer (4.1)."""
        return self._exchange.request()

    def feed(self, data: bytes) -> Opened | None:
        """Process bytes from the server, b"" for the end of its stream; return None until a 200 has a complete head.

        Raises:
            ProtocolError: The server gave another answer, which the error describes.
        """
        answer = self._exchange.feed(data)
        if answer is None:
            return None
        response, rest = answer
        if response.status_code != 200:
            raise _EXPECTED.refusal(response)
        _check_endless(response)
        return Opened(rest)


def _check_endless(response: h11.Response) -> None:
    """Check that the body of a 200 can contain a call, which has no end.

    Raises:
        ProtocolError: It cannot.
    """
    _EXPECTED.check_content(response)
    if values(response, b"transfer-encoding"):
        raise ProtocolError("the server's answer is chunked, which SSTP does not allow: a front does that")
    lengths = values(response, b"content-length")
    if lengths and int(lengths[0]) < SHORTEST:
        raise ProtocolError(f"the server's answer ends after {int(lengths[0])} bytes: {_EXPECTED.portal}")
