"""`twistd iphttps-client`: builds the client's objects and joins them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from random import random
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint

from ..core.client import ClientMachine
from ..core.errors import ConfigError
from ..core.handshake import DEFAULT_PATH, ClientHandshake
from ..core.reconnect import ReconnectTimer
from ..host.addresses import addresses
from ..host.network import NetworkConfig
from ..net.certificates import Credentials, load_certificates
from ..net.client import Client, ClientTunnel, RemoteServer, as_listed
from ..net.endpoints import URI, client_endpoint
from ..net.fastest import Fastest
from ..net.interfaces import IReactor, PacketDevice
from ..net.precondition import Blocked, Condition, Precondition, always
from ..net.reader import DeviceReader
from ..net.tls import ClientTLS
from .client_actions import ClientActions
from .client_options import Options
from .control import Route
from .daemon import Daemon, HostNetwork

SETTINGS = {
    "accept_ra": 2,  # also where this host forwards
    "accept_ra_rt_info_max_plen": 128,  # routes come as route information, which Linux ignores by default
    "accept_redirects": 0,  # there is one router on the link
}


PROBE_TIMEOUT = 5.0
"""Seconds in which the host of --probe must be reached."""


class ClientDaemon(Daemon):
    """The client as a service."""

    def __init__(
        self,
        options: Options,
        reactor: IReactor,
        network: HostNetwork | None = None,
        open_device: Callable[[str], PacketDevice] | None = None,
    ) -> None:
        super().__init__(options, reactor, network, open_device)
        self._options = options
        self._client: Client | None = None
        self._precondition: Precondition | None = None

    def prepare(self) -> None:
        """Load the certificates and create the device, which stays down until the link is up."""
        options = self._options
        servers = [self._server(uri) for uri in options.uris]
        self.device = device = self.open_device(options["interface"])
        self._configure(up=False)
        timer = ReconnectTimer(options.number("reconnect-initial", 0.1), options.number("reconnect-maximum", 0.1))
        self._client = client = Client(
            self.reactor,
            ClientMachine(timer, len(servers)),
            servers,
            device,
            lambda deliver: DeviceReader(self.reactor, device, deliver, self.device_lost),
            bring_up=self._bring_up,
            take_down=self._take_down,
            choose=Fastest(self.reactor) if options["select"] == "fastest" and len(servers) > 1 else as_listed,
            own_address=self._own_address,
            keepalive=options.number("keepalive", 0),
            random=random,
        )
        self._precondition = Precondition(self.reactor, client, self._condition())

    def _server(self, uri: URI) -> RemoteServer:
        if not uri.secure:
            self.log.warn("{uri} is plain HTTP: nothing protects the packets on their way", uri=str(uri))
        handshake = partial(ClientHandshake, uri.authority, uri.path or DEFAULT_PATH)
        endpoint = client_endpoint(self.reactor, uri, self._tls(uri) if uri.secure else None)
        return RemoteServer(str(uri), endpoint, handshake)

    def _tls(self, uri: URI) -> ClientTLS:
        options = self._options
        ca, certificate, key = options.path("ca"), options.path("certificate"), options.path("private-key")
        return ClientTLS(
            uri.host,
            load_certificates(ca) if ca else None,
            Credentials.load(certificate, key) if certificate and key else None,
        )

    def _condition(self) -> Condition | None:
        """Return when the client is to connect (3.1.3); that it runs at all is an administrator's policy by default."""
        match self._options["when"], self._options.probe:
            case "always", _:
                return always
            case "blocked", (host, port):
                return Blocked(HostnameEndpoint(self.reactor, host, port, timeout=PROBE_TIMEOUT), f"{host}:{port}")
            case _:
                return None

    def _own_address(self) -> bytes | None:
        found = addresses(self._options["interface"])
        return next((address.packed for address in found if address.ip.is_link_local), None)

    def startService(self) -> None:
        """Enable the client."""
        super().startService()
        assert self._precondition is not None
        self._precondition.enable()

    def routes(self) -> Iterable[Route]:
        """Return what the control socket offers."""
        assert self._client is not None
        assert self.device is not None
        interface = self._options["interface"]
        assert self._precondition is not None
        return ClientActions(
            self._client,
            self._precondition,
            self.device,
            {"interface": interface},
            lambda: map(str, addresses(interface)),
        ).routes()

    def _bring_up(self, tunnel: ClientTunnel) -> None:
        # Not before the link is up: the kernel solicits routers at once, and only for a while.
        self._switch(up=True)

    def _take_down(self) -> None:
        # The kernel forgets the addresses and routes of the session with the link.
        self._switch(up=False)

    def _switch(self, *, up: bool) -> None:
        try:
            self._configure(up=up)
        except ConfigError as error:
            self.fatal(str(error))

    def _configure(self, *, up: bool) -> None:
        self.network.apply(NetworkConfig(self._options["interface"], up=up, settings=SETTINGS))

    def quit(self) -> Deferred[Any]:
        """Take the link down and close the connection."""
        assert self._client is not None
        assert self._precondition is not None
        self._precondition.disable()
        return self._client.gone()


def makeService(options: Options) -> ClientDaemon:
    """Make the service for `twistd`."""
    from twisted.internet import reactor  # installed by twistd only just now

    return ClientDaemon(options, cast(IReactor, reactor))
