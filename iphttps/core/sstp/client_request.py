"""The request that opens a call, and what the answer to it means: the client's side ([MS-SSTP] 3.2.4.1, 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

import h11

from ..errors import ProtocolError
from ..http.client_exchange import ClientExchange, Expected
from ..http.head import CONTENT_LENGTH, values
from .request import METHODS, PATH, is_path

__all__ = ["ANSWER_TIMEOUT", "CORRELATION_LENGTH", "ClientHandshake", "Opened", "guid"]

ANSWER_TIMEOUT = 60.0
"""Seconds in which the head of the answer must have come (4.1)."""

CORRELATION_LENGTH = 16
"""Bytes of a GUID."""

SHORTEST = 1 << 62
"""A body that is announced to be shorter than this is no call: it would end in it."""

_FRONT = "a front before it does not pass such a request on: it must forward TCP, or be one that does"
_NO_SSTP = "what answers is a web server, and knows no SSTP"
_ADVICE = {
    400: _FRONT,
    401: "it demands a login for a web page, while an SSTP server asks for it later: check --uri",
    403: "it does not let us in: it may filter by name or address",
    404: "there is no SSTP server at this host and path: check --uri",
    405: _NO_SSTP,
    407: "a web proxy in between demands a user and a password: see --proxy",
    408: "it has waited for the end of the request, which has none: a front that passes packets on at once is needed",
    411: _FRONT,
    413: _FRONT,
    421: "it does not know the host in --uri",
    429: "we came too often",
    500: "it has failed",
    501: _NO_SSTP,
    502: "the front that answers cannot reach the SSTP server behind it",
    503: "it is overloaded, out of service, or has no port left for another client",
    504: "the front that answers got no answer from the SSTP server behind it",
    505: "a front before it made a request of HTTP/1.0 of ours",
}
"""What to do about an answer, by its status."""

_EXPECTED = Expected("an SSTP server", _ADVICE)


@dataclass(frozen=True, slots=True)
class Opened:
    """The server has answered 200; `rest` are the bytes that came behind the head, which belong to the call."""

    rest: bytes


def guid(value: bytes) -> str:
    """Return 16 bytes as a GUID in curly braces ([MS-DTYP] 2.3.4.3)."""
    digits = value.hex().upper()
    parts = (digits[start:end] for start, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))
    return f"{{{'-'.join(parts)}}}"


class ClientHandshake:
    """The client's side of the HTTP exchange.

    `host` is the value of the Host header. `target` is the path, with the query `tenantid` for a front, if there is one
    (3.2.4.1); of the one path that servers know, the slash at its end may be missing. `correlation` are 16 random
    bytes, new for each attempt.
    """

    def __init__(self, host: str, correlation: bytes, target: str = PATH) -> None:
        self.correlation = guid(correlation)
        """What the server may log too, to find this attempt again."""
        headers = [
            ("SSTPCORRELATIONID", self.correlation),
            ("Content-Length", str(CONTENT_LENGTH)),
            ("Host", host),
        ]
        path, mark, query = target.partition("?")
        slash = "/" if is_path(f"{path}/") else ""
        self._exchange = ClientExchange(_EXPECTED, METHODS[0], f"{path}{slash}{mark}{query}", headers)

    def request(self) -> bytes:
        """Return the head of the request (3.2.4.1). Nothing may follow it before the answer (4.1)."""
        return self._exchange.request()

    def feed(self, data: bytes) -> Opened | None:
        """Take bytes from the server, b"" for the end of its connection; return None until the head of a 200 is whole.

        Raises:
            ProtocolError: For any other answer, with the answer in its text.
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
    """Check that the body of a 200 is one that packets can come in for ever.

    Raises:
        ProtocolError: It is something else.
    """
    _EXPECTED.check_content(response)
    if values(response, b"transfer-encoding"):
        raise ProtocolError("the server's answer comes in chunks, which a call never does: a front before it does that")
    lengths = values(response, b"content-length")
    if lengths and int(lengths[0]) < SHORTEST:
        raise ProtocolError(f"the server's answer ends after {int(lengths[0])} bytes: {_EXPECTED.portal}")
