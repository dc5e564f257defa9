"""`twistd iphttps-server`: builds the server's objects and joins them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import IPv6Interface, IPv6Network
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory

from ..core.clients import ClientTable
from ..core.errors import ConfigError
from ..core.handshake import DEFAULT_PATHS, DEFAULT_SERVER
from ..core.ipv6 import MINIMUM_MTU
from ..core.link import ServerLink
from ..core.ndp import RouterAdvertisement
from ..core.neighbors import NeighborCache
from ..core.policy import AuthenticationMode, Policy
from ..core.router import MAXIMUM_INTERVAL, Router
from ..core.server import ServerEvent
from ..host.network import NetworkConfig
from ..host.tun import TunDevice
from ..net.endpoints import listen
from ..net.interfaces import IReactor, PacketDevice
from ..net.reader import DeviceReader
from ..net.server import Server
from ..net.tls import Credentials, ServerTLS, load_certificates
from .daemon import Daemon, HostNetwork
from .options import DaemonOptions, network

LINK_LOCAL = IPv6Interface("fe80::1/64")


class Options(DaemonOptions):
    """What the server is told."""

    command = "iphttps-server"
    repeatable = ("route",)
    synopsis = "[options]"
    optParameters = (  # the name is Twisted's
        ("uri", None, None, "where to listen, such as https://*:443/IPHTTPS; http:// behind a TLS terminator"),
        ("authentication", None, "certificates", "certificates: clients must show one; none: anybody may connect"),
        ("certificate", None, None, "PEM file: the server's certificate, then those between it and the root"),
        ("private-key", None, None, "PEM file: the key of the certificate"),
        ("client-ca", None, None, "PEM file: the authorities that issue the clients' certificates"),
        ("interface", None, "iphttps0", "name of the TUN device to create"),
        ("prefix", None, None, "the link's IPv6 prefix, a /64, from which clients form their addresses"),
        ("max-clients", None, "1000", "how many clients may be connected at a time"),
        ("config", None, None, "TOML file with these options; the command line overrides it"),
    )
    optFlags = (("default-router", None, "be the clients' default router, not only that of the routes"),)

    def opt_route(self, prefix: str) -> None:
        """Announce that this prefix lies behind the server, such as 2001:db8:1::/48; repeat for more."""
        self["route"] = [*self["route"], prefix]

    def check(self) -> None:
        """Check every value before anything is touched."""
        self.uri  # noqa: B018  # raises
        self.required("prefix", "give the link's IPv6 prefix, such as --prefix 2001:db8:2::/64")
        if self.prefix.prefixlen != 64:
            raise ConfigError(f"--prefix {self.prefix} must be a /64: clients form 64-bit interface identifiers")
        first = self.prefix.network_address
        if first.is_multicast or first.is_link_local or first.is_loopback or first.is_unspecified:
            raise ConfigError(f"--prefix {self.prefix} must be global or unique local unicast")
        self.routes  # noqa: B018
        self.mode  # noqa: B018
        self.number("max-clients", 1)
        if self.uri.secure:
            self.required("certificate", "https:// needs the server's certificate")
            self.required("private-key", "https:// needs the certificate's key")
            if self.mode is AuthenticationMode.CERTIFICATES:
                self.required("client-ca", "mode certificates needs the authority that issues them")

    @property
    def prefix(self) -> IPv6Network:
        """The link's prefix."""
        return network("prefix", self["prefix"])

    @property
    def routes(self) -> tuple[IPv6Network, ...]:
        """The prefixes behind the server."""
        return tuple(network("route", text) for text in self["route"])

    @property
    def mode(self) -> AuthenticationMode:
        """The Authentication Mode (3.2.1)."""
        try:
            return AuthenticationMode(self["authentication"])
        except ValueError as error:
            raise ConfigError(f"--authentication is certificates or none, not {self['authentication']!r}") from error


class ServerDaemon(Daemon):
    """The server as a service."""

    def __init__(
        self,
        options: Options,
        reactor: IReactor,
        network: HostNetwork | None = None,
        open_device: Callable[[str], PacketDevice] = TunDevice,
    ) -> None:
        super().__init__(options, reactor, network, open_device)
        self._options = options
        self._server: Server | None = None

    def prepare(self) -> None:
        """Load the certificates, create the device, set up the host, and listen (3.2.3)."""
        options = self._options
        own_address = IPv6Interface((options.prefix.network_address + 1, options.prefix.prefixlen))
        tls = self._tls()
        self.device = self.open_device(options["interface"])
        self.network.apply(
            NetworkConfig(
                options["interface"],
                up=True,  # 3.2.3.1: in the Listen state the link is up, with an MTU of 1280
                addresses=(LINK_LOCAL, own_address),
                settings={"addr_gen_mode": 1, "accept_ra": 0},  # the two addresses above and no other
                forwarding=True,  # 3.2.3.1: SHOULD act as a router
            )
        )
        table = ClientTable(int(options.number("max-clients", 1)))
        link = self._link(table, own_address)
        paths = (options.uri.path,) if options.uri.path else DEFAULT_PATHS
        server = Server(
            self.reactor,
            table,
            link,
            self.device,
            partial(self._listen, tls),
            paths=(*paths, *DEFAULT_PATHS),
            name=DEFAULT_SERVER,
        )
        self._reader = DeviceReader(self.reactor, self.device, server.from_host, self.device_lost)
        server.handle(ServerEvent.START)
        self._server = server
        if not options.uri.secure:
            self.log.warn("plain HTTP: only for use behind something that terminates TLS")

    def _tls(self) -> ServerTLS | None:
        options = self._options
        certificate, key = options.path("certificate"), options.path("private-key")
        if not options.uri.secure or not certificate or not key:
            return None
        client_ca = options.path("client-ca") if options.mode is AuthenticationMode.CERTIFICATES else None
        return ServerTLS(Credentials.load(certificate, key), load_certificates(client_ca) if client_ca else None)

    def _link(self, table: ClientTable, own_address: IPv6Interface) -> ServerLink:
        options = self._options
        own = frozenset((LINK_LOCAL.ip.packed, own_address.ip.packed))
        cache = NeighborCache()
        # In mode None clients cannot resolve each other's addresses, so the prefix is not to be taken for
        # on-link; then they need to be told that the server is the way to it.
        on_link = options.mode is AuthenticationMode.CERTIFICATES
        advertisement = RouterAdvertisement(
            options.prefix,
            on_link=on_link,
            router_lifetime=int(3 * MAXIMUM_INTERVAL) if options["default-router"] else 0,
            routes=options.routes if on_link else (options.prefix, *options.routes),
        )
        policy = Policy(options.mode, options.prefix, own, cache)
        return ServerLink(table, cache, policy, Router(advertisement, LINK_LOCAL.ip.packed), MINIMUM_MTU)

    def _listen(self, tls: ServerTLS | None, factory: IProtocolFactory) -> IListeningPort:
        return listen(self.reactor, self._options.uri, factory, tls)

    def startService(self) -> None:
        """Forward packets from now on."""
        super().startService()
        self._reader.start()

    def quit(self) -> Deferred[Any]:
        """Disconnect all clients and enter the Stopped state (3.2.7.3)."""
        assert self._server is not None
        self._reader.stop()
        self._server.handle(ServerEvent.SHUTDOWN)
        return self._server.gone()


def makeService(options: Options) -> ServerDaemon:
    """Make the service for `twistd`."""
    from twisted.internet import reactor  # installed by twistd only just now

    return ServerDaemon(options, cast(IReactor, reactor))
