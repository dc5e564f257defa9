"""The server's session with one client (3.2.5)."""

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
"""Maximum number of packets forwarded from one session in one turn of the reactor.

One read of the socket can contain thousands of small packets. Forwarding them all at once would delay reading the
device until its queue in the kernel overflows, and packets for other clients are lost. Packets of 1280 bytes do not
reach this limit.
"""


class Owner(Protocol):
    """The interface of the service used by a session."""

    clock: IReactorTime
    memory: SharedMemory

    def from_client(self, entry: ClientEntry, batch: Batch) -> None: ...
    def left(self, entry: ClientEntry, sentence: str) -> None: ...


class ServerSession(Session):
    """The server's session with one client; it takes over the connection from the request and sends `answer`."""

    def __init__(self, service: Owner, opened: Opened, answer: bytes) -> None:
        super().__init__(service.clock, memory=service.memory)
        self.entry: ClientEntry | None = None
        self._service = service
        self._opened: Opened | None = opened
        self._answer = answer
        self._put_off: deque[Batch] = deque()
        self._next: IDelayedCall | None = None

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
        self.opened(opened.rest, in_body(Framer(), opened.body))

    def deliver(self, batch: Batch) -> None:
        """Forward packets from the client (3.2.5.2.2): up to BUDGET now, the rest in later turns of the reactor."""
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
        """Forward deferred packets now: the stream has ended, or its framing is lost."""
        while self.entry and self._put_off:
            self._service.from_client(self.entry, self._put_off.popleft())

    def out_of_step(self, fault: DropReason) -> None:
        """End the session with the offending client, as a server SHOULD (3.2.5.2.2)."""
        self.disconnect(f"framing is lost: {fault.value}")

    def disconnect(self, sentence: str) -> None:
        """End the session, and tear down the client's state without waiting for the peer to close."""
        if self._next:
            self._drop_rest()
            self._reading.resumeProducing()  # to receive the peer's close_notify
        super().disconnect(sentence)
        self._leave(sentence)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tear down the client's state (3.2.5.3)."""
        self.settle()
        self._leave(sentence(reason, "client"))
        super().connectionLost(reason)

    def _leave(self, sentence: str) -> None:
        self._drop_rest()
        if self.entry:
            entry, self.entry = self.entry, None
            self._service.left(entry, sentence)
