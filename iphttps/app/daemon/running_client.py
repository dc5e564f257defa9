"""The daemon of a client, as far as all protocols have it in common: builds its objects and joins them."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Interface, IPv6Interface
from random import random
from socket import socket
from time import time
from typing import Any, ClassVar, cast

from twisted.internet.defer import Deferred, DeferredList

from ...core.client import ClientMachine, ClientState
from ...core.errors import ConfigError
from ...core.ip.rdnss import NO_NAMES, Names
from ...core.reconnect import ReconnectTimer
from ...host.kernel.addresses import addresses, has, usable
from ...host.kernel.monitor import NetworkMonitor
from ...host.kernel.network import NetworkConfig
from ...host.kernel.pin import bound_to, pin
from ...host.kernel.routes import routes
from ...host.process import allocator
from ...net.client import Client, Liveness
from ...net.client_session import ClientSession
from ...net.connect_condition import ConnectCondition
from ...net.device_reader import DeviceReader
from ...net.interfaces import IReactor, PacketDevice
from ...net.log import logger
from ...net.stream.underlying import underlying_socket
from ...net.tls.direct_reads import compiled_parts
from ...net.tls.lifetime import LifetimeWatch
from ..config.clients.tunnel_config import TunnelConfig
from ..config.clients.tunnel_options import TunnelOptions
from ..control.client_actions import ClientActions
from ..control.resource import Route
from ..control.status import Value
from . import log_file
from .client_link import ClientLink
from .client_servers import Servers
from .hooks.resolvconf import dns_settings
from .hooks.scripts import LinkFacts, Scripts
from .process import clock_step
from .process.stop_signals import StopSignals
from .service import Daemon, HostNetwork
from .stable_key import interface_secret
from .state import DaemonState, of_client
from .watch.host_watch import HostWatch, Monitor


@dataclass(frozen=True, slots=True)
class Host:
    """The parts of its daemon and of the host that a client uses.

    `configure` applies an interface configuration and keeps it in force. `device_lost` is called when the device is
    gone, `fatal` with a sentence after an error that retrying does not fix.
    """

    device: PacketDevice
    monitor: Monitor
    configure: Callable[[NetworkConfig], None]
    device_lost: Callable[[OSError], None]
    fatal: Callable[[str], None]
    interface_changed: Callable[[], Value | None]
    interface_trouble: Callable[[], list[str]]


class RunningClient:
    """A client that is ready to connect, with its link and its device; each protocol has a subclass."""

    log = logger()

    def __init__(
        self,
        reactor: IReactor,
        options: TunnelOptions,
        servers: Servers,
        host: Host,
    ) -> None:
        self.options = options
        self.config: TunnelConfig = options.config
        interface = self.config.interface
        self._reactor = reactor
        self._servers = servers
        self._host = host
        self._dns = dns_settings(reactor, interface)
        self._link = ClientLink(
            reactor,
            LinkFacts(interface),
            Scripts(reactor, self.config.scripts),
            self._dns,
            switch=self._switch,
            addresses=self._usable,
            refuse=self._refuse,
        )
        self._watch = HostWatch(
            reactor,
            host.monitor,
            changed=self._network_changed,
            resumed=partial(self._host_changed, "the host was suspended"),
            addressed=self._link.addressed,
            announced=self._link.announced,
        )
        self.client = client = Client(
            reactor,
            ClientMachine(ReconnectTimer(self.config.reconnect_initial, self.config.reconnect_maximum)),
            servers.all,
            host.device,
            lambda deliver: DeviceReader(reactor, host.device, deliver, host.device_lost),
            bring_up=self._bring_up,
            take_down=self._take_down,
            liveness=self._liveness,
            choose=servers.choose,
            random=random,
        )
        self._precondition = ConnectCondition(reactor, client, servers.needed, servers.unmet)
        self._lifetime_watch = LifetimeWatch(reactor, lambda: client.end_overdue(time()))

    # What a protocol has of its own.

    def _network(self, *, up: bool) -> NetworkConfig:
        """Return the configuration of the interface, up or down. Abstract."""
        raise NotImplementedError

    def _liveness(self, silent: Callable[[], None]) -> Liveness:
        """Return what probes the other end, and calls `silent` if it does not answer. Abstract."""
        raise NotImplementedError

    carries_ipv4: ClassVar[bool] = False
    """True if the tunnel carries IPv4."""

    def _usable(self) -> Iterable[IPv4Interface | IPv6Interface]:
        """Return the addresses that make the link usable."""
        return usable(self.config.interface)

    @property
    def _obstacle(self) -> str | None:
        """A sentence that explains why the link has no address; None if it has one, or it is too early to tell."""
        return None

    def _check(self, tunnel: ClientSession, peer: str) -> Names:
        """Check that this host can use the link, and return the DNS servers that the server has assigned.

        `peer` is the remote address of the connection.

        Raises:
            ConfigError: It cannot.
        """
        return NO_NAMES

    def _protocol(self) -> Value | None:
        """Return what SSTP has negotiated, for the status; None if it has not, or is not the protocol."""
        return None

    def _came_up(self) -> None:
        """Follow the link: it is up."""

    def _goes_down(self) -> None:
        """Follow the link: it goes down."""

    # What all have in common.

    def start(self) -> None:
        """Enable the client."""
        self._dns.start()
        self._watch.start()
        signal.signal(signal.SIGHUP, self._hang_up)
        self._precondition.enable()
        self._lifetime_watch.start()

    def _hang_up(self, number: int, frame: object) -> None:
        self._reactor.callFromThread(log_file.reopen)
        self._reactor.callFromThread(
            self.log.info,
            "SIGHUP ignored: a client does not reload. Restart it to apply a new configuration; revocation lists and"
            " proxy credentials are read at each attempt.",
            event="nothing-to-reload",
        )

    def routes(self) -> Iterable[Route]:
        """Return what the control socket offers."""
        return ClientActions(
            self.client,
            self._precondition,
            self._host.device,
            self._host_side,
            self._servers.not_taken,
            self._protocol if self.options.role == "sstp-client" else None,
            self._usable,
        ).routes()

    def condition(self) -> DaemonState:
        """Return the state of the link and any obstacle."""
        return of_client(
            self.client,
            looking=self._precondition.looking,
            waiting=self._precondition.waiting,
            used=self._link.used,
            obstacle=self._obstacle,
            troubles=[*self._servers.not_taken(), *self._host.interface_trouble()],
        )

    def solicit(self) -> None:
        """Solicit routers, to restore the addresses and routes that another program has removed."""
        self.client.liveness.solicit()

    def _host_side(self) -> Value:
        """Return the host's view of the link, for the status."""
        interface = self.config.interface
        return {
            "interface": interface,
            "interface_changed": self._host.interface_changed(),
            "offload": self._host.device.offload,
            "compiled": compiled_parts(),
            "addresses": [str(address) for address in addresses(interface)],
            "routes": [str(prefix) for prefix in routes(interface)],
            "obstacle": self._obstacle,
        }

    def _bring_up(self, tunnel: ClientSession) -> None:
        # Not before the session is established: the kernel solicits routers immediately, and only a few times.
        transport = tunnel.transport
        if transport is None:
            return
        peer = str(getattr(transport.getPeer(), "host", ""))
        try:
            if connection := underlying_socket(transport):
                pin(connection, self.config.interface, ipv4=self.carries_ipv4)
            names = self._check(tunnel, peer)
        except ConfigError as error:
            self._refuse(str(error))
        else:
            self._link.up(self.client.server.uri, peer, names)
            self._came_up()

    def _take_down(self) -> None:
        self._goes_down()
        self._link.down()

    def _refuse(self, sentence: str) -> None:
        """End the session for this reason; deferred to the next reactor turn, as the session may still be opening."""
        if tunnel := self.client.tunnel:
            self._reactor.callLater(0, tunnel.disconnect, sentence)

    def _host_changed(self, what: str) -> None:
        """Handle a change on the host that the connection may not have survived."""
        self.log.info("{what}", event="network-changed", what=what)
        self._servers.network_changed()
        self._precondition.network_changed(address_gone=self._address_gone())

    def _network_changed(self) -> None:
        """Handle a change of the host's network; most are of interfaces through which no server is reached.

        While the link is up each one counts: it leads to a probe only, and the path may have changed beyond this host.
        """
        connection = self._connection
        moved = self._servers.paths.changed(bound_to(connection) if connection else None)
        if moved or self._address_gone() or self.client.state in (ClientState.ENABLED, ClientState.LINK_UP):
            self._host_changed("the host's network has changed")

    @property
    def _connection(self) -> socket | None:
        tunnel = self.client.tunnel
        return underlying_socket(tunnel.transport) if tunnel and tunnel.transport else None

    def _address_gone(self) -> bool:
        connection = self._connection
        return connection is not None and not has(connection.getsockname()[0])

    def _switch(self, up: bool) -> None:
        try:
            self._host.configure(self._network(up=up))
        except ConfigError as error:
            self._host.fatal(str(error))

    def quit(self) -> Deferred[Any]:
        """Take the link down and close the connection."""
        self._watch.stop()
        self._lifetime_watch.stop()
        self._precondition.disable("client shutting down")
        return DeferredList([self.client.gone(), self._link.ended()])


class TunnelDaemon(Daemon):
    """A client as a service; each protocol has a subclass."""

    def __init__(
        self,
        options: TunnelOptions,
        reactor: IReactor,
        network: HostNetwork | None = None,
        open_device: Callable[[str], PacketDevice] | None = None,
        open_monitor: Callable[[str], Monitor] | None = None,
    ) -> None:
        super().__init__(options, reactor, network, open_device)
        self._options = options
        self._open_monitor = open_monitor or NetworkMonitor

    def _secret(self, interface: str) -> bytes | None:
        """Return the secret of the interface's identifiers; None if there is no state directory, or it fails."""
        try:
            return interface_secret(interface, self._control_owner)
        except OSError as error:
            self.log.warn(
                "{path}: {reason}; the addresses in the tunnel will change at the next start",
                event="no-stable-address",
                path=error.filename,
                reason=error.strerror,
            )
            return None

    def _host(self, before: NetworkConfig) -> Host:
        """Create the device; the interface stays down, configured so, until the link comes up."""
        device = self.opened(before.interface)
        self.configure(before)
        monitor = self._open_monitor(device.name)
        self._opened.callback(monitor.close)
        return Host(
            device,
            monitor,
            self.configure,
            self.device_lost,
            self.fatal,
            self.interface_changed,
            self.interface_trouble,
        )


def run(daemon: Callable[[IReactor], TunnelDaemon]) -> TunnelDaemon:
    """Make the service of a client for `twistd`, which is a process of its own."""
    from twisted.internet import reactor  # twistd installs it after this module is imported

    signals = StopSignals(reactor)
    allocator.keep_buffers()
    clock_step.install(cast(IReactor, reactor))
    made = daemon(cast(IReactor, reactor))
    atexit.register(made.exit_as_failed)
    made.signals = signals
    return made
