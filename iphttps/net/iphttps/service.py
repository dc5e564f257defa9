"""The IP-HTTPS service: the link, its device, and its clients (3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import time

from twisted.internet.interfaces import IReactorTime

from ...core.counters import Counters
from ...core.http.answer import DEFAULT_SERVER
from ...core.http.request_head import RequestHead
from ...core.ip.address import IPAddress
from ...core.ip.batch import Batch
from ...core.iphttps.clients import ClientEntry, ClientTable
from ...core.iphttps.link import Forwarding, ServerLink
from ...core.iphttps.request import DEFAULT_PATHS, METHODS, WRONG_METHOD, accept, open_tunnel
from ...core.queues.memory import SharedMemory
from ...core.sources import Sources
from ..downlink import Downlink
from ..interfaces import PacketDevice
from ..listen.service import CertificatePolicy, NotAdmitted, Peer
from ..log import logger
from ..rate import RateLimits
from ..session_log import SessionLog
from ..stream.fanout import Fanout
from ..stream.read_scheduler import ReadScheduler
from .link_timers import LinkTimers, send, send_to_all
from .server_session import ServerSession

__all__ = ["IPHTTPSService"]


class IPHTTPSService:
    """Admits clients to the link, and forwards their packets.

    `paths` are the paths for which a POST opens a tunnel, case-insensitive. `name` is the Server header of the
    response, and `day` returns wall-clock time for its Date.
    """

    log = logger()
    methods = METHODS
    wrong_method = WRONG_METHOD

    def __init__(
        self,
        clock: IReactorTime,
        table: ClientTable,
        link: ServerLink,
        device: PacketDevice,
        *,
        certificate: CertificatePolicy,
        paths: Iterable[str] = DEFAULT_PATHS,
        name: str = DEFAULT_SERVER,
        reads: ReadScheduler | None = None,
        day: Callable[[], float] = time,
        downlink: Downlink | None = None,
    ) -> None:
        self.clock = clock
        self.downlink = downlink or Downlink(clock)
        """Sends the packets from the host to the clients."""
        self.table = table
        """The Client Table (3.2.1)."""
        self.certificate = certificate
        """REQUIRED in mode Certificates, OPTIONAL in mode None (3.2.1)."""
        self.wrote: Callable[[int], None] = _nothing
        """Called with the number of packets written to the device."""
        self.memory = SharedMemory()
        """The memory queued for all clients together."""
        self.reads = ReadScheduler(clock) if reads is None else reads
        """The reader of the clients' connections; services of one reactor share it."""
        self.rates = RateLimits(clock, self.memory)
        """The maximum rates of identities; clients without a certificate have one each."""
        self.sources = Sources()
        """The sources of clients without a certificate."""
        self.past = Counters()
        """The total counters of former clients."""
        self._paths = frozenset(path.casefold() for path in paths)
        self._name = name
        self._day = day
        self._anonymous: dict[ClientEntry, IPAddress | None] = {}
        self._sessions = SessionLog(clock, self.log)
        self._link = link
        self._device = device
        self._timers = LinkTimers(clock, table, link)
        self._multicasting = Fanout(clock, table, send)

    def serves(self, path: str) -> bool:
        """Return whether tunnels are opened at this path."""
        return path.casefold() in self._paths

    def start(self) -> None:
        """Start advertising and soliciting (3.2.3.1)."""
        self._timers.start()

    def stop(self) -> None:
        """Send the final Router Advertisement; the connections end next."""
        self._timers.stop()
        self._multicasting.stop()
        self._sessions.close()
        final = self._link.final_advertisement().everyone
        for entry in self.table if final else ():
            entry.connection.send(final)  # not by a timer, as the connections end now

    def limit(self, clients: int, sessions: int) -> None:
        """Change the limits; existing sessions continue."""
        self.table.seats.maximum, self.table.per_identity = clients, sessions

    # Clients, in the order of their life.

    def admit(self, peer: Peer, request: RequestHead) -> ServerSession:
        """Add the client to the Client Table and return its session (3.2.5.1).

        Raises:
            ProtocolError: The request does not open a tunnel.
            NotAdmitted: A limit on clients is reached.
        """
        opened = open_tunnel(request)
        session = ServerSession(self, opened, accept(opened, self._name, self._day()))
        session.begin(self._add(session, peer))
        return session

    def _add(self, session: ServerSession, peer: Peer) -> ClientEntry:
        for old in self.table.surplus(peer.identity):
            limit = self.table.per_identity
            old.connection.disconnect(f"displaced by a newer session of the same identity (limit: {limit})")
        if peer.identity is None and (source := self.sources.full(peer.address)):
            sentence = f"{source} has reached the limit of --max-sessions-per-source"
            raise NotAdmitted(sentence, "too many sessions")
        entry = self.table.add(session, peer.name, peer.identity, self.clock.seconds(), peer.suite)
        if entry is None:
            raise NotAdmitted(f"the table is full with {self.table.seats.maximum} clients", "the table is full")
        if peer.identity is None:
            self.sources.add(peer.address)
            self._anonymous[entry] = peer.address
        identity = peer.identity
        self.rates.join(session, identity, (identity.subject, *identity.names) if identity else ())
        self._sessions.opened(entry, peer.address, identity)
        return entry

    def left(self, entry: ClientEntry, sentence: str) -> None:
        """Tear down the state of a client; the state of the server does not change (3.2.5.3, 3.2.7.2)."""
        self._link.remove(entry)
        self.downlink.remove(entry)
        self.rates.leave(entry.connection)
        self.past.add(entry.counters)
        if entry in self._anonymous:
            self.sources.remove(self._anonymous.pop(entry))
        self._sessions.ended(entry, entry.identity, sentence)

    # Packets.

    def from_client(self, entry: ClientEntry, batch: Batch) -> None:
        """Forward packets from a client."""
        now = self.clock.seconds()
        forwarding = self._link.from_client(entry, batch, now)
        self._perform(forwarding, now, entry)
        if forwarding.clients:
            self.downlink.soon()

    def from_host(self, batch: Batch) -> None:
        """Forward packets from the host's kernel; those for clients wait in the downlink."""
        now = self.clock.seconds()
        self._perform(self._link.from_host(batch, now), now)

    def advertise(self) -> None:
        """Send a Router Advertisement now, after a change of its content, if the port is open."""
        self._timers.advertise()

    def _perform(self, forwarding: Forwarding, now: float, origin: ClientEntry | None = None) -> None:
        if forwarding.host:
            self._device.write(forwarding.host)
            self.wrote(len(forwarding.host))
        for entry, batch in forwarding.own:
            entry.connection.send_urgent(batch)
        for entry, batch in forwarding.clients:
            self.downlink.add(entry, batch, now)
        if forwarding.everyone:
            counters = origin.counters if origin else self._link.counters
            send_to_all(self._multicasting, forwarding.everyone, counters, origin)


def _nothing(what: object) -> None:
    """Do nothing."""
