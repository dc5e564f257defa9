"""The server: performs the commands of its machine, and joins tunnels, link and device (3.2)."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from random import random

from OpenSSL import SSL
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..core.clients import ClientEntry, ClientTable
from ..core.counters import Counters
from ..core.entrance import Entrance, source
from ..core.errors import ConfigError, DropReason, ProtocolError
from ..core.framing import Batch
from ..core.fronts import written
from ..core.handshake import Opened, ServerHandshake
from ..core.identity import Identity
from ..core.link import Forwarding, ServerLink
from ..core.neighbors import RETRANS_TIMER
from ..core.server import ServerCommand, ServerEvent, ServerMachine, ServerState
from .doorway import Arrival
from .explain import explain
from .interfaces import PacketDevice
from .refusals import Refusals
from .tunnel import HANDSHAKE_DEADLINE, Tunnel

SOLICITATION_INTERVAL = RETRANS_TIMER / 4
"""Seconds between two looks at what is to be solicited: often enough to keep to RETRANS_TIMER."""

_REASONS = {
    ServerEvent.DISABLE: "the server is disabled",
    ServerEvent.AUTHENTICATION: "the authentication mode is changed",
    ServerEvent.SHUTDOWN: "the server shuts down",
}

Listen = Callable[[IProtocolFactory], IListeningPort]
"""Starts to listen, TLS included, and returns the port; raises ConfigError."""


class ServerTunnel(Tunnel):
    """One client's connection, as the server has it."""

    def __init__(self, server: Server, arrival: Arrival) -> None:
        super().__init__(server.clock, server.handshake_deadline)
        self.peer = arrival.peer
        self.arrival = arrival
        self.entry: ClientEntry | None = None
        self._server = server
        self._handshake = ServerHandshake(server.paths, server.name)

    def head_received(self, data: bytes) -> None:
        """Read the request; answer it with 200 if the client finds room in the table (3.2.5.1)."""
        try:
            opened = self._handshake.feed(data)
            if opened and self._server.demands_identity and not self.identity:
                raise ProtocolError("the front vouches for no client certificate", HTTPStatus.FORBIDDEN)
        except ProtocolError as error:
            self._server.refused(self, str(error), f"HTTP {error.status}")
            self.wire.write(self._handshake.refuse(error, self.clock.seconds()))
            self.disconnect(str(error))
            return
        if opened:
            self._admit(opened)

    @property
    def identity(self) -> Identity | None:
        """Who the client is: as its certificate says, or without TLS the front that has verified one."""
        if self.tls:
            return self.tls.check.identity
        return self.arrival.identity if self._server.demands_identity else None

    def _admit(self, opened: Opened) -> None:
        if self.arrival.fronts and (client := self.arrival.fronts.client(opened.forwarded_for)):
            self.peer = written(client)
        self.entry = self._server.admit(self)
        if self.entry is None:
            # 3.2.5.1: "If the attempt fails, it MUST disconnect the client": without a 200.
            self.disconnect("not admitted")
            return
        self.counters = self.entry.counters
        self.wire.write(self._handshake.accept(self.clock.seconds()))
        self._server.entrance.leave(self)
        self.opened(opened.rest, opened.body)

    def expired(self) -> None:
        """The client did not send its request in time."""
        sentence = "it sent no complete request in time"
        self._server.refused(self, sentence, "too late")
        self.disconnect(sentence)

    def give_way(self) -> None:
        """End in the middle of the handshake phase, at once, for somebody who came later."""
        sentence = "it has waited longest, and too many others are waiting"
        self._server.refused(self, sentence, "too many")
        self.disconnect(sentence)
        self.wire.abortConnection()

    def deliver(self, batch: Batch) -> None:
        """Forward packets from the client (3.2.5.2.2)."""
        assert self.entry is not None
        self._server.from_client(self.entry, batch)

    def out_of_step(self, fault: DropReason) -> None:
        """End the session with the offending client, as 3.2.5.2.2 says a server SHOULD."""
        self.disconnect(f"framing is lost: {fault.value}")

    def disconnect(self, sentence: str) -> None:
        """End the session, and have the client's state torn down without waiting for the peer to hang up."""
        super().disconnect(sentence)
        self._leave(sentence)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Have the client's state torn down (3.2.5.3)."""
        self._server.lost(self, reason)
        self._leave(explain(reason))
        super().connectionLost(reason)

    def _leave(self, sentence: str) -> None:
        if self.entry:
            entry, self.entry = self.entry, None
            self._server.left(entry, sentence)


class Server(Factory):
    """The server as a whole. `start` enters the Listen state, `stop` the Stopped state.

    As a Twisted factory it makes a tunnel for each connection that the listening ports accept.
    """

    log = Logger()
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
        entrance: Entrance[ServerTunnel] | None = None,
        handshake_deadline: float = HANDSHAKE_DEADLINE,
    ) -> None:
        self.clock = clock
        self.paths = paths
        self.name = name
        self.entrance = entrance or Entrance()
        self.handshake_deadline = handshake_deadline
        self.demands_identity = False
        """Whether a client without TLS needs a front that vouches for its certificate."""
        self.refusals = Refusals(clock, self.log)
        self._table = table
        self._link = link
        self._device = device
        self._listen = listen
        self._machine = ServerMachine()
        self._port: IListeningPort | None = None
        self._advertisement: IDelayedCall | None = None
        self._solicitation = LoopingCall(self._solicit)
        self._solicitation.clock = clock
        self._tunnels: set[ServerTunnel] = set()
        self._closed: Deferred[None] = succeed(None)
        self.since = clock.seconds()
        """When the state began."""
        self.past = Counters()
        """What was counted for clients that have gone."""

    def handle(self, event: ServerEvent) -> None:
        """Let something happen to the server: perform what its machine says.

        Raises ConfigError if it cannot listen; then it stays in its state.
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
            self.log.info("{before} -> {after}", before=before.name, after=after.name)

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
        self._port = self._advertisement = None
        self.refusals.close()
        self._solicitation.stop()
        self._perform(self._link.farewell())

    def gone(self) -> Deferred[list[None]]:
        """Return a Deferred that fires when all connections there are now have ended, and a port given up is closed."""
        return gatherResults([self._closed, *(tunnel.ended for tunnel in self._tunnels)])

    # Connections, in the order of their life.

    def buildProtocol(self, addr: IAddress | None) -> ServerTunnel:
        """Make the tunnel for a connection just accepted."""
        arrival = Arrival.of(addr)
        tunnel = ServerTunnel(self, arrival)
        self._tunnels.add(tunnel)
        longest = self.entrance.enter(tunnel, arrival.address and source(arrival.address))
        if longest:
            longest.give_way()
        return tunnel

    def refused(self, tunnel: ServerTunnel, sentence: str, kind: str) -> None:
        """Note that a connection does not become a session, for a reason of this kind."""
        self.refusals.note(tunnel.peer, sentence, kind)

    def admit(self, tunnel: ServerTunnel) -> ClientEntry | None:
        """Try to add an entry to the Client Table; None if there is no room, or the client unwelcome (3.2.5.1)."""
        identity = tunnel.identity
        suite = tunnel.tls.suite if tunnel.tls else None
        # The lists may have changed since the handshake.
        if objection := tunnel.tls and tunnel.tls.check.objection():
            self.refused(tunnel, objection, "the certificate")
            return None
        for old in self._table.surplus(identity):
            limit = self._table.per_identity
            old.connection.disconnect(f"it came once more, and may have only {limit} sessions at a time")
        entry = self._table.add(tunnel, tunnel.peer, identity, self.clock.seconds(), suite)
        if entry is None:
            self.refused(tunnel, f"the table is full with {self._table.maximum} clients", "the table is full")
        else:
            self.log.info("{client} connected, {suite}", client=entry, suite=suite or "without TLS")
        return entry

    def end_unwelcome(self) -> None:
        """End the sessions whose certificates do not stand any more."""
        for tunnel in tuple(self._tunnels):
            if objection := tunnel.tls and tunnel.tls.check.objection():
                if not tunnel.entry:
                    self.refused(tunnel, objection, "the certificate")
                tunnel.disconnect(objection)

    def left(self, entry: ClientEntry, sentence: str) -> None:
        """Tear down the state of a client; the server stays in its state (3.2.5.3, 3.2.7.2)."""
        self._link.remove(entry)
        self.past.add(entry.counters)
        self.log.info(
            "{client} disconnected: {sentence}; {c.packets_in} packets in, {c.packets_out} out",
            client=entry,
            sentence=sentence,
            c=entry.counters,
        )

    def lost(self, tunnel: ServerTunnel, reason: Failure) -> None:
        """Forget a connection that has ended, and note if it did so because TLS refused it."""
        never_opened = not tunnel.entry and not tunnel.ending
        if never_opened and tunnel.tls and (tunnel.tls.check.failure or isinstance(reason.value, SSL.Error)):
            self.refused(tunnel, tunnel.tls.check.failure or explain(reason), "TLS")
        self.entrance.leave(tunnel)
        self._tunnels.remove(tunnel)

    # Packets.

    def from_client(self, entry: ClientEntry, batch: Batch) -> None:
        """Forward packets from a client."""
        self._perform(self._link.from_client(entry, batch, self.clock.seconds()))

    def from_host(self, batch: Batch) -> None:
        """Forward packets from the host's kernel."""
        self._perform(self._link.from_host(batch, self.clock.seconds()))

    def _solicit(self) -> None:
        self._perform(self._link.solicit(self.clock.seconds()))

    def _advertise(self) -> None:
        forwarding, interval = self._link.advertise(random(), self.clock.seconds())
        self._perform(forwarding)
        self._advertisement = self.clock.callLater(interval, self._advertise)

    def _perform(self, forwarding: Forwarding) -> None:
        if forwarding.host:
            self._device.write(forwarding.host)
        for entry, batch in forwarding.clients:
            entry.connection.send(batch)
