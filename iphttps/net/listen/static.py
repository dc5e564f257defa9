"""A listener for plain HTTP from which documents can be fetched, and nothing else be had (RFC 5280 section 4.2.1.13).

A connection carries one request and lives for `DEADLINE` seconds at most; of one source there are few, and of too many
together the oldest goes. What is read is a head of bounded size; what is written goes out in pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import cast

from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure

from ...core.admission import HandshakeLimiter
from ...core.errors import ProtocolError
from ...core.iphttps.request import Document, ServerHandshake
from ..log import logger
from ..session import Wire
from ..stream.producer import ContentProducer
from .accept import PeerInfo
from .rejections import RejectionLog

CONNECTIONS = 128
PER_SOURCE = 8
"""Connections at a time, in all and of one IPv4 address or IPv6 /64."""

DEADLINE = 20.0
"""Seconds from a connection's begin to its end, the answer taken."""


class StaticServer(ServerFactory):
    """Makes the connections; `documents` are what can be fetched now."""

    noisy = False
    log = logger()

    def __init__(self, clock: IReactorTime, name: str, day: Callable[[], float] = time) -> None:
        self.clock = clock
        self.day = day
        self.name = name
        self.documents: tuple[Document, ...] = ()
        self.limiter: HandshakeLimiter[StaticRequest] = HandshakeLimiter(CONNECTIONS, PER_SOURCE)
        self.rejections = RejectionLog(clock, self.log)

    def buildProtocol(self, addr: IAddress | None) -> StaticRequest:
        """Make what speaks to one who has just connected."""
        peer_info = PeerInfo.of(addr)
        fetching = StaticRequest(self, peer_info.peer)
        displaced = self.limiter.add(fetching, peer_info.address)
        if displaced:
            displaced.give_way()
        return fetching

    def doStop(self) -> None:
        """The port is closed: end all connections."""
        self.rejections.close()
        for fetching in self.limiter:
            fetching.abort()


class StaticRequest(Protocol):
    """One connection, with one request."""

    def __init__(self, publication: StaticServer, peer: str) -> None:
        self._publication = publication
        self._peer = peer
        self._handshake = ServerHandshake((), publication.name, publication.documents)
        self._answered = False
        self._deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Begin to count the time."""
        self._deadline = self._publication.clock.callLater(DEADLINE, self.abort)

    def dataReceived(self, data: bytes) -> None:
        """Read the request, and answer it; what comes after it is of no interest."""
        if self._answered:
            return
        self._publication.limiter.heard(self)
        now = self._publication.day()
        try:
            self._handshake.feed(data)
        except ProtocolError as error:
            self._publication.rejections.note(
                self._peer, str(error), f"HTTP {error.status}, where documents are published"
            )
            self._answer(self._handshake.refuse(error, now), b"")
            return
        if asked := self._handshake.asked:
            self._answer(*self._handshake.show(asked, now))

    def _answer(self, head: bytes, content: bytes) -> None:
        self._answered = True
        self._wire.write(head)
        ContentProducer(self._wire, content, self._close).start()

    def _close(self) -> None:
        self._wire.unregisterProducer()
        # Closed while bytes are unread, TCP resets, which can destroy the answer (RFC 9112 section 9.6).
        self._wire.loseWriteConnection()

    @property
    def _wire(self) -> Wire:
        return cast(Wire, self.transport)

    def give_way(self) -> None:
        """End at once, for somebody who came later."""
        self.abort()

    def abort(self) -> None:
        """End the connection at once."""
        self._wire.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget the connection."""
        self._publication.limiter.remove(self)
        if self._deadline and self._deadline.active():
            self._deadline.cancel()
