"""Both ends of the shell joined in memory: no network, no port, and time stands still unless told to pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, IPv6Network
from typing import cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IReactorFDSet,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.test.iosim import FakeTransport, IOPump
from zope.interface import implementer

from iphttps.core.client import ClientMachine, ClientState
from iphttps.core.http.answer import DEFAULT_SERVER
from iphttps.core.ip import ipv6
from iphttps.core.ip.batch import Batch
from iphttps.core.ip.router import Router
from iphttps.core.ip.router_advertisement import RouterAdvertisement
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.core.iphttps.client_handshake import ClientHandshake, RequestLength
from iphttps.core.iphttps.clients import ClientTable
from iphttps.core.iphttps.link import OwnAddresses, ServerLink
from iphttps.core.iphttps.neighbors import NeighborCache
from iphttps.core.iphttps.policy import Policy
from iphttps.core.iphttps.request import DEFAULT_PATH
from iphttps.core.iphttps.server import ServerEvent
from iphttps.core.reconnect import ReconnectTimer
from iphttps.core.seats import Seats
from iphttps.host.device.memory import MemoryDevice
from iphttps.net.client import Client, SessionMaker
from iphttps.net.client_session import Owner
from iphttps.net.connect.remote_server import RemoteServer
from iphttps.net.device_reader import DeviceReader
from iphttps.net.iphttps.client import IPHTTPSClientSession
from iphttps.net.iphttps.liveness import Liveness
from iphttps.net.iphttps.server import Server
from iphttps.net.iphttps.service import IPHTTPSService
from iphttps.net.listen.listener import Listener
from iphttps.net.listen.service import CertificatePolicy, Service
from iphttps.net.listen.static import StaticService
from iphttps.net.stream import compiled
from iphttps.net.tls.contexts import ClientTLS, ServerTLS
from iphttps.net.tls.immediate import ImmediateTLSFactory, TLSEndpoint

NAME = "vpn.example.org"
OUTER = IPv4Address("TCP", "192.0.2.7", 1234)
"""The address of every connection's peer."""

PREFIX = IPv6Network("2001:db8:2::/64")
SERVER_LINK_LOCAL = IPv6Address("fe80::1")
SERVER = IPv6Address("2001:db8:2::1")
PRIVATE_HOST = IPv6Address("2001:db8:1::80")


def packet(source: IPv6Address, destination: IPv6Address, payload: bytes = b"payload") -> bytes:
    """Build a UDP-like packet that no policy looks closer at once its source is proven."""
    return ipv6.packet(source.packed, destination.packed, ipv6.UDP, payload, 64)


def iphttps_session(authority: str, path: str) -> SessionMaker:
    """Return what makes the sessions with an IP-HTTPS server of this name and path."""
    return lambda client, deadline: IPHTTPSClientSession(client, deadline, ClientHandshake(authority, path))


def unheard(clock: IReactorTime) -> Callable[[Callable[[], None]], Liveness]:
    """Return what makes the liveness of a client that has no address on the link."""
    return lambda silent: Liveness(clock, lambda: None, silent)


def client_address(number: int) -> IPv6Address:
    """Return the global address that the client with this number uses."""
    return PREFIX.network_address + 0x1000 + number


class Wire(FakeTransport):
    """One end of a connection, which hands over at most `cut` bytes at a time and notes an abort."""

    cut = 1 << 20
    aborted = False

    def getOutBuffer(self) -> bytes:
        """Take what is to be carried to the other end."""
        waiting = b"".join(self.stream)
        self.stream = [waiting[self.cut :]] if waiting[self.cut :] else []
        return waiting[: self.cut]

    def abortConnection(self) -> None:
        """Cut the connection; what was not carried yet is lost."""
        self.aborted = True
        self.stream.clear()
        super().abortConnection()


class Following(Protocol):
    """Hands on what comes to the protocol that a transport has at the time, as Twisted's own transports do."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def dataReceived(self, data: bytes) -> None:
        """Hand it on."""
        self._wire.protocol.dataReceived(data)


class Connection:
    """A connection between two protocols; bytes move, and the end comes, when `settle` is called."""

    def __init__(self, clock: MemoryReactorClock, server: Protocol, client: Protocol, cut: int = Wire.cut) -> None:
        self.server_end, self.client_end = Wire(server, isServer=True), Wire(client, isServer=False)
        self.server_end.cut = self.client_end.cut = cut
        self._pump = IOPump(client, Following(self.server_end), self.client_end, self.server_end, False, clock)
        server.makeConnection(self.server_end)
        client.makeConnection(self.client_end)

    def settle(self) -> bool:
        """Carry everything there is; tell whether there was anything."""
        moved = False
        while self._pump.pump():
            moved = True
        return moved

    def cut_off(self) -> None:
        """Break it, as seen by both ends."""
        self.server_end.stream.clear()
        self.client_end.stream.clear()
        self.server_end.disconnecting = True


class Port:
    """A listening port in memory."""

    def __init__(self) -> None:
        self.open = True

    def stopListening(self) -> Deferred[None]:
        """Close it."""
        self.open = False
        return succeed(None)


@implementer(IStreamClientEndpoint)
class Endpoint:
    """The endpoint of a client; the test decides the outcome of each attempt."""

    def __init__(self) -> None:
        self.attempts: list[tuple[IProtocolFactory, Deferred[IProtocol]]] = []
        self.cancelled = 0
        self.cancelling: type[Exception] | None = None
        """The error of a cancelled attempt, if other than CancelledError."""

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Begin an attempt."""
        attempt: Deferred[IProtocol] = Deferred(self._cancel)
        self.attempts.append((factory, attempt))
        return attempt

    def _cancel(self, attempt: Deferred[IProtocol]) -> None:
        self.cancelled += 1
        if self.cancelling:
            attempt.errback(self.cancelling())

    def accept(self, transport: object) -> Protocol:
        """Let the latest attempt succeed over this transport."""
        factory, attempt = self.attempts[-1]
        protocol = cast(Protocol, factory.buildProtocol(OUTER))
        protocol.makeConnection(transport)
        attempt.callback(protocol)
        return protocol

    def refuse(self, error: Exception) -> None:
        """Let the latest attempt fail."""
        self.attempts[-1][1].errback(error)


class ServerEnd:
    """The server with a memory device; `connect` joins a client's protocol to it."""

    def __init__(
        self,
        clock: MemoryReactorClock,
        tls: ServerTLS | None = None,
        *,
        mode: AuthenticationMode = AuthenticationMode.CERTIFICATES,
        maximum: int = 8,
        others: Iterable[Service] = (),
    ) -> None:
        self.clock = clock
        self.device = MemoryDevice("server")
        self.table = ClientTable(Seats(maximum))
        self.ports: list[Port] = []
        self.factory: IProtocolFactory | None = None
        cache = NeighborCache()
        own = OwnAddresses(SERVER_LINK_LOCAL.packed, SERVER.packed)
        policy = Policy(mode, PREFIX, frozenset((own.link_local, own.unicast)), cache)
        router = Router(RouterAdvertisement(PREFIX), own.link_local)
        self.link = ServerLink(self.table, cache, policy, router, own, loops=compiled.LOOPS)
        asked = tls is not None and tls.settings.client_ca is not None
        certificate = CertificatePolicy.REQUIRED if asked else CertificatePolicy.OPTIONAL
        self.service = IPHTTPSService(
            clock, self.table, self.link, self.device, certificate=certificate, day=clock.seconds
        )
        self.documents = StaticService(DEFAULT_SERVER, clock.seconds)
        services: tuple[Service, ...] = (self.documents, self.service, *others)
        self.listener = Listener(clock, self._listen, services, name=DEFAULT_SERVER, day=clock.seconds)
        self.server = Server(clock, self.listener, self.service)
        self._tls = tls
        self.server.handle(ServerEvent.START)

    def _listen(self, factory: IProtocolFactory) -> IListeningPort:
        self.factory = ImmediateTLSFactory(self._tls, False, factory, self.clock) if self._tls else factory
        self.ports.append(Port())
        return cast(IListeningPort, self.ports[-1])

    def accept(self, transport: object) -> Protocol:
        """Accept a connection over this transport."""
        assert self.factory
        protocol = cast(Protocol, self.factory.buildProtocol(OUTER))
        protocol.makeConnection(transport)
        return protocol

    def connect(self, client: Protocol, cut: int = Wire.cut) -> Connection:
        """Accept a connection whose other end is `client`."""
        assert self.factory
        return Connection(self.clock, cast(Protocol, self.factory.buildProtocol(OUTER)), client, cut)

    def from_host(self, *packets: bytes) -> None:
        """Let the server's kernel send these packets into the link."""
        self.service.from_host(Batch.of(packets))
        self.service.downlink.serve()


class ClientEnd:
    """The client with a memory device; `link` records how the link goes up and down."""

    def __init__(
        self, clock: MemoryReactorClock, tls: ClientTLS | None = None, number: int = 1, keepalive: float = 0.0
    ) -> None:
        self.clock = clock
        self.own: IPv6Address | None = IPv6Address("fe80::2")
        self.address = client_address(number)
        self.length = RequestLength.MAX
        self.endpoint = Endpoint()
        self.device = MemoryDevice(f"client{number}")
        self.device.up = False
        self.machine = ClientMachine(ReconnectTimer())
        self.link: list[str] = []
        self.lost: list[OSError] = []
        direct = cast(IStreamClientEndpoint, self.endpoint)
        way = TLSEndpoint(tls, direct, clock) if tls else direct
        self.client = Client(
            clock,
            self.machine,
            [RemoteServer(f"https://{NAME}/IPHTTPS", way, self._session)],
            self.device,
            self._reader,
            bring_up=lambda tunnel: self._switch(up=True),
            take_down=lambda: self._switch(up=False),
            liveness=lambda silent: Liveness(clock, lambda: self.own.packed if self.own else None, silent, keepalive),
        )

    def _session(self, client: Owner, deadline: float) -> IPHTTPSClientSession:
        return IPHTTPSClientSession(client, deadline, ClientHandshake(NAME, DEFAULT_PATH, self.length))

    def _switch(self, *, up: bool) -> None:
        self.link.append("up" if up else "down")
        self.device.up = up

    def _reader(self, deliver: Callable[[Batch], int]) -> DeviceReader:
        self.reader = DeviceReader(cast(IReactorFDSet, self.clock), self.device, deliver, self.lost.append)
        return self.reader

    @property
    def state(self) -> ClientState:
        """The state of 3.1.1."""
        return self.machine.state

    @property
    def reading(self) -> bool:
        """True if the device is being read."""
        return self.reader in self.clock.getReaders()

    def connect(self, server: ServerEnd, cut: int = Wire.cut) -> Connection:
        """Let the latest attempt reach this server, and carry what the two have to say."""
        factory, attempt = self.endpoint.attempts[-1]
        protocol = cast(Protocol, factory.buildProtocol(OUTER))
        connection = server.connect(protocol, cut)
        attempt.callback(protocol)
        connection.settle()
        return connection

    def from_host(self, *packets: bytes) -> None:
        """Let the client's kernel send these packets into the tunnel, if the device is read at all."""
        for each in packets:
            self.device.inject(each)
        if self.reading:
            self.reader.doRead()
