"""One SSTP client's connection ([MS-SSTP] 3.3): the call, its timer, and the packets in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from ...core.ip.batch import Batch
from ...core.memory import SharedMemory
from ...core.sstp.call import Call, Command, Drop
from ...core.sstp.codec import SSTPCodec
from ...core.sstp.ppp.server import Credentials, IPv4Up, IPv6Up, NetworkDown
from ...core.sstp.sessions import SessionEntry
from ..explain import sentence
from ..session import Session
from .login import Denied, Granted

__all__ = ["SSTPSession"]

SHUTDOWN = 2.0
"""Seconds that a client has to acknowledge a disconnect while the server shuts down; otherwise [MS-SSTP] gives it 5."""

Up = IPv4Up | IPv6Up | NetworkDown


class Owner(Protocol):
    """The interface of the service used by a session."""

    clock: IReactorTime
    memory: SharedMemory
    stopping: bool

    def login(self, entry: SessionEntry, credentials: Credentials) -> Deferred[Granted | Denied]: ...
    def decided(self, entry: SessionEntry, call: Call, verdict: Granted | Denied) -> list[Command]: ...
    def connected(self, entry: SessionEntry) -> None: ...
    def network(self, entry: SessionEntry, change: Up) -> str | None: ...
    def from_client(self, entry: SessionEntry, batch: Batch) -> None: ...
    def left(self, entry: SessionEntry, sentence: str) -> None: ...


class SSTPSession(Session):
    """The server's session with one client; it takes over the connection from the request and sends `answer`."""

    entry: SessionEntry | None = None

    def __init__(self, service: Owner, call: Call, answer: bytes, rest: bytes) -> None:
        super().__init__(service.clock, memory=service.memory)
        self.call = call
        self._service = service
        self._answer = answer
        self._rest = rest
        self._packets = SSTPCodec()
        self._timer: IDelayedCall | None = None
        self._changes: list[Up] = []
        self._established = False

    def begin(self, entry: SessionEntry) -> None:
        """Set the entry of this session."""
        self.entry = entry
        self.counters = entry.counters

    def attached(self) -> None:
        """Send the response, and process data that followed the request."""
        super().attached()
        self.wire.write(self._answer)
        rest, self._answer, self._rest = self._rest, b"", b""
        self._perform(self.call.start(self.clock.seconds()))
        self._arm()
        self.opened(rest, self._packets)

    def _packets_received(self, data: bytes) -> None:
        codec, now = self._packets, self.clock.seconds()
        batch = codec.feed(data)
        self.call.heard(now)
        while True:
            if batch and self.entry:
                self._service.from_client(self.entry, batch)
            items, codec.control = codec.control, []
            for item in items:
                self._perform(self.call.receive(item, now))
                codec.data_passes = self.call.data_passes
            if not codec.pending:
                break
            batch = codec.feed(b"")
        if codec.end:
            self._perform(self.call.lost_step(now))
        self._count_drops()
        if self.entry:
            self._arm()

    def _count_drops(self) -> None:
        codec = self._packets
        if codec.drops:
            for reason, number in codec.drops.items():
                self.counters.dropped(reason, number)
            codec.drops.clear()

    def _perform(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case bytes():
                    self.wire.write(command)
                case Drop(words):
                    self._close(words)
                case IPv4Up() | IPv6Up() | NetworkDown():
                    self._changes.append(command)
                case _ if self.entry:
                    self._service.login(self.entry, command).addCallback(self._decided)
        self._settle()

    def _settle(self) -> None:
        """Tell the service what has changed about the network layer, once data passes ([MS-SSTP] 3.3.7.2)."""
        self._packets.data_passes = self.call.data_passes
        if not self.call.data_passes or not self.entry:
            return
        if not self._established:
            self._established = True
            self._packets.compress(address_and_control=self.call.ppp.lcp.acfc, protocol=self.call.ppp.lcp.pfc)
            self._service.connected(self.entry)
        changes, self._changes = self._changes, []
        for change in changes:
            objection = self._service.network(self.entry, change)
            if objection:
                self.disconnect(objection)
                return

    def _decided(self, verdict: Granted | Denied) -> None:
        if self.entry:
            self._perform(self._service.decided(self.entry, self.call, verdict))
            self._arm()

    def _arm(self) -> None:
        """Have the timer run at the call's deadline, or earlier: then it is set again."""
        deadline = self.call.deadline
        if deadline is None:
            return
        wait = max(deadline - self.clock.seconds(), 0.0)
        if self._timer and self._timer.active():
            if self._timer.getTime() > deadline:
                self._timer.reset(wait)
        else:
            self._timer = self.clock.callLater(wait, self._expired)

    def _expired(self) -> None:
        self._perform(self.call.expired(self.clock.seconds()))
        if self.entry:
            self._arm()

    def disconnect(self, sentence: str) -> None:
        """End the call for this reason, and the connection once the client has acknowledged that ([MS-SSTP] 3.3.4)."""
        if self.ending or self.ended.called:
            return
        self._perform(self.call.disconnect(sentence, self.clock.seconds()))
        if self.entry:
            self._arm()
            if self._service.stopping:
                self.clock.callLater(SHUTDOWN, self._close, sentence)

    def _close(self, sentence: str) -> None:
        super().disconnect(sentence)
        self._leave(sentence)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tear down the client's state: the connection is gone ([MS-SSTP] 3.1.7.2)."""
        self._perform(self.call.lost(self.clock.seconds()))
        self._leave(sentence(reason))
        super().connectionLost(reason)

    def _leave(self, sentence: str) -> None:
        if self._timer and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if self.entry:
            entry, self.entry = self.entry, None
            self._service.left(entry, sentence)
