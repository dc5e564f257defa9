"""The server: performs the commands of its machine, and joins tunnels, link and device (3.2)."""

from __future__ import annotations

from collections.abc import Callable
from random import random

from OpenSSL import SSL
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..core.clients import ClientEntry, ClientTable
from ..core.errors import DropReason, ProtocolError
from ..core.framing import Batch
from ..core.handshake import Opened, ServerHandshake
from ..core.link import Forwarding, ServerLink
from ..core.server import ServerCommand, ServerEvent, ServerMachine
from .explain import explain
from .interfaces import PacketDevice
from .tunnel import Tunnel

_REASONS = {
    ServerEvent.DISABLE: "the server is disabled",
    ServerEvent.AUTHENTICATION: "the authentication mode is changed",
    ServerEvent.SHUTDOWN: "the server shuts down",
}

Listen = Callable[[IProtocolFactory], IListeningPort]
"""Starts to listen, TLS included, and returns the port; raises ConfigError."""


class ServerTunnel(Tunnel):
    """One client's connection, as the server has it."""

    def __init__(self, server: Server, peer: str) -> None:
        super().__init__(server.clock)
        self.peer = peer
        self.entry: ClientEntry | None = None
        self._server = server
        self._handshake = ServerHandshake(server.paths, server.name)

    def head_received(self, data: bytes) -> None:
        """Read the request; answer it with 200 if the client finds room in the table (3.2.5.1)."""
        try:
            opened = self._handshake.feed(data)
        except ProtocolError as error:
            self._server.refused(self, str(error))
            self.wire.write(self._handshake.refuse(error, self.clock.seconds()))
            self.disconnect(str(error))
            return
        if opened:
            self._admit(opened)

    def _admit(self, opened: Opened) -> None:
        self.entry = self._server.admit(self, self.tls.identity() if self.tls else None)
        if self.entry is None:
            # 3.2.5.1: "If the attempt fails, it MUST disconnect the client": without a 200.
            self.disconnect("the table is full")
            return
        self.counters = self.entry.counters
        self.wire.write(self._handshake.accept(self.clock.seconds()))
        self.opened(opened.rest)

    def expired(self) -> None:
        """The client did not send its request in time."""
        sentence = "it sent no complete request in time"
        self._server.refused(self, sentence)
        self.disconnect(sentence)

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
    ) -> None:
        self.clock = clock
        self.paths = paths
        self.name = name
        self._table = table
        self._link = link
        self._device = device
        self._listen = listen
        self._machine = ServerMachine()
        self._port: IListeningPort | None = None
        self._advertisement: IDelayedCall | None = None
        self._tunnels: set[ServerTunnel] = set()

    def handle(self, event: ServerEvent) -> None:
        """Let something happen to the server: perform what its machine says."""
        before = self._machine.state
        for command in self._machine.handle(event):
            match command:
                case ServerCommand.LISTEN:
                    self._port = self._listen(self)
                    self._advertise()
                case ServerCommand.STOP_LISTENING:
                    self._stop_listening()
                case ServerCommand.DISCONNECT_ALL:
                    for tunnel in tuple(self._tunnels):
                        tunnel.disconnect(_REASONS[event])
        self.log.info("{before} -> {after}", before=before.name, after=self._machine.state.name)

    def _stop_listening(self) -> None:
        if self._port:
            self._port.stopListening()
        if self._advertisement:
            self._advertisement.cancel()
        self._port = self._advertisement = None

    def gone(self) -> Deferred[list[None]]:
        """Return a Deferred that fires when all connections there are now have ended."""
        return gatherResults([tunnel.ended for tunnel in self._tunnels])

    # Connections, in the order of their life.

    def buildProtocol(self, addr: IAddress | None) -> ServerTunnel:
        """Make the tunnel for a connection just accepted."""
        tunnel = ServerTunnel(self, _name(addr))
        self._tunnels.add(tunnel)
        return tunnel

    def refused(self, tunnel: ServerTunnel, sentence: str) -> None:
        """Note that a connection does not become a session."""
        self.log.info("refused {peer}: {sentence}", peer=tunnel.peer, sentence=sentence)

    def admit(self, tunnel: ServerTunnel, subject: str | None) -> ClientEntry | None:
        """Try to add an entry to the Client Table; None if there is no room (3.2.5.1)."""
        entry = self._table.add(tunnel, tunnel.peer, subject, self.clock.seconds())
        if entry is None:
            self.refused(tunnel, f"the table is full with {self._table.maximum} clients")
        else:
            self.log.info("{client} connected", client=entry)
        return entry

    def left(self, entry: ClientEntry, sentence: str) -> None:
        """Tear down the state of a client; the server stays in its state (3.2.5.3, 3.2.7.2)."""
        self._link.remove(entry)
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
            self.refused(tunnel, tunnel.tls.check.failure or explain(reason))
        self._tunnels.remove(tunnel)

    # Packets.

    def from_client(self, entry: ClientEntry, batch: Batch) -> None:
        """Forward packets from a client."""
        self._perform(self._link.from_client(entry, batch, self.clock.seconds()))

    def from_host(self, batch: Batch) -> None:
        """Forward packets from the host's kernel."""
        self._perform(self._link.from_host(batch))

    def _advertise(self) -> None:
        forwarding, interval = self._link.advertise(random(), self.clock.seconds())
        self._perform(forwarding)
        self._advertisement = self.clock.callLater(interval, self._advertise)

    def _perform(self, forwarding: Forwarding) -> None:
        if forwarding.host:
            self._device.write(forwarding.host)
        for entry, batch in forwarding.clients:
            entry.connection.send(batch)


def _name(peer: object) -> str:
    """Write an outer address as people do, an IPv4 client of an IPv6 socket as IPv4."""
    if not isinstance(peer, IPv4Address | IPv6Address):
        return str(peer)
    host = peer.host.removeprefix("::ffff:")
    return f"[{host}]:{peer.port}" if ":" in host else f"{host}:{peer.port}"
