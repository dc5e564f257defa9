"""The server's side of the HTTP exchange, joined from the parts of core as the listener and its services join them."""

from __future__ import annotations

from collections.abc import Sequence

from iphttps.core.errors import ProtocolError
from iphttps.core.http.answer import DEFAULT_SERVER
from iphttps.core.http.dispatch import dispatch
from iphttps.core.http.request_head import Progress, RequestReader
from iphttps.core.iphttps.request import DEFAULT_PATHS, METHODS, WRONG_METHOD, Opened, accept, open_tunnel


class Tunnel:
    """The resource at which tunnels are opened."""

    methods = METHODS
    wrong_method = WRONG_METHOD

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = {path.casefold() for path in paths}

    def serves(self, path: str) -> bool:
        """Tell whether this path is one of them."""
        return path.casefold() in self._paths


class ServerHandshake:
    """Reads the request, and has the answers ready (3.2.5.1)."""

    def __init__(self, paths: Sequence[str] = DEFAULT_PATHS, server: str = DEFAULT_SERVER) -> None:
        self._reader = RequestReader()
        self._tunnel = Tunnel(paths)
        self._server = server
        self._opened: Opened | None = None

    def feed(self, data: bytes) -> Opened | None:
        """Take bytes from the client; return None until the head is whole. Raises ProtocolError for a bad request."""
        head = self._reader.feed(data)
        if head is Progress.NEED_DATA:
            return None
        dispatch(head, [self._tunnel])
        self._opened = open_tunnel(head)
        return self._opened

    def accept(self, now: float) -> bytes:
        """Return the head of the 200 answer."""
        assert self._opened
        return accept(self._opened, self._server, now)

    def refuse(self, error: ProtocolError, now: float) -> bytes:
        """Return the whole answer to a rejected request."""
        return self._reader.refuse(error, self._server, now)
