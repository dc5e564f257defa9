"""The client's side of the HTTP exchange that opens a session: POST, and what the answer to it means (3.1.5.2, 4.1)."""

from __future__ import annotations

from enum import Enum

import h11

from ..errors import ProtocolError
from ..http.body import Body, BoundedBody, ChunkedBody
from ..http.client_exchange import ClientExchange, Expected
from ..http.head import CONTENT_LENGTH, values
from .request import ENDLESS, Opened

__all__ = ["SIGNED_LENGTH", "ClientHandshake", "RequestLength"]

SIGNED_LENGTH = 9223372036854775807
"""The greatest length that programs know which count with a sign; at 10 Gbit/s it lasts for two centuries."""

_TOO_LARGE = "it or a front before it cannot take a request of this length: try --request-length 2^63-1, then chunked"
_ADVICE = {
    400: _TOO_LARGE,
    401: "it demands a user's password, which an IP-HTTPS server does not: check --uri",
    403: "it lets us not in: it may demand a client certificate (--certificate), or another one",
    404: "check the path in --uri",
    405: "what is at the path in --uri is no IP-HTTPS server",
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
"""What to do about an answer, by its status."""

_EXPECTED = Expected("an IP-HTTPS server", _ADVICE)


class RequestLength(Enum):
    """How the client announces a body that never ends; the value is the word of `--request-length`."""

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
        # 3.1.5.2: MUST be POST; SHOULD use content length encoding with just this value.
        self._exchange = ClientExchange(_EXPECTED, "POST", target, [("Host", host), _ANNOUNCED[length]])
        self._length = length

    @property
    def chunked(self) -> bool:
        """Whether what is sent has to be sent in chunks."""
        return self._length is RequestLength.CHUNKED

    def request(self) -> bytes:
        """Return the head of the POST request."""
        return self._exchange.request()

    def feed(self, data: bytes) -> Opened | None:
        """Take bytes from the server; returns None until the head of a successful response is whole.

        Raises:
            ProtocolError: For any other answer, with the answer in its text.
        """
        answer = self._exchange.feed(data)
        if answer is None:
            return None
        response, rest = answer
        if not 200 <= response.status_code < 300:
            raise _EXPECTED.refusal(response)
        return Opened(rest, _body(response))


def _body(response: h11.Response) -> Body | None:
    """Return how the body of a successful response ends, or None if it does so with the connection.

    Raises:
        ProtocolError: If there can be no packets in it.
    """
    status = response.status_code
    if status in (204, 205):  # RFC 9110 sections 15.3.5 and 15.3.6
        raise ProtocolError(f"the server answered {status}, which has no body for packets: {_EXPECTED.portal}")
    _EXPECTED.check_content(response)  # 2.1: it is application/octet-stream, if anything
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
        raise ProtocolError(f"the server's answer has no room for packets (Content-Length: 0): {_EXPECTED.portal}")
    return BoundedBody(
        length,
        f"the server's answer was only {length} bytes long (Content-Length): it is no IP-HTTPS server, or a front "
        "before it ends sessions so",
    )
