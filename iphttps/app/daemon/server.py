"""`twistd iphttps-server`: builds the server's objects and joins them."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from itertools import count
from typing import cast

from twisted.internet.interfaces import IListeningPort, IProtocolFactory

from ...core.admission import HandshakeLimiter
from ...core.http.answer import DEFAULT_SERVER
from ...core.iphttps.server import ServerEvent
from ...core.proxy.trusted_proxies import TrustedProxies
from ...core.seats import Seats
from ...host.process import allocator
from ...net.downlink import Downlink
from ...net.interfaces import IReactor, PacketDevice
from ...net.iphttps.server import Server
from ...net.listen.accept import AcceptFilter
from ...net.listen.listener import Listener
from ...net.shared import Shared
from ...net.stream.read_scheduler import ReadScheduler
from ..config.reload import contents
from ..config.server_config import ServerConfig
from ..config.server_options import Options
from .iphttps import ConfiguredIPHTTPS
from .process import clock_step, gc_tuning
from .process.stop_signals import StopSignals
from .running_server import RunningServer
from .server_authority import ServerAuthority
from .server_port import local_fronts, open_port, warn_of_few_descriptors
from .server_tls import ConfiguredTLS, null_warning
from .service import Daemon, HostNetwork
from .sstp import ConfiguredSSTP


class ServerDaemon(Daemon):
    """The server as a service."""

    def __init__(
        self,
        options: Options,
        reactor: IReactor,
        network: HostNetwork | None = None,
        open_device: Callable[[str], PacketDevice] | None = None,
    ) -> None:
        super().__init__(options, reactor, network, open_device)
        self._options = options
        self._open_sstp_device = open_device

    def prepare(self) -> RunningServer:
        """Load the certificates, create the device, set up the host, and listen (3.2.3)."""
        config = self._options.config
        authority = ServerAuthority(config.authority, config.publish, self.reactor) if config.authority else None
        files = contents(config)
        tls = self._load_tls(config)
        seats = Seats(config.max_clients)
        shared = Shared(seats, count(1), ReadScheduler(self.reactor), Downlink(self.reactor))
        iphttps = ConfiguredIPHTTPS(self, config, shared) if config.serves_iphttps else None
        sstp = ConfiguredSSTP(self, config, shared, self._open_sstp_device) if config.serves_sstp else None

        def filtered(factory: IProtocolFactory) -> AcceptFilter:
            return AcceptFilter(
                factory,
                self.reactor,
                listener.limiter,
                listener.rejections,
                TrustedProxies(config.trusted_proxy),
                proxy_protocol=config.proxy_protocol,
                patience=lambda: listener.handshake_deadline,
                only_fronts=bool(config.uri.socket),
            )

        def listen(factory: IProtocolFactory) -> IListeningPort:
            return open_port(self.reactor, config, factory, tls.tls if tls else None, filtered, self._control_owner[0])

        documents = (authority.documents,) if authority else ()
        services = (*([iphttps.service] if iphttps else ()), *([sstp.service] if sstp else ()))
        listener = Listener(
            self.reactor,
            listen,
            (*documents, *services),
            name=DEFAULT_SERVER,
            limiter=HandshakeLimiter(config.max_handshakes, config.max_handshakes_per_source),
            handshake_deadline=config.handshake_timeout,
        )
        server = Server(self.reactor, listener, iphttps.service if iphttps else None)
        running = RunningServer(
            self.reactor,
            self._options,
            files,
            server=server,
            iphttps=iphttps,
            sstp=sstp,
            tls=tls,
            authority=authority,
            supervision=self.supervision,
            seats=seats,
            interface_changed=self.interface_changed,
            interface_trouble=self.interface_trouble,
        )
        if authority:
            authority.join(listener)
        server.handle(ServerEvent.START)
        warn_of_few_descriptors(config.max_clients, self.descriptors)
        if warning := local_fronts(config):
            self.log.warn("{sentence}", event="front-on-loopback", sentence=warning)
        if not config.uri.secure:
            self.log.warn("plain HTTP: only for use behind something that terminates TLS", event="plain-http")
        return running

    def _load_tls(self, config: ServerConfig) -> ConfiguredTLS | None:
        tls = ConfiguredTLS.load(config)
        if tls and (warning := null_warning(tls.tls.settings)):
            self.log.warn("{sentence}", event="null-encryption", sentence=warning)
        return tls


def makeService(options: Options) -> ServerDaemon:
    """Make the service for `twistd`."""
    from twisted.internet import reactor  # twistd installs it after this module is imported

    signals = StopSignals(reactor)
    allocator.keep_buffers()
    clock_step.install(cast(IReactor, reactor))
    gc_tuning.install()
    daemon = ServerDaemon(options, cast(IReactor, reactor))
    atexit.register(daemon.exit_as_failed)
    daemon.signals = signals
    return daemon
