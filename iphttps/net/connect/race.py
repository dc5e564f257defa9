"""Selection of the server that responds fastest, as Windows does with several entry points."""

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

from ..log import logger
from .remote_server import RemoteServer, S

PATIENCE = 5.0
"""Seconds to wait for a connection; after that the servers are tried as listed."""


@implementer(IHandshakeListener)
class Trial(Protocol):
    """A connection that is closed as soon as it is established, including TLS if used."""

    def __init__(self) -> None:
        self.established: Deferred[None] = Deferred(lambda cancelled: self._abort())

    def connectionMade(self) -> None:
        """Without TLS, report the connection as established."""
        if not ISSLTransport.providedBy(self.transport):
            self.handshakeCompleted()

    def handshakeCompleted(self) -> None:
        """Report the connection as established (3.1.5.1), and close it."""
        self._tell(None)
        cast(ITCPTransport, self.transport).loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Report a connection that ended before it was established."""
        self._tell(reason)

    def attempt(self, endpoint: IStreamClientEndpoint) -> Deferred[None]:
        """Connect; fires when the connection is established, or fails."""
        factory = Factory.forProtocol(lambda: self)
        factory.noisy = False
        connecting = cast("Deferred[object]", endpoint.connect(factory))
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
    """Orders servers: first the one whose connection is established first, then the others as listed."""

    log = logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    def __call__(self, servers: Sequence[RemoteServer[S]]) -> Deferred[Sequence[RemoteServer[S]]]:
        """Connect to all servers at once, until one is connected, all have failed, or PATIENCE has passed."""
        self.log.info("trying {count} servers at once", event="trying-servers", count=len(servers))

        def cancel(ordered: Deferred[Sequence[RemoteServer[S]]]) -> None:
            ordered.errback(CancelledError())
            trials.cancel()

        def finish(result: object) -> None:
            # DeferredList fires with a tuple for the first success.
            first = [servers[result[1]]] if isinstance(result, tuple) else []
            if not ordered.called:
                ordered.callback([*first, *(server for server in servers if server not in first)])

        ordered: Deferred[Sequence[RemoteServer[S]]] = Deferred(cancel)
        every = [Trial().attempt(server.endpoint) for server in servers]
        trials = DeferredList(every, fireOnOneCallback=True, consumeErrors=True)
        trials.addTimeout(PATIENCE, self._clock).addBoth(finish)
        ordered.addCallback(self._stop, every)
        return ordered

    def _stop(self, ordered: Sequence[RemoteServer[S]], every: Sequence[Deferred[None]]) -> Sequence[RemoteServer[S]]:
        for trial in every:
            trial.cancel()
        return ordered
