"""`twistd iphttps-client`: what the client has of IP-HTTPS."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ...core.iphttps.client_handshake import ClientHandshake
from ...core.iphttps.request import DEFAULT_PATH
from ...host.kernel.addresses import addresses
from ...host.kernel.network import LINK, NetworkConfig
from ...net.client import SessionMaker
from ...net.client_session import Owner
from ...net.connect.endpoints import URI
from ...net.interfaces import IReactor
from ...net.iphttps.client import IPHTTPSClientSession
from ...net.iphttps.liveness import Liveness
from ...pki.certificates import Credentials
from ..config.client_config import ClientConfig
from ..config.client_options import Options
from ..config.interface_settings import client_settings
from .client_servers import Servers
from .running_client import Host, RunningClient, TunnelDaemon, run
from .watch.address_watch import AddressWatch


def network_config(config: ClientConfig, *, up: bool, secret: bytes | None = None) -> NetworkConfig:
    """Return the configuration of the client's interface, up or down, with the settings that it requires.

    `secret` makes the interface identifiers stable (RFC 7217).
    """
    return NetworkConfig(config.interface, up=up, settings=client_settings(config), stable_secret=secret)


def session(config: ClientConfig, uri: URI) -> SessionMaker:
    """Return what makes the sessions with a server."""
    handshake = partial(ClientHandshake, uri.authority, uri.path or DEFAULT_PATH, config.request_length)

    def make(client: Owner, deadline: float) -> IPHTTPSClientSession:
        return IPHTTPSClientSession(client, deadline, handshake())

    return make


def servers(reactor: IReactor, config: ClientConfig) -> Servers:
    """Return the servers of a configuration; raises ConfigError if their files cannot be loaded."""
    certificate, key = config.file("certificate"), config.file("private-key")
    shown = certificate and key and any(uri.secure for uri in config.uri)
    return Servers(
        reactor,
        config,
        partial(session, config),
        credentials=Credentials.load(certificate, key) if certificate and key and shown else None,
        renegotiation=config.allow_renegotiation,
    )


class RunningIPHTTPSClient(RunningClient):
    """An IP-HTTPS client that is ready to connect: its router is probed, and its addresses come from that."""

    def __init__(
        self, reactor: IReactor, options: Options, servers: Servers, host: Host, secret: bytes | None = None
    ) -> None:
        self.config: ClientConfig = options.config
        self._secret = secret
        super().__init__(reactor, options, servers, host)
        self._address_watch = AddressWatch(
            reactor,
            self.config.interface,
            LINK | client_settings(self.config),
            lambda: self.client.liveness.router is not None,
        )

    def _network(self, *, up: bool) -> NetworkConfig:
        return network_config(self.config, up=up, secret=self._secret)

    def _liveness(self, silent: Callable[[], None]) -> Liveness:
        return Liveness(self._reactor, self._own_address, silent, self.config.keepalive)

    def _own_address(self) -> bytes | None:
        found = addresses(self.config.interface)
        return next((address.packed for address in found if address.ip.is_link_local), None)

    @property
    def _obstacle(self) -> str | None:
        return self._address_watch.obstacle

    def _came_up(self) -> None:
        self._address_watch.start()

    def _goes_down(self) -> None:
        self._address_watch.stop()


class ClientDaemon(TunnelDaemon):
    """The IP-HTTPS client as a service."""

    _options: Options

    def prepare(self) -> RunningIPHTTPSClient:
        """Load the certificates and create the device; the interface stays down until the link comes up."""
        config = self._options.config
        reached = servers(self.reactor, config)
        secret = self._secret(config.interface)
        host = self._host(network_config(config, up=False, secret=secret))
        return RunningIPHTTPSClient(self.reactor, self._options, reached, host, secret)


def makeService(options: Options) -> TunnelDaemon:
    """Make the service for `twistd`."""
    return run(partial(ClientDaemon, options))
