"""Finds folded lines in the head of an HTTP message, which h11 would take.

RFC 9112 section 5.2: a line that begins with a blank continues the one before, for some readers; others take it for a
header of its own. A server MUST answer 400 or replace the fold, and what can be read in two ways is refused here.
"""

from __future__ import annotations

import re

FOLDED = "the head has a folded line, which can be read in two ways"

_NEXT = re.compile(rb"\n(?:(\r?\n)|[ \t])")
_INTERIM = re.compile(rb"HTTP/\d\.\d[ \t]+1\d\d(?!\d)")  # as `HeadCleaner` takes it


class Folds:
    """Follows the bytes of a connection up to the end of its first head, interim responses left aside."""

    def __init__(self) -> None:
        self._head = b""
        self._over = False

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; return whether a line of a head is folded. What is behind the head is not looked at."""
        if self._over:
            return False
        start = max(len(self._head) - 2, 0)  # an end may be cut between its bytes
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
        """Find the next folded line or the end of the head; empty lines before it (RFC 9112 section 2.2) end none."""
        head = self._head.lstrip(b"\r\n")
        start -= len(self._head) - len(head)
        self._head = head
        return _NEXT.search(head, max(start, 0))
