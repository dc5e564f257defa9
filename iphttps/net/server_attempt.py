"""An attempt to open a session with one server, over one connection after the other, and the session that it opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from ..core.failure import FailureReason
from ..core.ip.batch import Batch
from .client_session import ClientSession, Owner
from .connect.alternatives import Alternatives, Attempt
from .connect.remote_server import RemoteServer
from .explain import explain

__all__ = ["Attempts", "Server", "ServerAttempt", "SessionMaker"]

SessionMaker = Callable[[Owner, float], ClientSession]
"""Makes the session of a new connection; the argument is the time limit for opening it, in seconds."""

Server = RemoteServer[SessionMaker]
"""A server, with the function that makes the sessions of its protocol."""


class Attempts(Protocol):
    """The interface of the attempts at all servers, used by each of them."""

    clock: IReactorTime

    def from_server(self, batch: Batch) -> None:
        """Hand packets from the server to the kernel."""

    def renumbered(self, tunnel: ClientSession) -> None:
        """Handle a session that continues with other addresses."""

    def ready(self, attempt: ServerAttempt) -> None:
        """Handle an established connection, whose request can be sent."""

    def goes_on(self, attempt: ServerAttempt) -> None:
        """Handle the end of a connection, after which the attempt makes another one."""

    def answered(self, attempt: ServerAttempt) -> None:
        """Handle a server that has answered, or could have."""

    def opened(self, attempt: ServerAttempt) -> None:
        """Handle an open session."""

    def failed(self, attempt: ServerAttempt, trouble: FailureReason) -> None:
        """Handle the end of the attempt, or of its session."""


class ServerAttempt(Factory):
    """An attempt at one server: over its addresses and the proxies to it, until a session opens or all have failed."""

    noisy = False

    def __init__(self, server: Server, attempts: Attempts) -> None:
        self.server = server
        self.clock = attempts.clock
        self.from_server = attempts.from_server
        self.renumbered = attempts.renumbered
        self.tunnel: ClientSession | None = None
        """The current connection; None if there is none."""
        self._attempts = attempts
        self._tries = Attempt(server.uri, server.endpoint)
        self._connecting: Deferred[object] | None = None

    def connect(self) -> None:
        """Make a connection."""
        self._connecting = connecting = cast("Deferred[object]", self.server.endpoint.connect(self))
        connecting.addErrback(self._not_connected, connecting)

    def request(self) -> None:
        """Send the request over the established connection (3.1.5.2)."""
        assert self.tunnel is not None
        self.tunnel.request()

    def give_up(self, sentence: str) -> Deferred[None] | None:
        """End the attempt or its session; return what fires when the connection has ended, None if there is none."""
        connecting, self._connecting = self._connecting, None
        if connecting:
            connecting.cancel()
        tunnel, self.tunnel = self.tunnel, None
        if tunnel is None:
            return None
        tunnel.disconnect(sentence)
        return tunnel.ended

    def abort(self, sentence: str) -> None:
        """End the attempt at once, as far as possible before the server processes the request."""
        tunnel = self.tunnel
        ended = self.give_up(sentence)
        if tunnel and ended and not ended.called:
            tunnel.wire.abortConnection()

    def lost(self) -> bool:
        """Note that the session has ended; return whether the server's name has another address to try."""
        endpoint = self.server.endpoint
        return isinstance(endpoint, Alternatives) and endpoint.lost()

    def buildProtocol(self, addr: IAddress | None) -> ClientSession:
        """Build the session of a new connection."""
        self._tries.using(addr)
        self.tunnel = self.server.session(self, self._tries.deadline)
        return self.tunnel

    # A cancelled attempt also fails, and not always with CancelledError: Twisted's resolver reports a name that was not
    # found. A connection that was given up ends later.

    def _not_connected(self, failure: Failure, connecting: Deferred[object]) -> None:
        if connecting is self._connecting:
            self._failed(explain(failure))

    def failed(self, tunnel: ClientSession, trouble: FailureReason) -> None:
        """Handle the end of the connection."""
        if tunnel is self.tunnel:
            self.tunnel = None
            self._failed(trouble)

    def _failed(self, trouble: FailureReason) -> None:
        if self._tries.goes_on(trouble):
            self._attempts.goes_on(self)
            self.connect()
        else:
            self._attempts.failed(self, self._tries.verdict(trouble))

    # What a session reports.

    def connected(self, tunnel: ClientSession) -> None:
        """Handle an established HTTPS connection (3.1.5.1)."""
        self._attempts.ready(self)

    def answered(self, tunnel: ClientSession) -> None:
        """Note that the server has answered, or could have: no other address or proxy would give a better result."""
        self._tries.opened()
        self._attempts.answered(self)

    def responded(self, tunnel: ClientSession) -> None:
        """Handle a successful response (3.1.5.2)."""
        self.answered(tunnel)
        self._attempts.opened(self)
