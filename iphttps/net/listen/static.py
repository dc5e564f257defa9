"""Static documents as a service: a revocation list, on a tunnel's port or on one of its own (RFC 5280 4.2.1.13)."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from ...core.http.answer import Answer
from ...core.http.document import METHODS, Document
from ...core.http.request_head import RequestHead
from .service import CertificatePolicy, Peer

CONNECTIONS = 128
PER_SOURCE = 8
"""Connections at a time to a port with nothing but documents, in all and of one IPv4 address or IPv6 /64."""

DEADLINE = 20.0
"""Seconds from the begin of a connection to such a port to its end, the answer taken."""


class StaticService:
    """Answers GET and HEAD for its `documents`, which can be replaced at any time; each request is one connection."""

    methods = METHODS
    wrong_method = "this can only be fetched"
    certificate = CertificatePolicy.INHERITED

    def __init__(self, server: str, day: Callable[[], float] = time) -> None:
        self._server = server
        self._day = day
        self.documents: tuple[Document, ...] = ()

    def serves(self, path: str) -> bool:
        """Tell whether there is a document at this path."""
        return self._find(path) is not None

    def _find(self, path: str) -> Document | None:
        wanted = path.casefold()
        return next((document for document in self.documents if document.path.casefold() == wanted), None)

    def start(self) -> None:
        """There is nothing to start."""

    def stop(self) -> None:
        """There is nothing to stop."""

    def admit(self, peer: Peer, request: RequestHead) -> Answer:
        """Return the document."""
        document = self._find(request.path)
        assert document is not None  # it was there a moment ago, in the same turn of the reactor
        return document.answer(request.method, self._server, self._day())
