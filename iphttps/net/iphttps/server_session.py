"""One client's connection, as the server has it (3.2.5)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol, cast

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from ...core.admission import HandshakeLimiter
from ...core.errors import DropReason, ProtocolError
from ...core.identity import Identity
from ...core.ip.batch import Batch
from ...core.iphttps.clients import ClientEntry
from ...core.iphttps.request import Document, Opened, ServerHandshake
from ...core.memory import SharedMemory
from ...core.proxy.trusted_proxies import written
from ..explain import sentence
from ..listen.accept import PeerInfo
from ..session import Session, discard
from ..stream.producer import LAST_PIECE_TIMEOUT, PIECE, ContentProducer

BUDGET = 256
"""Packets that are taken of one session in one turn of the reactor.

As many small ones as come in one read of the socket, thousands, would keep the device from being read for so long that
its queue in the kernel overflows, and with it what is for other clients. Of packets of 1280 bytes fewer come at a time.
"""


class Owner(Protocol):
    """What a tunnel needs of the server: how to greet clients, and who is told of its life."""

    clock: IReactorTime
    day: Callable[[], float]
    handshake_deadline: float
    paths: tuple[str, ...]
    documents: tuple[Document, ...]
    name: str
    demands_identity: bool
    limiter: HandshakeLimiter[ServerSession]
    memory: SharedMemory

    def refused(self, tunnel: ServerSession, sentence: str, kind: str) -> None: ...
    def admit(self, tunnel: ServerSession) -> ClientEntry | None: ...
    def from_client(self, entry: ClientEntry, batch: Batch) -> None: ...
    def left(self, entry: ClientEntry, sentence: str) -> None: ...
    def lost(self, tunnel: ServerSession, reason: Failure) -> None: ...


class ServerSession(Session):
    """One client's connection, as the server has it."""

    def __init__(self, server: Owner, peer_info: PeerInfo) -> None:
        super().__init__(server.clock, server.handshake_deadline, server.memory)
        self.peer = peer_info.peer
        self.peer_info = peer_info
        self.address = peer_info.address
        """The client's outer address, unless a front hides it."""
        self.entry: ClientEntry | None = None
        self._server = server
        self._handshake = ServerHandshake(server.paths, server.name, server.documents)
        self._answered = False
        self._put_off: deque[Batch] = deque()
        self._next: IDelayedCall | None = None

    def head_received(self, data: bytes) -> None:
        """Read the request; answer it with 200 if the client finds room in the table (3.2.5.1)."""
        self.begun()
        try:
            opened = self._handshake.feed(data)
            if self._handshake.asked:
                self._show(self._handshake.asked)
                return
            if opened and self._server.demands_identity and not self.identity:
                raise ProtocolError("the front vouches for no client certificate", HTTPStatus.FORBIDDEN)
        except ProtocolError as error:
            self._server.refused(self, str(error), f"HTTP {error.status}")
            self.wire.write(self._handshake.refuse(error, self._server.day()))
            self._answered = True
            self.disconnect(str(error))
            return
        if opened:
            self._admit(opened)

    def begun(self) -> None:
        """Note that the client has sent something, be it of TLS or of HTTP."""
        self._server.limiter.heard(self)

    def _show(self, document: Document) -> None:
        """Give a document to who has asked for it, who has for that the time of the handshake phase."""
        self._answered = True
        self._receive = discard
        head, content = self._handshake.show(document, self._server.day())
        self.wire.write(head)
        self.wire.unregisterProducer()
        self._carrier.bufferSize = PIECE  # no more waits there for one who takes it slowly
        ContentProducer(self.wire, content, self._shown).start()

    def _shown(self) -> None:
        self.disconnect("it was given what it has asked for")
        if self._deadline and self._deadline.active():
            self._deadline.reset(LAST_PIECE_TIMEOUT)

    @property
    def identity(self) -> Identity | None:
        """Who the client is: as its certificate says, or without TLS the front that has verified one."""
        if self.tls:
            return self.tls.check.identity
        return self.peer_info.identity if self._server.demands_identity else None

    def _admit(self, opened: Opened) -> None:
        if self.peer_info.fronts and (client := self.peer_info.fronts.client(opened.forwarded_for)):
            self.peer, self.address = written(client), client
        self.entry = self._server.admit(self)
        if self.entry is None:
            # 3.2.5.1: "If the attempt fails, it MUST disconnect the client": without a 200.
            self.disconnect("not admitted")
            return
        self.counters = self.entry.counters
        self.wire.write(self._handshake.accept(self._server.day()))
        del self._handshake  # some kilobytes for each client
        self._server.limiter.remove(self)
        self.opened(opened.rest, opened.body)

    def expired(self) -> None:
        """The client did not send its request in time, or does not take what it has asked for."""
        if self._answered:
            self.wire.abortConnection()
            return
        sentence = "it sent no complete request in time"
        self._server.refused(self, sentence, "too late")
        self.disconnect(sentence)

    def give_way(self) -> None:
        """End in the middle of the handshake phase, at once, for somebody who came later."""
        sentence = "it made room for another: too many connections have not opened a session yet"
        self._server.refused(self, sentence, "too many")
        self.disconnect(sentence)
        self.wire.abortConnection()

    def deliver(self, batch: Batch) -> None:
        """Forward packets from the client (3.2.5.2.2): now, or what goes beyond its budget in later turns."""
        assert self.entry is not None
        if len(batch) <= BUDGET and not self._put_off:
            self._server.from_client(self.entry, batch)
            return
        if not self._put_off:
            self._reading.pauseProducing()
        self._put_off.extend(batch.portions(BUDGET))
        if not self._next:
            self._go_on()

    @property
    def _reading(self) -> IPushProducer:
        return cast(IPushProducer, self.transport)

    def _go_on(self) -> None:
        self._next = None
        if self.entry and self._put_off:
            self._server.from_client(self.entry, self._put_off.popleft())
        if self._put_off:
            self._next = self.clock.callLater(0, self._go_on)
        else:
            self._reading.resumeProducing()

    def _drop_rest(self) -> None:
        self._put_off.clear()
        if self._next:
            self._next.cancel()
            self._next = None

    def settle(self) -> None:
        """Forward at once what was put off: the stream, or its framing, ends here."""
        while self.entry and self._put_off:
            self._server.from_client(self.entry, self._put_off.popleft())

    def out_of_step(self, fault: DropReason) -> None:
        """End the session with the offending client, as 3.2.5.2.2 says a server SHOULD."""
        self.disconnect(f"framing is lost: {fault.value}")

    def disconnect(self, sentence: str) -> None:
        """End the session, and have the client's state torn down without waiting for the peer to hang up."""
        if self._next:
            self._drop_rest()
            self._reading.resumeProducing()  # the peer's close_notify is to be heard
        super().disconnect(sentence)
        self._leave(sentence)

    def hang_up(self) -> None:
        """Close the connection, but go on reading for a while what a refused client still sends.

        Closed while bytes are unread, TCP resets, which can destroy the answer (RFC 9112 section 9.6). TLS waits for
        the peer's close_notify anyway.
        """
        if self._answered and self.tls is None and ITCPTransport.providedBy(self.transport):
            self.wire.loseWriteConnection()
        else:
            super().hang_up()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Have the client's state torn down (3.2.5.3)."""
        self.settle()
        self._server.lost(self, reason)
        self._leave(sentence(reason))
        super().connectionLost(reason)

    def _leave(self, sentence: str) -> None:
        self._drop_rest()
        if self.entry:
            entry, self.entry = self.entry, None
            self._server.left(entry, sentence)
