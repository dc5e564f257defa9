"""`twistd iphttps-client`: builds the client's objects and joins them."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Callable, Iterable
from random import random
from time import time
from typing import Any, cast

from twisted.internet.defer import Deferred, DeferredList

from ...core.errors import ConfigError
from ...core.iphttps.client import ClientMachine
from ...core.iphttps.reconnect import ReconnectTimer
from ...host.kernel.addresses import addresses, has, usable
from ...host.kernel.monitor import NetworkMonitor
from ...host.kernel.network import LINK, NetworkConfig, Wanted
from ...host.kernel.pin import pin
from ...host.kernel.routes import routes
from ...host.process import allocator
from ...net.connect.condition import ConnectCondition
from ...net.device_reader import DeviceReader
from ...net.interfaces import IReactor, PacketDevice
from ...net.iphttps.client import Client, ClientSession
from ...net.stream.underlying import underlying_socket
from ...net.tls.lifetime import LifetimeWatch
from ..config.client_options import Options
from ..config.interface_settings import client_settings
from ..control.client_actions import ClientActions
from ..control.resource import Route
from ..control.status import Value
from . import clock_step, log_file
from .address_watch import AddressWatch
from .client_link import ClientLink
from .client_servers import Servers
from .hooks.resolved import Resolved, resolvectl
from .hooks.scripts import LinkFacts, Scripts
from .host_watch import HostWatch, Monitor
from .service import Daemon, HostNetwork
from .state import DaemonState, of_client
from .stop_signals import StopSignals


class ClientDaemon(Daemon):
    """The client as a service."""

    def __init__(
        self,
        options: Options,
        reactor: IReactor,
        network: HostNetwork | None = None,
        open_device: Callable[[str], PacketDevice] | None = None,
        open_monitor: Callable[[str], Monitor] | None = None,
    ) -> None:
        super().__init__(options, reactor, network, open_device)
        self._options: Options = options
        self._open_monitor = open_monitor or NetworkMonitor
        self._monitor: Monitor | None = None
        self._watch: HostWatch | None = None
        self._link: ClientLink | None = None
        self._address_watch: AddressWatch | None = None
        self._servers: Servers | None = None
        self._client: Client | None = None
        self._precondition: ConnectCondition | None = None
        self._lifetime_watch: LifetimeWatch | None = None

    def prepare(self) -> None:
        """Load the certificates and create the device, which stays down until the link is up."""
        options = self._options
        self._servers = servers = Servers(self.reactor, options)
        self.device = device = self.open_device(options["interface"])
        self._configure(up=False)
        self._link = self._host_link()
        self._monitor = self._open_monitor(device.name)
        self._watch = HostWatch(
            self.reactor,
            self._monitor,
            changed=self._host_changed,
            addressed=self._link.addressed,
            announced=self._link.announced,
        )
        timer = ReconnectTimer(options.number("reconnect-initial", 0.1), options.number("reconnect-maximum", 0.1))
        self._client = client = Client(
            self.reactor,
            ClientMachine(timer, len(servers.all)),
            servers.all,
            device,
            lambda deliver: DeviceReader(self.reactor, device, deliver, self.device_lost),
            bring_up=self._bring_up,
            take_down=self._take_down,
            choose=servers.choose,
            own_address=self._own_address,
            keepalive=options.number("keepalive", 0),
            random=random,
        )
        self._address_watch = AddressWatch(
            self.reactor, options["interface"], LINK | self._settings, lambda: client.liveness.router is not None
        )
        self._precondition = ConnectCondition(self.reactor, self._client, servers.needed, servers.unmet)
        self._lifetime_watch = LifetimeWatch(self.reactor, lambda: client.end_overdue(time()))

    def _host_link(self) -> ClientLink:
        interface = self._options["interface"]
        return ClientLink(
            self.reactor,
            LinkFacts(interface),
            Scripts(self.reactor, self._options.scripts),
            Resolved(self.reactor, interface, resolvectl()),
            switch=self._switch,
            addresses=lambda: usable(interface),
            refuse=self._refuse,
        )

    def _own_address(self) -> bytes | None:
        found = addresses(self._options["interface"])
        return next((address.packed for address in found if address.ip.is_link_local), None)

    def startService(self) -> None:
        """Enable the client."""
        super().startService()
        assert self._watch is not None
        assert self._precondition is not None
        self._watch.start()
        signal.signal(signal.SIGHUP, self._hang_up)
        self._precondition.enable()
        if self._lifetime_watch:
            self._lifetime_watch.start()

    def _hang_up(self, number: int, frame: object) -> None:
        self.reactor.callFromThread(log_file.reopen)
        self.reactor.callFromThread(
            self.log.info,
            "a client does not reload: changes of the configuration or its files need a restart, except for the"
            " revocation lists and the proxy login, which are read for each attempt",
            event="nothing-to-reload",
        )

    def routes(self) -> Iterable[Route]:
        """Return what the control socket offers."""
        assert self._client is not None
        assert self._precondition is not None
        assert self.device is not None
        return ClientActions(self._client, self._precondition, self.device, self._host_side, self._not_taken).routes()

    def _not_taken(self) -> list[str]:
        assert self._servers is not None
        return self._servers.not_taken()

    def condition(self) -> DaemonState:
        """Return how far the link has come, and what is in its way."""
        assert self._client is not None
        assert self._precondition is not None
        assert self._link is not None
        looking, waiting = self._precondition.looking, self._precondition.waiting
        return of_client(
            self._client,
            looking=looking,
            waiting=waiting,
            used=self._link.used,
            obstacle=self._obstacle,
            troubles=[*self._not_taken(), *self.interface_trouble()],
        )

    def solicit(self) -> None:
        """Have routers announce again what another program has removed."""
        if self._client:
            self._client.liveness.solicit()

    @property
    def _obstacle(self) -> str | None:
        return self._address_watch.obstacle if self._address_watch else None

    @property
    def _settings(self) -> dict[str, int | Wanted]:
        return client_settings(self._options)

    def _host_side(self) -> Value:
        """Return what the host has of the link, for the status."""
        interface = self._options["interface"]
        assert self.device is not None
        return {
            "interface": interface,
            "interface_changed": self.interface_changed(),
            "offload": self.device.offload,
            "addresses": [str(address) for address in addresses(interface)],
            "routes": [str(prefix) for prefix in routes(interface)],
            "obstacle": self._obstacle,
        }

    def _bring_up(self, tunnel: ClientSession) -> None:
        # Not before the link is up: the kernel solicits routers at once, and only for a while.
        assert self._link is not None
        assert self._client is not None
        transport = tunnel.transport
        assert transport is not None
        try:
            if connection := underlying_socket(transport):
                pin(connection, self._options["interface"])
        except ConfigError as error:
            self._refuse(str(error))
        else:
            self._link.up(self._client.server.uri, str(getattr(transport.getPeer(), "host", "")))
            if self._address_watch:
                self._address_watch.start()

    def _take_down(self) -> None:
        assert self._link is not None
        if self._address_watch:
            self._address_watch.stop()
        self._link.down()

    def _refuse(self, sentence: str) -> None:
        """End the session for a reason found in it; not at once, for it may just be opening."""
        tunnel = self._client.tunnel if self._client else None
        if tunnel:
            self.reactor.callLater(0, tunnel.disconnect, sentence)

    def _host_changed(self, what: str) -> None:
        """Something has happened to the host that the connection may not have survived."""
        assert self._precondition is not None
        assert self._servers is not None
        self.log.info("{what}", event="network-changed", what=what)
        self._servers.network_changed()
        self._precondition.network_changed(address_gone=self._address_gone())

    def _address_gone(self) -> bool:
        tunnel = self._client.tunnel if self._client else None
        connection = underlying_socket(tunnel.transport) if tunnel and tunnel.transport else None
        return connection is not None and not has(connection.getsockname()[0])

    def _switch(self, up: bool) -> None:
        try:
            self._configure(up=up)
        except ConfigError as error:
            self.fatal(str(error))

    def _configure(self, *, up: bool) -> None:
        self.configure(NetworkConfig(self._options["interface"], up=up, settings=self._settings))

    def quit(self) -> Deferred[Any]:
        """Take the link down and close the connection."""
        assert self._client is not None
        assert self._precondition is not None
        assert self._link is not None
        assert self._watch is not None
        self._watch.stop()
        if self._lifetime_watch:
            self._lifetime_watch.stop()
        self._precondition.disable("the client is shutting down")
        return DeferredList([self._client.gone(), self._link.ended()])

    def _clean_up(self) -> None:
        super()._clean_up()
        if self._monitor:
            self._monitor.close()
            self._monitor = None


def makeService(options: Options) -> ClientDaemon:
    """Make the service for `twistd`."""
    from twisted.internet import reactor  # installed by twistd only just now

    signals = StopSignals(reactor)
    allocator.keep_buffers()
    clock_step.install(cast(IReactor, reactor))
    daemon = ClientDaemon(options, cast(IReactor, reactor))
    atexit.register(daemon.exit_as_failed)
    daemon.signals = signals
    return daemon
