"""Finds out which server answers fastest, as Windows does where it is given several entry points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import (
    IHandshakeListener,
    IReactorTime,
    ISSLTransport,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from .client import RemoteServer

PATIENCE = 5.0
"""Seconds for which slower servers are waited for; those that have not answered by then come last."""


@implementer(IHandshakeListener)
class Trial(Protocol):
    """A connection that is closed as soon as it is established; TLS, if it is there, included."""

    def __init__(self) -> None:
        self.established: Deferred[None] = Deferred(lambda cancelled: self._abort())

    def connectionMade(self) -> None:
        """Without TLS this is all."""
        if not ISSLTransport.providedBy(self.transport):
            self.handshakeCompleted()

    def handshakeCompleted(self) -> None:
        """The connection is established (3.1.5.1)."""
        self._tell(None)
        cast(ITCPTransport, self.transport).loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It ended; perhaps it never was established."""
        self._tell(reason)

    def attempt(self, endpoint: IStreamClientEndpoint) -> Deferred[None]:
        """Connect; fires once the connection is established, or fails."""
        connecting = cast("Deferred[object]", endpoint.connect(Factory.forProtocol(lambda: self)))
        connecting.addErrback(self._tell)
        self._connecting = connecting
        return self.established

    def _tell(self, result: Failure | None) -> None:
        if not self.established.called:
            self.established.callback(result)

    def _abort(self) -> None:
        self._connecting.cancel()
        if self.transport:
            cast(ITCPTransport, self.transport).abortConnection()


class Fastest:
    """Orders servers by how soon a connection to each is established; those that fail come last, as listed."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    def __call__(self, servers: Sequence[RemoteServer]) -> Deferred[Sequence[RemoteServer]]:
        """Try all at once, and wait for all, or for as long as there is patience."""
        arrived: list[RemoteServer] = []

        def cancel(ordered: Deferred[Sequence[RemoteServer]]) -> None:
            ordered.errback(CancelledError())
            trials.cancel()

        def finish(results: object) -> None:
            if not ordered.called:
                ordered.callback([*arrived, *(server for server in servers if server not in arrived)])

        ordered: Deferred[Sequence[RemoteServer]] = Deferred(cancel)
        trials = DeferredList([_trial(server, arrived) for server in servers], consumeErrors=True)
        trials.addTimeout(PATIENCE, self._clock).addCallback(finish)
        return ordered


def _trial(server: RemoteServer, arrived: list[RemoteServer]) -> Deferred[None]:
    return Trial().attempt(server.endpoint).addCallback(lambda result: arrived.append(server))
