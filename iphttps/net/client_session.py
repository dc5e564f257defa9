"""The part of the client's session with a server that all protocols have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from ..core.errors import DropReason
from ..core.failure import FailureReason, Stage
from ..core.ip.batch import Batch
from .explain import TIMED_OUT, explain_end
from .session import Session

__all__ = ["ClientSession", "Owner"]


class Owner(Protocol):
    """The interface of the client used by a session."""

    clock: IReactorTime

    def connected(self, tunnel: ClientSession) -> None: ...
    def answered(self, tunnel: ClientSession) -> None: ...
    def responded(self, tunnel: ClientSession) -> None: ...
    def renumbered(self, tunnel: ClientSession) -> None: ...
    def failed(self, tunnel: ClientSession, trouble: FailureReason) -> None: ...
    def from_server(self, batch: Batch) -> None: ...


class ClientSession(Session):
    """One connection to the server; it reports its end to the client once, through `failed`.

    Subclasses implement `request` and `head_received`. `unanswered` is the sentence for a server that closes the
    connection without an answer; None selects the sentence for IP-HTTPS.
    """

    unanswered: str | None = None

    def __init__(self, client: Owner, handshake_deadline: float) -> None:
        super().__init__(client.clock, handshake_deadline)
        self._client = client
        self._stage = Stage.TLS
        self._answered = False
        self._trouble: FailureReason | None = None
        self._code: str | None = None
        """The error that Windows shows for a connection that ends without a reason."""

    @property
    def stage(self) -> Stage:
        """The current stage of the attempt."""
        return self._stage

    def established(self) -> None:
        """Report that the HTTPS connection is established (3.1.5.1)."""
        super().established()
        self._stage = Stage.HTTP
        self._client.connected(self)

    def request(self) -> None:
        """Send the request (3.1.5.2). Abstract."""
        raise NotImplementedError

    def expired(self) -> None:
        """End the connection: the server did not open the session in time."""
        sentence = f"the server did not open the session within {self.handshake_deadline:.0f} seconds"
        self._trouble = FailureReason(self._stage, sentence, TIMED_OUT)
        self.disconnect(sentence)

    def deliver(self, batch: Batch) -> None:
        """Hand packets from the server to the kernel (3.1.5.3)."""
        self.counters.received(len(batch), len(batch.data))
        self._client.from_server(batch)

    def out_of_step(self, fault: DropReason) -> None:
        """End a connection whose framing is lost; the client reconnects."""
        self.disconnect(f"framing is lost: {fault.value}")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Report the end of the connection with its first known cause (3.1.5.4)."""
        super().connectionLost(reason)
        trouble = explain_end(reason, self.tls, self._stage, answered=self._answered, unanswered=self.unanswered)
        # A certificate failure is the cause of any other error.
        if trouble.stage is not Stage.CERTIFICATE and (self._trouble or self.ending):
            trouble = self._trouble or FailureReason(self._stage, str(self.ending))
        self._client.failed(self, replace(trouble, code=trouble.code or self._code))
