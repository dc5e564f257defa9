"""Rewrites malformed response heads from proxies and web servers into ones that h11 accepts.

Appliances send header lines that RFC 9112 forbids but browsers and curl ignore. To reject them as h11 does gains
nothing where a connection carries one response for this client alone: no other parser could read it differently. The
headers that give the length of a body stay unchanged, unless the caller does not need them.
"""

from __future__ import annotations

import re

from .head import MAXIMUM_HEAD

MAXIMUM_DIGITS = 18
"""Maximum digits of a Content-Length that h11 and other parsers accept."""

_BEGINNING = b"HTTP/"
_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"(HTTP/[0-9]\.[0-9])[ \t]+([0-9]{3})(?:[ \t]+(.*))?", re.DOTALL)
_INTERIM = re.compile(rb"HTTP/[0-9]\.[0-9][ \t]+1[0-9]{2}(?![0-9])")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROLS = re.compile(rb"[\x00\x0a-\x0d]")  # RFC 9110 section 5.5: replace them with a space
_LENGTHS = (b"content-length", b"transfer-encoding")


class HeadCleaner:
    """A filter between a connection and h11 that rewrites response heads, those of interim responses (1xx) included.

    Data that does not begin as HTTP, and a head that is too long, pass unchanged for h11 to reject. With `connect` the
    request was a CONNECT: a success has no body (RFC 9110 section 9.3.6), and a rejection with a malformed length ends
    with the connection.
    """

    def __init__(self, *, connect: bool = False) -> None:
        self._connect = connect
        self._head: bytearray | None = bytearray()  # None: all heads have passed

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the response; return those to pass to h11, b"" while a head is incomplete."""
        ready = b""
        while self._head is not None and data:
            looked = max(len(self._head) - 3, 0)
            self._head += data
            data = b""
            if not looked:  # skip empty lines, as RFC 9112 section 2.2 requires of servers
                self._head = self._head.lstrip(b"\r\n")
            if not self._head.startswith(_BEGINNING[: len(self._head)]):
                data, self._head = bytes(self._head), None
            elif end := _END.search(self._head, looked):
                head, data = bytes(self._head[: end.start()]), bytes(self._head[end.end() :])
                self._head = bytearray() if _INTERIM.match(head) else None
                ready += self._cleaned(head)
            elif len(self._head) > MAXIMUM_HEAD:
                data, self._head = bytes(self._head), None
        return ready + data

    def _cleaned(self, head: bytes) -> bytes:
        line, *others = head.replace(b"\r\n", b"\n").split(b"\n")
        status = _STATUS.fullmatch(line)
        if not status:
            return head + b"\r\n\r\n"
        headers = self._sound(_headers(others), opened=status[2].startswith(b"2"))
        first = b"%s %s %s" % (status[1], status[2], _CONTROLS.sub(b" ", status[3] or b""))
        return b"\r\n".join([first, *(b"%s: %s" % header for header in headers), b"", b""])

    def _sound(self, headers: list[tuple[bytes, bytes]], *, opened: bool) -> list[tuple[bytes, bytes]]:
        """Remove the headers about the body's length if they mean nothing or are malformed."""
        told = {(name.lower(), value.lower()) for name, value in headers if name.lower() in _LENGTHS}
        # `identity`, from RFC 2616 section 3.6, means no encoding.
        unwanted = {(name, value) for name, value in told if (name, value) == (b"transfer-encoding", b"identity")}
        if self._connect and (opened or not _understood(told - unwanted)):
            unwanted = told
        return [(name, value) for name, value in headers if (name.lower(), value.lower()) not in unwanted]


def _headers(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Return the header lines that have a valid name; folded lines (RFC 9112 section 5.2) are joined."""
    found: list[tuple[bytes, bytes]] = []
    kept = False  # whether the line before is kept and may be continued
    for line in lines:
        words = _CONTROLS.sub(b" ", line).strip(b" \t")
        if line[:1] in (b" ", b"\t"):
            if kept:
                name, value = found[-1]
                found[-1] = name, b"%s %s" % (value, words) if value else words
            continue
        name, colon, value = words.partition(b":")
        name = name.rstrip(b" \t")  # RFC 9112 section 5.1
        kept = bool(colon) and _NAME.fullmatch(name) is not None
        if kept:
            found.append((name, value.strip(b" \t")))
    return found


def _understood(told: set[tuple[bytes, bytes]]) -> bool:
    """Tell whether there is at most one length, or one transfer coding, `chunked`."""
    if len(told) > 1:
        return False
    for name, value in told:
        if name == b"content-length":
            return value.isdigit() and len(value) <= MAXIMUM_DIGITS
        return value == b"chunked"
    return True
