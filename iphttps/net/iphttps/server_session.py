"""One client's connection, as the server has it (3.2.5)."""

from __future__ import annotations

from collections import deque
from typing import Protocol, cast

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from ...core.errors import DropReason
from ...core.http.body import in_body
from ...core.ip.batch import Batch, Framer
from ...core.iphttps.clients import ClientEntry
from ...core.iphttps.request import Opened
from ...core.memory import SharedMemory
from ..explain import sentence
from ..session import Session

BUDGET = 256
"""Packets that are taken of one session in one turn of the reactor.

As many small ones as come in one read of the socket, thousands, would keep the device from being read for so long that
its queue in the kernel overflows, and with it what is for other clients. Of packets of 1280 bytes fewer come at a time.
"""


class Owner(Protocol):
    """What a session needs of its service: where packets go, and who is told of its end."""

    clock: IReactorTime
    memory: SharedMemory

    def from_client(self, entry: ClientEntry, batch: Batch) -> None: ...
    def left(self, entry: ClientEntry, sentence: str) -> None: ...


class ServerSession(Session):
    """One client's connection, as the server has it; it takes over from the request, which `answer` accepts."""

    def __init__(self, service: Owner, opened: Opened, answer: bytes) -> None:
        super().__init__(service.clock, memory=service.memory)
        self.entry: ClientEntry | None = None
        self._service = service
        self._opened: Opened | None = opened
        self._answer = answer
        self._put_off: deque[Batch] = deque()
        self._next: IDelayedCall | None = None

    def begin(self, entry: ClientEntry) -> None:
        """Be the session of this client."""
        self.entry = entry
        self.counters = entry.counters

    def attached(self) -> None:
        """Answer the request, and take what has come behind it."""
        super().attached()
        self.wire.write(self._answer)
        opened, self._opened, self._answer = self._opened, None, b""
        assert opened is not None
        self.opened(opened.rest, in_body(Framer(), opened.body))

    def deliver(self, batch: Batch) -> None:
        """Forward packets from the client (3.2.5.2.2): now, or what goes beyond its budget in later turns."""
        assert self.entry is not None
        if len(batch) <= BUDGET and not self._put_off:
            self._service.from_client(self.entry, batch)
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
            self._service.from_client(self.entry, self._put_off.popleft())
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
            self._service.from_client(self.entry, self._put_off.popleft())

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

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Have the client's state torn down (3.2.5.3)."""
        self.settle()
        self._leave(sentence(reason))
        super().connectionLost(reason)

    def _leave(self, sentence: str) -> None:
        self._drop_rest()
        if self.entry:
            entry, self.entry = self.entry, None
            self._service.left(entry, sentence)
