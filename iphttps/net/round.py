"""One attempt at all servers: the first that opens a session is used, and a dead one delays it by a second.

This is Happy Eyeballs (RFC 8305 section 5) for servers. The attempt at the next server begins when the former has
failed, or has not opened a session for DELAY seconds. Connections are made side by side, TLS included. But a request
can end another session of the same client, so it is sent on one connection only, and on the next one if the former has
not been answered for DELAY seconds. The first answer decides, and all other attempts end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ..core.failure import FailureReason
from ..core.ip.batch import Batch
from .client_session import ClientSession
from .server_attempt import Server, ServerAttempt

__all__ = ["DELAY", "Round"]

DELAY = 1.0
"""Seconds from the start of an attempt to that of the next one, and from a request to the next one.

RFC 8305 section 8 recommends 250 ms for TCP connections; this one includes the handshake of TLS and the answer.
"""


class RoundOwner(Protocol):
    """The interface of the client used by a round."""

    clock: IReactorTime

    def from_server(self, batch: Batch) -> None:
        """Hand packets from the server to the kernel."""

    def renumbered(self, tunnel: ClientSession) -> None:
        """Handle a session that continues with other addresses."""

    def trying(self, server: Server) -> None:
        """Note that an attempt at a server begins."""

    def established(self) -> None:
        """Handle a connection that is to send its request now: call `send_request`."""

    def unanswered(self) -> None:
        """Handle the failure of the last connection that has sent a request; the round goes on."""

    def decided(self, server: Server) -> None:
        """Note that a server has answered, and that the attempts at all others have ended."""

    def opened(self, attempt: ServerAttempt) -> None:
        """Handle an open session."""

    def not_opened(self, server: Server, trouble: FailureReason) -> None:
        """Handle the failure of the attempt at one server."""

    def all_failed(self, retry_after: float) -> None:
        """Handle the failure of the attempts at all servers; `retry_after` is the least wait that any has asked for."""

    def lost(self, attempt: ServerAttempt, trouble: FailureReason) -> None:
        """Handle the end of the session."""


class Round:
    """The attempts at all servers, in order, and then the session that one of them has opened."""

    def __init__(self, owner: RoundOwner, servers: Iterable[Server]) -> None:
        self.clock = owner.clock
        self.from_server = owner.from_server
        self.renumbered = owner.renumbered
        self._owner = owner
        self._left = deque(servers)
        """The servers to which no attempt has been made yet."""
        self._running: list[ServerAttempt] = []
        self._ready: deque[ServerAttempt] = deque()
        """The attempts with an established connection, whose request is to be sent in turn."""
        self._asked: list[ServerAttempt] = []
        """The attempts whose request is unanswered, the latest at the end."""
        self._asked_at = 0.0
        self._winner: ServerAttempt | None = None
        self._is_open = False
        self._waits: list[float] = []
        """The seconds that each server that failed has asked the client to wait."""
        self._next: IDelayedCall | None = None
        self._turn: IDelayedCall | None = None

    @property
    def tunnel(self) -> ClientSession | None:
        """The connection of the session, or else the one that sent the latest request, or else the latest."""
        order = (*([self._winner] if self._winner else ()), *reversed(self._asked), *reversed(self._running))
        return next((attempt.tunnel for attempt in order if attempt.tunnel), None)

    def start(self) -> None:
        """Begin the attempt at the next server."""
        _cancel(self._next)
        if not self._left:
            return
        server = self._left.popleft()
        attempt = ServerAttempt(server, self)
        self._running.append(attempt)
        self._next = self.clock.callLater(DELAY, self.start) if self._left else None
        self._owner.trying(server)
        attempt.connect()

    def cancel(self) -> list[Deferred[None]]:
        """End all attempts, or the session; return what fires when their connections have ended."""
        running, self._running = self._running, []
        self._stop()
        self._left.clear()
        return [ended for attempt in running if (ended := attempt.give_up("given up"))]

    def note_loss(self) -> None:
        """Note that the session is lost, although its connection has not ended."""
        if self._winner:
            self._winner.lost()

    def _stop(self) -> None:
        _cancel(self._next)
        _cancel(self._turn)
        self._next = self._turn = None
        self._ready.clear()
        self._asked.clear()

    # The order of the requests.

    def ready(self, attempt: ServerAttempt) -> None:
        """Handle an established connection, whose request is sent when it is its turn."""
        self._ready.append(attempt)
        self._take_turn()

    def _take_turn(self) -> None:
        _cancel(self._turn)
        self._turn = None
        if not self._ready:
            return
        wait = self._asked_at + DELAY - self.clock.seconds() if self._asked else 0.0
        if wait > 0:
            self._turn = self.clock.callLater(wait, self._take_turn)
            return
        self._asked.append(self._ready.popleft())
        self._asked_at = self.clock.seconds()
        self._owner.established()
        self._take_turn()

    def send_request(self) -> None:
        """Send the request whose turn it is."""
        self._asked[-1].request()

    # What becomes of the attempts.

    def goes_on(self, attempt: ServerAttempt) -> None:
        """Handle the end of a connection, after which the attempt makes another one."""
        self._forget(attempt)

    def _forget(self, attempt: ServerAttempt) -> None:
        """Handle the end of an attempt's connection; the next request may follow at once."""
        if attempt in self._ready:
            self._ready.remove(attempt)
        elif attempt in self._asked:
            self._asked.remove(attempt)
            if not self._asked:
                self._owner.unanswered()
        self._take_turn()

    def answered(self, attempt: ServerAttempt) -> None:
        """Decide for a server that has answered: end the attempts at all others."""
        if attempt is self._winner:
            return
        others = [other for other in self._running if other is not attempt]
        self._winner, self._running, self._ready = attempt, [attempt], deque()
        _cancel(self._next)
        _cancel(self._turn)
        self._asked = [attempt]
        self._left.extendleft(other.server for other in reversed(others))
        self._owner.decided(attempt.server)
        for other in others:
            other.abort("another server has answered")

    def opened(self, attempt: ServerAttempt) -> None:
        """Handle the open session."""
        self._stop()
        self._left.clear()
        self._is_open = True
        self._owner.opened(attempt)

    def failed(self, attempt: ServerAttempt, trouble: FailureReason) -> None:
        """Handle the failure of the attempt at a server, or the end of the session."""
        if self._is_open:
            self._running.clear()
            self._owner.lost(attempt, trouble)
            return
        self._winner = None
        self._running.remove(attempt)
        self._owner.not_opened(attempt.server, trouble)
        self._waits.append(trouble.retry_after or 0.0)
        if self._running or self._left:
            self._forget(attempt)
            if not self._winner:
                self.start()
        else:
            self._stop()
            self._owner.all_failed(min(self._waits))


def _cancel(call: IDelayedCall | None) -> None:
    if call and call.active():
        call.cancel()
