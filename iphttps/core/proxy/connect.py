"""The HTTP exchange that opens a way through a web proxy: CONNECT and a 2xx (3.1.5.1, RFC 9110 section 9.3.6).

A proxy that demands a login answers 407, and the request is made again, on the same connection if the proxy keeps
it. Whatever comes behind the head of a 2xx belongs to who is behind the proxy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import h11

from ..errors import ProxyError, ProxyFault
from ..http.head import MAXIMUM_HEAD, values
from ..http.response_head import HeadCleaner
from ..text import ascii_only

MAXIMUM_BODY = 64 * 1024
"""Bytes of an answer's body that are read away so that the connection can be used again."""

MAXIMUM_SHOWN = 4096
"""Bytes of a refusal's body in which a line is looked for that says why."""

SHOWN_WORDS = 100
"""How many characters of such a line are shown."""

MAXIMUM_INTERIM = 8
"""1xx answers that are skipped before the real one."""

AGENT = (b"User-Agent", b"iphttps")
"""Some proxies refuse a request without it."""

_TAG = re.compile(rb"<[^<>]*>")

Header = tuple[bytes, bytes]
"""The name and the value of a header."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The way is open; `rest` are the bytes that came behind the head, from the other end already."""

    rest: bytes


@dataclass(frozen=True, slots=True)
class Challenged:
    """The proxy demands a login, or a better one.

    `offers` are its Proxy-Authenticate headers. `refused` if it said 401, which proxies say to wrong credentials only.
    With `reusable` the next request may go over the same connection.
    """

    offers: tuple[bytes, ...]
    reusable: bool
    refused: bool = False


class ConnectHandshake:
    """The client's side of one connection to a proxy: as many requests as it takes, one after the other.

    `authority` is the server behind the proxy as host:port; `name` is what sentences call the proxy. `headers` are sent
    with each request; one that the request has anyway is replaced, and left out if the value is empty.
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
        """Return the head of a CONNECT request, to be sent at the start and after each challenge."""
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAXIMUM_HEAD)
        self._cleaner = HeadCleaner(connect=True)
        self._answer = None
        self._interim = 0
        self._body = b""
        self._taken = 0
        self._looked = 0
        # Proxy-Connection is what proxies of old look at, and some NTLM proxies still.
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
        """Take bytes from the proxy; returns None until it is clear what the answer means.

        Raises:
            ProxyError: For an answer that neither opens the way nor asks for a login.
        """
        try:
            if cleaned := self._cleaner.feed(data):
                self._connection.receive_data(cleaned)
            return self._read()
        except h11.RemoteProtocolError as error:
            if self._answer:  # its body only is faulty
                return self._over(whole=False)
            raise self._not_http(data, error) from error

    @property
    def answered(self) -> bool:
        """Whether the head of an answer has come that does not open the way, and its body has not ended yet."""
        return self._answer is not None

    def settle(self) -> Challenged:
        """Return the challenge without the rest of its body, once `answered`.

        Raises:
            ProxyError: For a refusal.
        """
        return self._over(whole=False)

    def closed(self) -> Challenged | None:
        """The proxy has closed the connection: return its challenge, or None if there is no answer.

        Raises:
            ProxyError: For a refusal that ends so.
        """
        return self._over(whole=False) if self._answer else None

    def expired(self) -> ProxyError:
        """Return what to say of a proxy that has not answered in time, or not to the end."""
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
                        raise ProxyError(f"the proxy {self._name} never comes to its answer", ProxyFault.NOT_HTTP)
                case h11.Response():
                    if 200 <= event.status_code < 300:
                        # RFC 9110 section 9.3.6: a length or an encoding mean nothing here.
                        return Connected(self._connection.trailing_data[0])
                    self._answer = event
                    if self._to_be_left():
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

    def _to_be_left(self) -> bool:
        """Tell whether it is a challenge on a connection that cannot be used again, whatever its body is."""
        answer = self._answer
        assert answer
        framed = values(answer, b"content-length") or values(answer, b"transfer-encoding")
        return answer.status_code in (401, 407) and not (framed and _stays_open(answer))

    def _settled(self) -> bool:
        """Tell whether the rest of the body is not worth reading: too long, or a refusal that has said why."""
        assert self._answer
        if self._answer.status_code in (401, 407):
            return self._taken > MAXIMUM_BODY
        # A page that comes in single bytes is not looked at anew with each of them: lines without a word can be many.
        start, self._looked = self._looked, self._body.rfind(b"\n") + 1
        return self._taken >= MAXIMUM_SHOWN or bool(_first_line(self._body[start : self._looked]))

    def _over(self, *, whole: bool) -> Challenged:
        answer = self._answer
        assert answer
        if answer.status_code not in (401, 407):
            raise self._refusal(answer)
        # Bytes behind the answer, before the next request: nobody knows what they would be taken for.
        reusable = whole and not self._connection.trailing_data[0] and _stays_open(answer)
        return Challenged(tuple(values(answer, b"proxy-authenticate")), reusable, answer.status_code == 401)

    def _refusal(self, answer: h11.Response) -> ProxyError:
        said = f"{answer.status_code} {ascii_only(answer.reason[:SHOWN_WORDS])}".strip()
        location = b" ".join(values(answer, b"location"))[:SHOWN_WORDS]
        if 300 <= answer.status_code < 400 or answer.status_code == 511:  # RFC 6585 section 6
            onward = f", pointing to {ascii_only(location)}" if location else ""
            return ProxyError(
                f"the proxy {self._name} answered {said}{onward}: this looks like a captive portal, "
                "where somebody must log in with a browser first",
                ProxyFault.CAPTIVE_PORTAL,
            )
        line = ascii_only(_first_line(self._body)[:SHOWN_WORDS])
        words = "" if line.lower() in said.lower() else f': "{line}"'
        sentence = f"the proxy {self._name} refused to connect to {self._authority}: it answered {said}{words}"
        return ProxyError(sentence, ProxyFault.REFUSED)

    def _not_http(self, data: bytes, error: Exception) -> ProxyError:
        if data.startswith(b"\x15\x03"):  # a TLS alert: RFC 8446 section 5.1
            words = "it speaks TLS: write https:// before its name"
        else:
            words = str(error)[:SHOWN_WORDS]
        return ProxyError(f"the answer of the proxy {self._name} is not HTTP: {words}", ProxyFault.NOT_HTTP)


def _stays_open(answer: h11.Response) -> bool:
    """Tell whether the proxy means to keep the connection; in HTTP/1.0 it has to say so (RFC 9112 section 9.3)."""
    named = values(answer, b"connection") + values(answer, b"proxy-connection")
    words = {word.strip().lower() for value in named for word in value.split(b",")}
    return b"close" not in words and (answer.http_version >= b"1.1" or b"keep-alive" in words)


def _first_line(body: bytes) -> bytes:
    """Return the first line of a page on which something stands besides tags."""
    lines = (b" ".join(_TAG.sub(b" ", line).split()) for line in body.splitlines())
    return next((line for line in lines if line), b"")
