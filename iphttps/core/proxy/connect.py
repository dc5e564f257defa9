"""The HTTP exchange that opens a tunnel through a web proxy: CONNECT and a 2xx (3.1.5.1, RFC 9110 section 9.3.6).

A proxy that requires authentication answers 407, and the client repeats the request with credentials, on the same
connection if the proxy keeps it open. Bytes after the head of a 2xx come from the server behind the proxy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import h11

from ..errors import ProxyError, ProxyFault
from ..http.head import MAXIMUM_HEAD, values
from ..http.response_head import HeadCleaner
from ..text import SHOWN_LENGTH, ascii_only

MAXIMUM_BODY = 64 * 1024
"""Maximum bytes of a response body that are read and discarded to reuse the connection."""

MAXIMUM_SHOWN = 4096
"""Maximum bytes of a refusal's body that are searched for a line with the reason."""

MAXIMUM_INTERIM = 8
"""Maximum number of 1xx responses before the final one."""

AGENT = (b"User-Agent", b"iphttps")
"""Some proxies reject a request without this header."""

_TAG = re.compile(rb"<[^<>]*>")

Header = tuple[bytes, bytes]
"""The name and the value of a header."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The tunnel is open; `rest` are the bytes after the head, which already come from the server."""

    rest: bytes


@dataclass(frozen=True, slots=True)
class Challenged:
    """The proxy requires authentication, or other credentials.

    `offers` are its Proxy-Authenticate headers. `refused`: the status was 401, which proxies send for wrong credentials
    only. `reusable`: the next request may use the same connection.
    """

    offers: tuple[bytes, ...]
    reusable: bool
    refused: bool = False


class ConnectHandshake:
    """The client's side of one connection to a proxy: one or more CONNECT requests, in sequence.

    `authority` is the server behind the proxy, as host:port; `name` is the proxy's name in error sentences. `headers`
    are sent with each request. One of them replaces a standard header of the same name, or removes it if its value is
    empty.
    """

    def __init__(self, authority: str, name: str, headers: Sequence[Header] = ()) -> None:
        self._authority = authority
        self._name = name
        self._headers = headers
        self._connection = h11.Connection(h11.CLIENT)
        self._cleaner = HeadCleaner(connect=True)
        self._answer: h11.Response | None = None
        self._interim = 0
        self._body = b""
        self._taken = 0
        self._looked = 0

    def request(self, authorization: bytes | None = None) -> bytes:
        """Return the head of a CONNECT request, to send at the start and after each challenge."""
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAXIMUM_HEAD)
        self._cleaner = HeadCleaner(connect=True)
        self._answer = None
        self._interim = 0
        self._body = b""
        self._taken = 0
        self._looked = 0
        # Old proxies, and some NTLM proxies still, look at Proxy-Connection.
        target = self._authority.encode("ascii")
        own = [AGENT, (b"Proxy-Connection", b"Keep-Alive")]
        given = {name.lower() for name, _ in self._headers}
        headers = [(b"Host", target), *(header for header in own if header[0].lower() not in given)]
        headers += [header for header in self._headers if header[1]]
        if authorization:
            headers.append((b"Proxy-Authorization", authorization))
        request = h11.Request(method=b"CONNECT", target=target, headers=headers)
        head = self._connection.send(request) or b""
        self._connection.send(h11.EndOfMessage())
        return head

    def feed(self, data: bytes) -> Connected | Challenged | None:
        """Take bytes from the proxy; return None until the response is decided.

        Raises:
            ProxyError: The proxy rejects the connection for a reason other than authentication, or its response is not
                HTTP.
        """
        try:
            if cleaned := self._cleaner.feed(data):
                self._connection.receive_data(cleaned)
            return self._read()
        except h11.RemoteProtocolError as error:
            if self._answer:  # only its body is malformed
                return self._over(whole=False)
            raise self._not_http(data, error) from error

    @property
    def answered(self) -> bool:
        """True if the head of a rejection or challenge has arrived, but not yet its whole body."""
        return self._answer is not None

    def settle(self) -> Challenged:
        """Return the challenge without waiting for the rest of its body; only once `answered`.

        Raises:
            ProxyError: The response is a rejection.
        """
        return self._over(whole=False)

    def closed(self) -> Challenged | None:
        """Return the challenge of a proxy that has closed the connection, or None if it has not answered.

        Raises:
            ProxyError: The response is a rejection.
        """
        return self._over(whole=False) if self._answer else None

    def expired(self) -> ProxyError:
        """Return the error for a proxy that has not answered completely in time."""
        if not self._answer:
            return ProxyError(f"the proxy {self._name} did not answer in time", ProxyFault.NO_ANSWER)
        return self._refusal(self._answer)

    def _read(self) -> Connected | Challenged | None:
        while True:
            event = self._connection.next_event()
            match event:
                case h11.InformationalResponse():
                    self._interim += 1
                    if self._interim > MAXIMUM_INTERIM:
                        raise ProxyError(f"the proxy {self._name} sends 1xx responses without end", ProxyFault.NOT_HTTP)
                case h11.Response():
                    if 200 <= event.status_code < 300:
                        # RFC 9110 section 9.3.6: ignore a length or a transfer coding here.
                        return Connected(self._connection.trailing_data[0])
                    self._answer = event
                    if self._cannot_reuse():
                        return self._over(whole=False)
                case h11.Data():
                    self._taken += len(event.data)
                    self._body += event.data[: MAXIMUM_SHOWN - len(self._body)]
                    if self._settled():
                        return self._over(whole=False)
                case h11.EndOfMessage():
                    return self._over(whole=True)
                case _:
                    return None

    def _cannot_reuse(self) -> bool:
        """Tell whether this is a challenge on a connection that cannot be reused, regardless of the body."""
        answer = self._answer
        assert answer
        framed = values(answer, b"content-length") or values(answer, b"transfer-encoding")
        return answer.status_code in (401, 407) and not (framed and _stays_open(answer))

    def _settled(self) -> bool:
        """Tell whether to ignore the rest of the body: it is too long, or a refusal's reason is known."""
        assert self._answer
        if self._answer.status_code in (401, 407):
            return self._taken > MAXIMUM_BODY
        # Do not search the page from its start for each chunk: it may arrive byte by byte and have many empty lines.
        start, self._looked = self._looked, self._body.rfind(b"\n") + 1
        return self._taken >= MAXIMUM_SHOWN or bool(_first_line(self._body[start : self._looked]))

    def _over(self, *, whole: bool) -> Challenged:
        answer = self._answer
        assert answer
        if answer.status_code not in (401, 407):
            raise self._refusal(answer)
        # Bytes after this response and before the next request would be mistaken for the next response.
        reusable = whole and not self._connection.trailing_data[0] and _stays_open(answer)
        return Challenged(tuple(values(answer, b"proxy-authenticate")), reusable, answer.status_code == 401)

    def _refusal(self, answer: h11.Response) -> ProxyError:
        said = f"{answer.status_code} {ascii_only(answer.reason[:SHOWN_LENGTH])}".strip()
        location = b" ".join(values(answer, b"location"))[:SHOWN_LENGTH]
        if 300 <= answer.status_code < 400 or answer.status_code == 511:  # RFC 6585 section 6
            onward = f", pointing to {ascii_only(location)}" if location else ""
            return ProxyError(
                f"the proxy {self._name} answered {said}{onward}: this looks like a captive portal, "
                "which requires a login in a browser first",
                ProxyFault.CAPTIVE_PORTAL,
            )
        line = ascii_only(_first_line(self._body)[:SHOWN_LENGTH])
        words = "" if line.lower() in said.lower() else f': "{line}"'
        sentence = f"the proxy {self._name} rejected the connection to {self._authority}: it answered {said}{words}"
        return ProxyError(sentence, ProxyFault.REFUSED)

    def _not_http(self, data: bytes, error: Exception) -> ProxyError:
        if data.startswith(b"\x15\x03"):  # a TLS alert: RFC 8446 section 5.1
            words = "it speaks TLS: write https:// before its name"
        else:
            words = str(error)[:SHOWN_LENGTH]
        return ProxyError(f"the answer of the proxy {self._name} is not HTTP: {words}", ProxyFault.NOT_HTTP)


def _stays_open(answer: h11.Response) -> bool:
    """Tell whether the proxy means to keep the connection; in HTTP/1.0 it has to say so (RFC 9112 section 9.3)."""
    named = values(answer, b"connection") + values(answer, b"proxy-connection")
    words = {word.strip().lower() for value in named for word in value.split(b",")}
    return b"close" not in words and (answer.http_version >= b"1.1" or b"keep-alive" in words)


def _first_line(body: bytes) -> bytes:
    """Return the first line of a page that has text besides tags."""
    lines = (b" ".join(_TAG.sub(b" ", line).split()) for line in body.splitlines())
    return next((line for line in lines if line), b"")
