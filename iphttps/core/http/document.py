"""A static document that every client of the port may fetch, and the answer that holds it (RFC 9110 section 9.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus

from .answer import CLOSING, Answer, head

METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Document:
    """A document at a path; `kind` is its media type."""

    path: str
    kind: str
    content: bytes = field(repr=False)

    def answer(self, method: str, server: str, now: float) -> Answer:
        """Return the answer to GET or HEAD; `server` and `now` are those of `answer.head`."""
        about = f"{CLOSING}Content-Type: {self.kind}\r\nContent-Length: {len(self.content)}\r\n"
        return Answer(head(HTTPStatus.OK, server, now, about), b"" if method == "HEAD" else self.content)
