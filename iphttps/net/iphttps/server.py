"""The server: performs the commands of its machine, and joins tunnels, link and device (3.2)."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from random import random
from time import time
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from ...core.admission import HandshakeLimiter
from ...core.counters import Counters
from ...core.errors import ConfigError, DropReason
from ...core.ip.batch import Batch
from ...core.iphttps.clients import ClientEntry, ClientTable
from ...core.iphttps.link import Forwarding, ServerLink
from ...core.iphttps.neighbors import RETRANS_TIMER
from ...core.iphttps.request import Document
from ...core.iphttps.server import ServerCommand, ServerEvent, ServerMachine, ServerState
from ...core.memory import SharedMemory
from ...core.sources import IPAddress, Sources
from ..explain import sentence
from ..interfaces import PacketDevice
from ..listen.accept import PeerInfo
from ..listen.rejections import RejectionLog
from ..log import logger
from ..session import HANDSHAKE_DEADLINE
from ..session_lines import SessionLines
from ..session_log import TOTALS, totals
from ..stream.fanout import Fanout
from .server_session import ServerSession

SOLICITATION_INTERVAL = RETRANS_TIMER / 4
"""Seconds between two looks at what is to be solicited: often enough to keep to RETRANS_TIMER."""

_REASONS = {
    ServerEvent.DISABLE: "the server is disabled",
    ServerEvent.AUTHENTICATION: "the authentication mode is changed",
    ServerEvent.SHUTDOWN: "the server shuts down",
}

Listen = Callable[[IProtocolFactory], IListeningPort]
"""Starts to listen, TLS included, and returns the port; raises ConfigError."""


class Server(Factory):
    """The server as a whole. `start` enters the Listen state, `stop` the Stopped state.

    As a Twisted factory it makes a tunnel for each connection that the listening ports accept.
    """

    log = logger()
    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        table: ClientTable,
        link: ServerLink,
        device: PacketDevice,
        listen: Listen,
        *,
        paths: tuple[str, ...],
        name: str,
        limiter: HandshakeLimiter[ServerSession] | None = None,
        handshake_deadline: float = HANDSHAKE_DEADLINE,
        day: Callable[[], float] = time,
    ) -> None:
        self.clock = clock
        self.day = day
        """The time of day, which the Date of an answer tells; `clock` may count from anywhere."""
        self.paths = paths
        self.name = name
        self.limiter = HandshakeLimiter() if limiter is None else limiter
        self.handshake_deadline = handshake_deadline
        self.documents: tuple[Document, ...] = ()
        """What can be fetched beside the tunnel."""
        self.admitted: Callable[[ServerSession], None] = _nothing
        """Called for each session when it begins."""
        self.demands_identity = False
        """Whether a client without TLS needs a front that vouches for its certificate."""
        self.wrote: Callable[[int], None] = _nothing
        """Called with how many packets the device was given."""
        self.rejections = RejectionLog(clock, self.log)
        self.memory = SharedMemory()
        """What waits for all clients together."""
        self.sources = Sources()
        """Where clients without a certificate come from."""
        self._anonymous: dict[ClientEntry, IPAddress | None] = {}
        self._lines = SessionLines(clock, self.log)
        self._unlogged: set[ClientEntry] = set()
        self._table = table
        self._link = link
        self._device = device
        self._listen = listen
        self._machine = ServerMachine()
        self._port: IListeningPort | None = None
        self._advertisement: IDelayedCall | None = None
        self._advertising = Fanout(clock, table, _send_urgent)
        self._soliciting = Fanout(clock, table, self._solicit_holder)
        self._searching = Fanout(clock, table)
        self._multicasting = Fanout(clock, table)
        self._solicitation = LoopingCall(self._solicit)
        self._solicitation.clock = clock
        self._tunnels: set[ServerSession] = set()
        self._closed: Deferred[None] = succeed(None)
        self._next_end = inf
        self.since = clock.seconds()
        """When the state began."""
        self.past = Counters()
        """What was counted for clients that have gone."""

    def handle(self, event: ServerEvent) -> None:
        """Handle an event: perform the commands of the state machine.

        Raises:
            ConfigError: The server cannot listen; it stays in its state.
        """
        before = self._machine.state
        for command in self._machine.handle(event):
            match command:
                case ServerCommand.LISTEN:
                    self._port = self._listen_or_stay(before)
                    self._advertise()
                    self._solicitation.start(SOLICITATION_INTERVAL, now=False)
                case ServerCommand.STOP_LISTENING:
                    self._stop_listening()
                case ServerCommand.DISCONNECT_ALL:
                    for tunnel in tuple(self._tunnels):
                        tunnel.disconnect(_REASONS[event])
        after = self._machine.state
        if after is not before:
            self.since = self.clock.seconds()
            self.log.info("{before} -> {after}", event="state-changed", before=before.name, after=after.name)

    @property
    def state(self) -> ServerState:
        """The state of 3.2.1."""
        return self._machine.state

    @property
    def table(self) -> ClientTable:
        """The Client Table (3.2.1)."""
        return self._table

    def _listen_or_stay(self, before: ServerState) -> IListeningPort:
        try:
            return self._listen(self)
        except ConfigError:
            self._machine.state = before
            raise

    def _stop_listening(self) -> None:
        if self._port:
            self._closed = self._port.stopListening() or succeed(None)
        if self._advertisement:
            self._advertisement.cancel()
        self._advertising.stop()
        self._soliciting.stop()
        self._searching.stop()
        self._multicasting.stop()
        self._port = self._advertisement = None
        self.rejections.close()
        self._lines.close()
        self._solicitation.stop()
        farewell = self._link.farewell().everyone
        for entry in self._table if farewell else ():
            entry.connection.send(farewell)  # at once: the connections end

    def limit(
        self, clients: int, sessions: int, handshakes: int, handshakes_per_source: int, handshake_deadline: float
    ) -> None:
        """Have other limits from now on; no session ends by it."""
        self._table.maximum, self._table.per_identity = clients, sessions
        self.limiter.limit(handshakes, handshakes_per_source)
        self.handshake_deadline = handshake_deadline

    def gone(self) -> Deferred[list[None]]:
        """Return a Deferred that fires when all connections there are now have ended, and a port given up is closed."""
        gone = gatherResults([self._closed, *(tunnel.ended for tunnel in self._tunnels)])
        return gone.addCallback(self._told)

    def _told(self, result: list[None]) -> list[None]:
        # Connections that ended last can have been refused after the port was closed.
        if self._port is None:
            self.rejections.close()
            self._lines.close()
        return result

    # Connections, in the order of their life.

    def buildProtocol(self, addr: IAddress | None) -> ServerSession:
        """Make the tunnel for a connection just accepted."""
        peer_info = PeerInfo.of(addr)
        tunnel = ServerSession(self, peer_info)
        self._tunnels.add(tunnel)
        displaced = self.limiter.add(tunnel, peer_info.address)
        if displaced:
            displaced.give_way()
        return tunnel

    def refused(self, tunnel: ServerSession, sentence: str, kind: str) -> None:
        """Note that a connection does not become a session, for a reason of this kind."""
        self.rejections.note(tunnel.peer, sentence, kind)

    def admit(self, tunnel: ServerSession) -> ClientEntry | None:
        """Try to add an entry to the Client Table; None if there is no room, or the client unwelcome (3.2.5.1)."""
        identity = tunnel.identity
        suite = tunnel.tls.suite if tunnel.tls else None
        # The lists may have changed since the handshake.
        if objection := tunnel.tls and tunnel.tls.objection():
            self.refused(tunnel, objection, "the certificate")
            return None
        for old in self._table.surplus(identity):
            limit = self._table.per_identity
            old.connection.disconnect(f"it came once more, and may have only {limit} sessions at a time")
        if identity is None and (source := self.sources.full(tunnel.address)):
            self.refused(
                tunnel, f"{source} has as many sessions as --max-sessions-per-source lets it", "too many sessions"
            )
            return None
        entry = self._table.add(tunnel, tunnel.peer, identity, self.clock.seconds(), suite)
        if entry is None:
            self.refused(tunnel, f"the table is full with {self._table.maximum} clients", "the table is full")
            return None
        if identity is None:
            self.sources.add(tunnel.address)
            self._anonymous[entry] = tunnel.address
        if tunnel.tls:
            self._next_end = min(self._next_end, tunnel.tls.check.until)
        if self._lines.wanted(tunnel.address, identity):
            said = suite or "without TLS"
            self.log.info("{who} connected, {suite}", event="session-opened", suite=said, **_named(entry))
        else:
            self._unlogged.add(entry)
        self.admitted(tunnel)
        return entry

    def end_unwelcome(self) -> None:
        """End the sessions whose certificates do not stand any more."""
        for tunnel in tuple(self._tunnels):
            if objection := tunnel.tls and tunnel.tls.objection():
                if not tunnel.entry:
                    self.refused(tunnel, objection, "the certificate")
                tunnel.disconnect(objection)

    def end_overdue(self, now: float) -> None:
        """End the sessions whose certificates have expired, if it is time for the first of them."""
        if now > self._next_end:
            self.end_unwelcome()
            self._next_end = min((tunnel.tls.check.until for tunnel in self._tunnels if tunnel.tls), default=inf)

    def left(self, entry: ClientEntry, sentence: str) -> None:
        """Tear down the state of a client; the server stays in its state (3.2.5.3, 3.2.7.2)."""
        self._link.remove(entry)
        self.past.add(entry.counters)
        if entry in self._anonymous:
            self.sources.remove(self._anonymous.pop(entry))
        if entry in self._unlogged:
            self._unlogged.remove(entry)
            return
        self.log.info(
            "{who} disconnected: {reason}; " + TOTALS,
            event="session-ended",
            reason=sentence,
            suite=entry.suite,
            **_named(entry),
            **totals(entry.counters, entry.since, self.clock.seconds()),
        )

    def lost(self, tunnel: ServerSession, reason: Failure) -> None:
        """Forget a connection that has ended, and note if it did so because TLS refused it."""
        never_opened = not tunnel.entry and not tunnel.ending
        if never_opened and tunnel.tls and (tunnel.tls.check.failure or isinstance(reason.value, SSL.Error)):
            self.refused(tunnel, tunnel.tls.check.failure or sentence(reason), "TLS")
        self.limiter.remove(tunnel)
        self._tunnels.remove(tunnel)

    # Packets.

    def from_client(self, entry: ClientEntry, batch: Batch) -> None:
        """Forward packets from a client."""
        self._perform(self._link.from_client(entry, batch, self.clock.seconds()), entry)

    def from_host(self, batch: Batch) -> int:
        """Forward packets from the host's kernel; returns to how many clients."""
        forwarding = self._link.from_host(batch, self.clock.seconds())
        self._perform(forwarding)
        return len(forwarding.clients)

    def advertise(self) -> None:
        """Tell all clients at once what has changed about the link, if the server listens."""
        if self._advertisement:
            self._advertisement.cancel()
            self._advertise()

    def _solicit(self) -> None:
        forwarding = self._link.solicit(self.clock.seconds())
        self._soliciting.send(forwarding.own)
        self._send_to_all(self._searching, forwarding.everyone)

    def _solicit_holder(self, entry: ClientEntry, batch: Batch) -> None:
        if not entry.connection.send_urgent(batch):
            self._link.not_solicited(batch)

    def _advertise(self) -> None:
        forwarding, interval = self._link.advertise(random(), self.clock.seconds())
        self._advertising.stop()
        self._send_to_all(self._advertising, forwarding.everyone)
        self._advertisement = self.clock.callLater(interval, self._advertise)

    def _perform(self, forwarding: Forwarding, origin: ClientEntry | None = None) -> None:
        if forwarding.host:
            self._device.write(forwarding.host)
            self.wrote(len(forwarding.host))
        for entry, batch in forwarding.own:
            entry.connection.send_urgent(batch)
        for entry, batch in forwarding.clients:
            entry.connection.send(batch)
        if forwarding.everyone:
            self._send_to_all(self._multicasting, forwarding.everyone, origin)

    def _send_to_all(self, spread: Fanout, batch: Batch, origin: ClientEntry | None = None) -> None:
        if batch and not spread.send_to_all(batch, origin):
            counters = origin.counters if origin else self._link.counters
            counters.dropped(DropReason.TOO_MUCH, len(batch))


def _send_urgent(entry: ClientEntry, batch: Batch) -> None:
    entry.connection.send_urgent(batch)


def _named(entry: ClientEntry) -> dict[str, Any]:
    """Return the fields that say who a client is."""
    identity = entry.identity and str(entry.identity)
    return {"who": str(entry), "client": entry.number, "identity": identity, "peer": entry.peer}


def _nothing(what: object) -> None:
    """Nobody wants to hear of it."""
