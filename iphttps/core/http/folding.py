"""Finds folded header lines in an HTTP message, which h11 accepts.

RFC 9112 section 5.2: a line that begins with whitespace continues the line before it, but some parsers take it for a
header of its own. A server MUST answer 400 or replace the fold; this one rejects any ambiguous head.
"""

from __future__ import annotations

import re

FOLDED = "the head has a folded header line, which is ambiguous"

_NEXT = re.compile(rb"\n(?:(\r?\n)|[ \t])")
_INTERIM = re.compile(rb"HTTP/\d\.\d[ \t]+1\d\d(?!\d)")  # the same as in `HeadCleaner`


class Folds:
    """A detector of folded lines in the first head of a connection, and in the interim responses before it."""

    def __init__(self) -> None:
        self._head = b""
        self._over = False

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; tell whether a header line is folded. Bytes after the head are not inspected."""
        if self._over:
            return False
        start = max(len(self._head) - 2, 0)  # the end of a line may be split between two calls
        self._head += data
        while found := self._next(start):
            if found[1] is None:
                return True
            interim = _INTERIM.match(self._head)
            self._head, start = self._head[found.end() :], 0
            if not interim:
                self._head, self._over = b"", True
                break
        return False

    def _next(self, start: int) -> re.Match[bytes] | None:
        """Find the next folded line or the end of the head; skip empty lines before the head (RFC 9112 section 2.2)."""
        head = self._head.lstrip(b"\r\n")
        start -= len(self._head) - len(head)
        self._head = head
        return _NEXT.search(head, max(start, 0))
