"""Static documents as a service: a revocation list, on a tunnel's port or on its own port (RFC 5280 4.2.1.13)."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from ...core.http.answer import Answer
from ...core.http.document import METHODS, Document
from ...core.http.request_head import RequestHead
from .service import CertificatePolicy, Peer

CONNECTIONS = 128
PER_SOURCE = 8
"""Maximum simultaneous connections to a port for documents only, in total and per IPv4 address or IPv6 /64."""

DEADLINE = 20.0
"""Maximum duration in seconds of a connection to such a port, including the response."""


class StaticService:
    """Serves GET and HEAD for its `documents`, which can be replaced at any time; one request per connection."""

    methods = METHODS
    wrong_method = "only GET and HEAD are allowed"
    certificate = CertificatePolicy.INHERITED

    def __init__(self, server: str, day: Callable[[], float] = time) -> None:
        self._server = server
        self._day = day
        self.documents: tuple[Document, ...] = ()

    def serves(self, path: str) -> bool:
        """Return whether there is a document at this path."""
        return self._find(path) is not None

    def _find(self, path: str) -> Document | None:
        wanted = path.casefold()
        return next((document for document in self.documents if document.path.casefold() == wanted), None)

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def admit(self, peer: Peer, request: RequestHead) -> Answer:
        """Return the response with the document."""
        document = self._find(request.path)
        assert document is not None  # `serves` has found it in the same turn of the reactor
        return document.answer(request.method, self._server, self._day())
