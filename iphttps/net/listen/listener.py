"""A port shared by services: TLS, the limits of the handshake phase, and dispatch of the request to a service.

It does not process packets. Sessions belong to their service; the listener only ends those whose certificates are no
longer valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from time import time

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Factory

from ...core.admission import HandshakeLimiter
from ..connection import HANDSHAKE_DEADLINE, PeerConnection
from ..log import logger
from .accept import PeerInfo
from .rejections import FAILED, RejectionLog
from .request import RequestProtocol
from .service import Service

__all__ = ["Listen", "Listener"]

Listen = Callable[[IProtocolFactory], IListeningPort]
"""Starts listening, with TLS if configured, and returns the port; raises ConfigError."""


class Listener(Factory):
    """Listens while started, and passes clients to `services`; `name` is the Server header of its responses.

    As a Twisted factory it creates a RequestProtocol for each accepted connection.
    """

    log = logger()
    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        listen: Listen,
        services: Iterable[Service],
        *,
        name: str,
        limiter: HandshakeLimiter[RequestProtocol] | None = None,
        handshake_deadline: float = HANDSHAKE_DEADLINE,
        day: Callable[[], float] = time,
    ) -> None:
        self.clock = clock
        self.day = day
        """Returns wall-clock time for the Date header; `clock` may have any epoch."""
        self.services = tuple(services)
        self.name = name
        self.limiter = HandshakeLimiter() if limiter is None else limiter
        self.handshake_deadline = handshake_deadline
        self.opened: Callable[[PeerConnection], None] = _nothing
        """Called for each session when it begins."""
        self.rejections = RejectionLog(clock, self.log)
        self._listen = listen
        self._port: IListeningPort | None = None
        self._closed: Deferred[None] = succeed(None)
        self._requests: set[RequestProtocol] = set()
        self._sessions: dict[PeerConnection, Service] = {}
        self._next_end = inf

    def start(self) -> None:
        """Open the port and start the services; raises ConfigError if the port cannot be opened."""
        self._port = self._listen(self)
        for service in self.services:
            service.start()

    def stop(self) -> None:
        """Close the port and stop the services; connections stay open."""
        if self._port:
            self._closed = self._port.stopListening() or succeed(None)
        self._port = None
        self.rejections.close()
        for service in self.services:
            service.stop()

    def limit(self, handshakes: int, handshakes_per_source: int, handshake_deadline: float) -> None:
        """Change the limits of the handshake phase."""
        self.limiter.limit(handshakes, handshakes_per_source)
        self.handshake_deadline = handshake_deadline

    def disconnect(self, sentence: str, service: Service | None = None) -> None:
        """End the sessions of a service, or of all, and every connection without a session, for this reason."""
        for request in tuple(self._requests):
            request.disconnect(sentence)
        for session, its in tuple(self._sessions.items()):
            if service is None or its is service:
                session.disconnect(sentence)

    def wait_closed(self) -> Deferred[None]:
        """Return a Deferred that fires when all present connections have ended and a stopped port is closed."""
        ended = gatherResults([self._closed, *(each.ended for each in (*self._requests, *self._sessions))])
        return ended.addCallback(self._flush_rejections)

    def _flush_rejections(self, result: object) -> None:
        # The last connections may have been rejected after the port was closed.
        if self._port is None:
            self.rejections.close()

    # Connections, in the order of their life.

    def buildProtocol(self, addr: IAddress | None) -> RequestProtocol:
        """Build the protocol that reads the request of a new connection."""
        peer_info = PeerInfo.of(addr)
        request = RequestProtocol(self, peer_info)
        request.forget = self._forget
        self._requests.add(request)
        displaced = self.limiter.add(request, peer_info.address)
        if displaced:
            displaced.give_way()
        return request

    def refused(self, connection: RequestProtocol, sentence: str, kind: str) -> None:
        """Record that a connection was rejected, for a reason of this kind."""
        self.rejections.note(connection.peer, sentence, kind)

    def failed(self, connection: RequestProtocol, sentence: str, kind: str) -> None:
        """Record that a connection failed through no decision of this end, for a reason of this kind."""
        self.rejections.note(connection.peer, sentence, kind, FAILED)

    def admitted(self, connection: RequestProtocol, session: PeerConnection, service: Service) -> None:
        """Register a session in place of its request; the handshake phase is over."""
        self._forget(connection)
        self._sessions[session] = service
        if connection.tls:
            self._next_end = min(self._next_end, connection.tls.check.until)

    def _forget(self, connection: PeerConnection) -> None:
        if isinstance(connection, RequestProtocol):
            self.limiter.remove(connection)
            self._requests.discard(connection)
        self._sessions.pop(connection, None)

    def end_unwelcome(self) -> None:
        """End the connections whose certificates are no longer valid."""
        for request in tuple(self._requests):
            if objection := request.tls and request.tls.objection():
                self.refused(request, objection, "the certificate")
                request.disconnect(objection)
        for session in tuple(self._sessions):
            if objection := session.tls and session.tls.objection():
                session.disconnect(objection)

    def end_overdue(self, now: float) -> None:
        """End the sessions whose certificates have expired; cheap until the first expiry."""
        if now > self._next_end:
            self.end_unwelcome()
            shown = (each.tls.check.until for each in (*self._requests, *self._sessions) if each.tls)
            self._next_end = min(shown, default=inf)


def _nothing(what: object) -> None:
    """Do nothing."""
