"""Rewrites the odd heads that proxies and web servers answer with into ones that h11 reads.

Appliances send header lines that RFC 9112 forbids, and browsers and curl pass over them. Being as strict as h11 gains
nothing where one connection carries one answer for us alone: nobody behind us could read it in another way. What says
how long a body is stays as it came, unless the caller has no use for it.
"""

from __future__ import annotations

import re

from .head import MAXIMUM_HEAD

MAXIMUM_DIGITS = 18
"""Digits of a length that h11 and everybody else can count."""

_BEGINNING = b"HTTP/"
_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"(HTTP/[0-9]\.[0-9])[ \t]+([0-9]{3})(?:[ \t]+(.*))?", re.DOTALL)
_INTERIM = re.compile(rb"HTTP/[0-9]\.[0-9][ \t]+1[0-9]{2}(?![0-9])")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROLS = re.compile(rb"[\x00\x0a-\x0d]")  # RFC 9110 section 5.5: to be replaced with a space
_LENGTHS = (b"content-length", b"transfer-encoding")


class HeadCleaner:
    """Takes the bytes of an answer and returns those to give to h11, heads of interim answers (1xx) included.

    What does not begin as HTTP, and a head that is too long, is passed on as it is, for h11 to refuse. With `connect`
    the request was a CONNECT: a success has no body (RFC 9110 section 9.3.6), and a refusal whose length cannot be
    understood ends with the connection.
    """

    def __init__(self, *, connect: bool = False) -> None:
        self._connect = connect
        self._head: bytearray | None = bytearray()  # None: all heads are through

    def feed(self, data: bytes) -> bytes:
        """Return the bytes that are ready to be read; empty while a head is not whole."""
        ready = b""
        while self._head is not None and data:
            looked = max(len(self._head) - 3, 0)
            self._head += data
            data = b""
            if not looked:  # RFC 9112 section 2.2 asks the same of servers
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
        """Leave out what is said of the body's length where it means nothing or cannot be understood."""
        told = {(name.lower(), value.lower()) for name, value in headers if name.lower() in _LENGTHS}
        # `identity`, which RFC 2616 section 3.6 had, says that there is no encoding.
        unwanted = {(name, value) for name, value in told if (name, value) == (b"transfer-encoding", b"identity")}
        if self._connect and (opened or not _understood(told - unwanted)):
            unwanted = told
        return [(name, value) for name, value in headers if (name.lower(), value.lower()) not in unwanted]


def _headers(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Return the header lines that have a proper name; a folded one (RFC 9112 section 5.2) is put together."""
    found: list[tuple[bytes, bytes]] = []
    kept = False  # the line before, which may be folded
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
    """Tell whether there is at most one length, or one encoding that is `chunked`."""
    if len(told) > 1:
        return False
    for name, value in told:
        if name == b"content-length":
            return value.isdigit() and len(value) <= MAXIMUM_DIGITS
        return value == b"chunked"
    return True
