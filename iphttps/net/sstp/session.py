"""The server's session with one SSTP client ([MS-SSTP] 3.3): the call, its timer and its packets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from ...core.errors import DropReason
from ...core.ip.batch import Batch
from ...core.queues.memory import SharedMemory
from ...core.sstp.call import Call, Command, Drop
from ...core.sstp.codec import SSTPCodec
from ...core.sstp.ppp.frame import ProtocolNumber
from ...core.sstp.ppp.server import Credentials, IPv4Up, IPv6Up, NetworkDown
from ...core.sstp.sessions import SessionEntry
from ..explain import sentence
from ..log import logger
from ..paced import BUDGET, PacedSession
from ..stream import compiled
from ..stream.read_scheduler import ReadScheduler
from .login import Denied, Granted

__all__ = ["MOST_OWED", "SHUTDOWN", "SSTPSession"]

SHUTDOWN = 2.0
"""Seconds to wait for Call Disconnect Ack while the server shuts down, instead of the 5 of [MS-SSTP]."""

MOST_OWED = 64 * 1024
"""Maximum bytes of answers queued for a congested client; beyond it, the client is disconnected.

Data for a congested client is dropped, but answers to its Echo-Requests and Configure-Requests would accumulate.
"""

Up = IPv4Up | IPv6Up | NetworkDown


class Owner(Protocol):
    """The interface of the service used by a session."""

    clock: IReactorTime
    memory: SharedMemory
    reads: ReadScheduler
    stopping: bool

    def login(self, entry: SessionEntry, credentials: Credentials) -> Deferred[Granted | Denied]: ...
    def decided(self, entry: SessionEntry, call: Call, verdict: Granted | Denied) -> list[Command]: ...
    def connected(self, entry: SessionEntry) -> None: ...
    def network(self, entry: SessionEntry, change: Up) -> str | None: ...
    def released(self, entry: SessionEntry) -> None: ...
    def from_client(self, entry: SessionEntry, batch: Batch) -> None: ...
    def left(self, entry: SessionEntry, sentence: str) -> None: ...


class SSTPSession(PacedSession):
    """The server's session with one client; it takes over the connection from the request and sends `answer`."""

    log = logger()
    entry: SessionEntry | None = None

    def __init__(self, service: Owner, call: Call, answer: bytes, rest: bytes) -> None:
        super().__init__(service.clock, service.memory, service.reads)
        self.call = call
        self._service = service
        self._answer = answer
        self._rest = rest
        self._packets = SSTPCodec(compiled.LOOPS)
        self._timer: IDelayedCall | None = None
        self._last_moment: IDelayedCall | None = None
        self._login: Deferred[None] | None = None
        self._changes: dict[int, Up] = {}
        self._answers: list[bytes] = []
        self._owed = 0
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

    # From the client.

    def _packets_received(self, data: bytes) -> None:
        if self._put_off:
            self.work(self._fed(data))  # after the queued work
            return
        codec = self._packets
        batch = codec.feed(data)
        self.packets += len(batch)
        if len(batch) <= BUDGET and not (codec.control or codec.end or codec.drops):
            self._forward(batch)
        else:
            self.work(self._process(batch))

    def _fed(self, data: bytes) -> Iterator[int]:
        yield from self._process(self._packets.feed(data))

    def _process(self, batch: Batch) -> Iterator[int]:
        """Forward packets and act on what stands between them, in the order of arrival."""
        codec = self._packets
        while True:
            self._count_drops()
            for portion in batch.portions(BUDGET):
                self._forward(portion)
                yield len(portion)
            items, codec.control = codec.control, []
            for item in items:
                self._perform(self.call.receive(item, self.clock.seconds()))
                yield 1
            if not codec.pending:
                break
            batch = codec.feed(b"")
        if codec.end:
            self._perform(self.call.lost_step(self.clock.seconds()))

    def _forward(self, batch: Batch) -> None:
        if batch and self.entry:
            if self.rate is not None:
                self.rate.received(len(batch.data))
            if self.call.data_passes:
                self.call.heard(self.clock.seconds())
                self._service.from_client(self.entry, batch)
            else:  # the packets were delayed, and the call has ended meanwhile
                self.counters.dropped(DropReason.NOT_CONNECTED, len(batch))

    def _count_drops(self) -> None:
        drops = self._packets.drops
        for reason, number in drops.items():
            self.counters.dropped(reason, number)
        drops.clear()

    def _work_off(self) -> None:
        super()._work_off()
        self._flush()
        self._arm()

    # The commands of the call.

    def _perform(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case bytes():
                    self._answers.append(command)
                case Drop(words):
                    self._close(words)
                case IPv4Up():
                    self._changes[ProtocolNumber.IPCP] = command
                case IPv6Up():
                    self._changes[ProtocolNumber.IPV6CP] = command
                case NetworkDown(protocol):
                    self._changes[protocol] = command
                case _:
                    self._ask(command)
        self._settle_call()

    def _settle_call(self) -> None:
        """Report changes of the call to the service, and of its network layer once data passes (3.3.7.2)."""
        self._packets.data_passes = self.call.data_passes
        if not self.entry:
            return
        if self.call.ends:
            self._forget_login()
            self._service.released(self.entry)
            return
        if not self.call.data_passes:
            return
        if not self._established:
            self._established = True
            self.entry.mtu = self.call.ppp.lcp.peer_mru
            self._packets.compress(address_and_control=self.call.ppp.lcp.acfc, protocol=self.call.ppp.lcp.pfc)
            self._service.connected(self.entry)
        changes, self._changes = self._changes, {}
        for change in changes.values():
            objection = self._service.network(self.entry, change)
            if objection:
                self.disconnect(objection)
                return

    def _ask(self, credentials: Credentials) -> None:
        """Have credentials checked; cancel an earlier check from before a renegotiation of the link."""
        if self.entry:
            self._forget_login()
            checked = self._service.login(self.entry, credentials).addCallback(self._decided)
            if not checked.called:
                self._login = checked
            checked.addErrback(self._undecided)

    def _decided(self, verdict: Granted | Denied) -> None:
        self._login = None
        if self.entry:
            self._perform(self._service.decided(self.entry, self.call, verdict))
            self._flush()
            self._arm()

    def _undecided(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            self.log.failure("a login could not be checked", failure, event="bug")
            self.disconnect("the login could not be checked")

    def _forget_login(self) -> None:
        login, self._login = self._login, None
        if login:
            login.cancel()

    def _arm(self) -> None:
        """Set the timer to the call's deadline; one that runs earlier is kept and set again when it fires."""
        deadline = self.call.deadline
        if deadline is None or not self.entry:
            return
        wait = max(deadline - self.clock.seconds(), 0.0)
        if self._timer and self._timer.active():
            if self._timer.getTime() > deadline:
                self._timer.reset(wait)
        else:
            self._timer = self.clock.callLater(wait, self._expired)

    def _expired(self) -> None:
        self._perform(self.call.expired(self.clock.seconds()))
        self._flush()
        self._arm()

    # To the client.

    def send(self, batch: Batch) -> None:
        """Send whole packets while data passes (3.3.7.1), after the answers queued before them."""
        if self.call.data_passes:
            self._flush()
            super().send(batch)

    def _flush(self) -> None:
        if self._answers and not self.ending:
            answers = b"".join(self._answers)
            self._answers.clear()
            if self.congested:
                self._owed += len(answers)
                if self._owed > MOST_OWED:
                    self._close("it does not read its answers")
                    return
            self.wire.write(answers)

    def resumeProducing(self) -> None:
        """Leave congestion; queued data of a call that has ended meanwhile is discarded (3.3.7.1)."""
        self._owed = 0
        if self.call.ends:
            self.counters.dropped(DropReason.NOT_CONNECTED, self.backlog.clear())
        super().resumeProducing()

    # The end.

    def disconnect(self, sentence: str) -> None:
        """Disconnect the call for this reason; the connection ends once the client acknowledges ([MS-SSTP] 3.3.4)."""
        if self.ending or self.ended.called:
            return
        self._perform(self.call.disconnect(sentence, self.clock.seconds()))
        self._flush()
        self._arm()
        if self._service.stopping and not self._last_moment:
            self._last_moment = self.clock.callLater(SHUTDOWN, self._close, sentence)

    def give_way(self, sentence: str) -> None:
        """End the call for this reason, and the connection without waiting for the client."""
        self._perform(self.call.disconnect(sentence, self.clock.seconds()))
        self._close(sentence)

    def _close(self, sentence: str) -> None:
        self._flush()
        super().disconnect(sentence)
        self._leave(sentence)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tear down the client's state after the loss of the connection ([MS-SSTP] 3.1.7.2)."""
        self.settle()
        words = self.call.ending if self.call.ends else sentence(reason)
        self._perform(self.call.lost(self.clock.seconds()))
        self._leave(words)
        super().connectionLost(reason)

    def _leave(self, sentence: str) -> None:
        for timer in (self._timer, self._last_moment):
            if timer and timer.active():
                timer.cancel()
        self._timer = self._last_moment = None
        self._forget_login()
        self.drop_work()
        self._answers.clear()
        if self.entry:
            entry, self.entry = self.entry, None
            self._service.left(entry, sentence)
