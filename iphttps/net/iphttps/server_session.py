"""The server's session with one client (3.2.5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from ...core.errors import DropReason
from ...core.http.body import in_body
from ...core.ip.batch import Batch, Framer
from ...core.iphttps.clients import ClientEntry
from ...core.iphttps.request import Opened
from ...core.queues.memory import SharedMemory
from ..explain import sentence
from ..paced import BUDGET, PacedSession
from ..stream import compiled
from ..stream.read_scheduler import ReadScheduler


class Owner(Protocol):
    """The interface of the service used by a session."""

    clock: IReactorTime
    memory: SharedMemory
    reads: ReadScheduler

    def from_client(self, entry: ClientEntry, batch: Batch) -> None: ...
    def left(self, entry: ClientEntry, sentence: str) -> None: ...


class ServerSession(PacedSession):
    """The server's session with one client; it takes over the connection from the request and sends `answer`."""

    def __init__(self, service: Owner, opened: Opened, answer: bytes) -> None:
        super().__init__(service.clock, service.memory, service.reads)
        self.entry: ClientEntry | None = None
        self._service = service
        self._opened: Opened | None = opened
        self._answer = answer

    def begin(self, entry: ClientEntry) -> None:
        """Set the client of this session."""
        self.entry = entry
        self.counters = entry.counters

    def attached(self) -> None:
        """Send the response, and process data that followed the request."""
        super().attached()
        self.wire.write(self._answer)
        opened, self._opened, self._answer = self._opened, None, b""
        assert opened is not None
        self.opened(opened.rest, in_body(Framer(compiled.LOOPS), opened.body))

    def deliver(self, batch: Batch) -> None:
        """Forward packets from the client (3.2.5.2.2): up to BUDGET now, the rest in its next turns."""
        assert self.entry is not None
        self.packets += len(batch)
        if self.rate is not None:
            self.rate.received(len(batch.data))
        if len(batch) <= BUDGET and not self._put_off:
            self._service.from_client(self.entry, batch)
            return
        self.work(self._forward(batch))

    def _forward(self, batch: Batch) -> Iterator[int]:
        for portion in batch.portions(BUDGET):
            if self.entry:
                self._service.from_client(self.entry, portion)
            yield len(portion)

    def out_of_step(self, fault: DropReason) -> None:
        """End the session with the offending client, as a server SHOULD (3.2.5.2.2)."""
        self.disconnect(f"framing is lost: {fault.value}")

    def disconnect(self, sentence: str) -> None:
        """End the session, and tear down the client's state without waiting for the peer to close."""
        super().disconnect(sentence)
        self._leave(sentence)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tear down the client's state (3.2.5.3)."""
        self.settle()
        self._leave(sentence(reason, "client"))
        super().connectionLost(reason)

    def _leave(self, sentence: str) -> None:
        self.drop_work()
        if self.entry:
            entry, self.entry = self.entry, None
            self._service.left(entry, sentence)
