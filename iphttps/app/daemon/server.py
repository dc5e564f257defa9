"""`twistd iphttps-server`: builds the server's objects and joins them."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from ipaddress import IPv6Interface
from typing import Any, cast

from cryptography import x509
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory

from ...core.admission import HandshakeLimiter
from ...core.errors import ConfigError
from ...core.iphttps.assignment import Assignment
from ...core.iphttps.authentication import AuthenticationMode
from ...core.iphttps.clients import ClientTable
from ...core.iphttps.link import OwnAddresses, ServerLink
from ...core.iphttps.neighbors import NeighborCache
from ...core.iphttps.policy import Policy
from ...core.iphttps.request import DEFAULT_PATHS, DEFAULT_SERVER
from ...core.iphttps.router import Advertise, Router
from ...core.iphttps.server import ServerEvent
from ...core.proxy.trusted_proxies import TrustedProxies
from ...host.device.tap import TapDevice
from ...host.kernel.network import NetworkConfig
from ...host.process import allocator
from ...net.device_reader import DeviceReader
from ...net.interfaces import IReactor, PacketDevice
from ...net.iphttps.server import Server
from ...net.listen.accept import AcceptFilter
from ...net.log import set_level
from ...net.stream.poller import Poller
from ...net.tls.contexts import ServerTLS
from ...net.tls.credentials_watch import CredentialsWatch, Paths
from ...net.tls.lifetime import LifetimeWatch
from ...net.tls.revocation_watch import RevocationWatch
from ..config import interface_settings
from ..config.identity_addresses import fixed_addresses
from ..config.reload import Changes, compare, contents
from ..config.server_options import Options
from ..config.tomlfile import CONTROL
from ..control import status
from ..control.resource import Route
from ..control.server_actions import ServerActions
from . import clock_step, gc_tuning, log_file
from .server_authority import ServerAuthority
from .server_port import local_fronts, open_port, warn_of_few_descriptors
from .server_tls import null_warning, tls_settings
from .service import Daemon, HostNetwork
from .state import DaemonState, of_server
from .stop_signals import StopSignals

LINK_LOCAL = IPv6Interface("fe80::1/64")


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
        self._options: Options = options
        self._server: Server | None = None
        self._watch: RevocationWatch | None = None
        self._lifetime_watch: LifetimeWatch | None = None
        self._credentials_watch: CredentialsWatch | None = None
        self._authority: ServerAuthority | None = None

    def prepare(self) -> None:
        """Load the certificates, create the device, set up the host, and listen (3.2.3)."""
        options = self._options
        if options["authority"]:
            self._authority = ServerAuthority(options, self.reactor)
        self._files, self._configured_mode = contents(options), options["authentication"]
        self._tls = tls = self._load_tls()
        self.device = self.open_device(options["interface"])
        self.configure(
            NetworkConfig(
                options["interface"],
                up=True,  # 3.2.3.1: in the Listen state the link is up, with an MTU of 1280
                addresses=(LINK_LOCAL, options.own_address),
                settings=interface_settings.SERVER,
                forwarding=True,  # 3.2.3.1: SHOULD act as a router
            )
        )
        table = ClientTable(*options.client_limits)
        self._link = link = self._make_link(table)
        if isinstance(self.device, TapDevice):
            self.device.answer_for(lambda address: self._cache.holder(address) is not None)
        paths = (options.uri.path,) if options.uri.path else DEFAULT_PATHS
        server = Server(
            self.reactor,
            table,
            link,
            self.device,
            partial(self._listen, tls),
            paths=(*paths, *DEFAULT_PATHS),
            name=DEFAULT_SERVER,
            limiter=HandshakeLimiter(*options.handshake_limits),
            handshake_deadline=options.number("handshake-timeout", 0.1),
        )
        server.demands_identity = self._relies_on_fronts(options.mode)
        server.sources.most = options.sessions_per_source
        if tls:
            tls.changed = server.end_unwelcome
            self._watch = RevocationWatch(self.reactor, tls)
            self._lifetime_watch = LifetimeWatch(self.reactor, lambda: server.end_overdue(tls.now()))
            self._credentials_watch = CredentialsWatch(self.reactor, tls, self._credentials)
        self._reader = DeviceReader(self.reactor, self.device, server.from_host, self.device_lost)
        server.wrote = self._reader.wrote
        self._server = server
        if self._authority:
            self._authority.join(server)
        server.handle(ServerEvent.START)
        warn_of_few_descriptors(options.client_limits[0], self.descriptors)
        if warning := local_fronts(options):
            self.log.warn("{sentence}", event="front-on-loopback", sentence=warning)
        if not options.uri.secure:
            self.log.warn("plain HTTP: use it only behind a TLS terminator", event="plain-http")

    def _load_tls(self) -> ServerTLS | None:
        # Everything in both modes: the mode can change when privileges are gone.
        settings = tls_settings(self._options)
        if settings is None:
            return None
        if warning := null_warning(settings):
            self.log.warn("{sentence}", event="null-encryption", sentence=warning)
        self._authorities = settings.client_ca
        return ServerTLS(replace(settings, client_ca=self._asked_for(self._options.mode)))

    def _credentials(self) -> Paths:
        certificate, key = self._options.path("certificate"), self._options.path("private-key")
        assert certificate
        assert key
        return certificate, key

    def _asked_for(self, mode: AuthenticationMode) -> list[x509.Certificate] | None:
        """Return the authorities of which clients must show a certificate, or None if they need none."""
        return self._authorities if mode is AuthenticationMode.CERTIFICATES else None

    def _make_link(self, table: ClientTable) -> ServerLink:
        options = self._options
        own = OwnAddresses(LINK_LOCAL.ip.packed, options.own_address.ip.packed)
        anycast = options.prefix.network_address  # that of routers on the subnet: RFC 4291 section 2.6.1
        self._cache = cache = NeighborCache(int(options.number("max-addresses", 1)), fixed_addresses(options))
        self._policy = policy = Policy(
            options.mode,
            options.prefix,
            frozenset((own.link_local, own.unicast, anycast.packed)),
            cache,
            options.advertise,
            strict=bool(options["strict"]),
            isolate=options.isolate,
        )
        builtin = options.advertise is Advertise.BUILTIN
        self._router = router = Router(options.advertisement, own.link_local) if builtin else None
        return ServerLink(table, cache, policy, router, own)

    def _listen(self, tls: ServerTLS | None, factory: IProtocolFactory) -> IListeningPort:
        return open_port(self.reactor, self._options, factory, tls, self._accept_filter, self._control_owner[0])

    def _accept_filter(self, factory: IProtocolFactory) -> AcceptFilter:
        assert self._server is not None
        fronts = TrustedProxies(self._options.trusted_proxies)
        announced = bool(self._options["proxy-protocol"])
        server = self._server
        return AcceptFilter(
            factory,
            self.reactor,
            server.limiter,
            server.rejections,
            fronts,
            proxy_protocol=announced,
            patience=lambda: server.handshake_deadline,
            only_fronts=bool(self._options.uri.socket),
        )

    def _relies_on_fronts(self, mode: AuthenticationMode) -> bool:
        """Tell whether fronts say who the clients are, because there is no TLS here."""
        return mode is AuthenticationMode.CERTIFICATES and not self._options.uri.secure

    def routes(self) -> Iterable[Route]:
        """Return what the control socket offers."""
        assert self._server is not None
        assert self.device is not None
        return ServerActions(
            self._server,
            self._link,
            self._cache,
            self.device,
            self._settings,
            self._change_mode,
            self.reload,
            self._not_taken,
        ).routes()

    def condition(self) -> DaemonState:
        """Return whether it listens, and how many clients there are."""
        assert self._server is not None
        return of_server(self._server, str(self._options.uri), [*self._not_taken(), *self.interface_trouble()])

    def _not_taken(self) -> list[str]:
        """Return a sentence for each file that the server has found changed and cannot use."""
        found = []
        if self._watch and self._watch.problem:
            found.append(status.crl_not_taken(self._watch.problem))
        if self._credentials_watch and self._credentials_watch.problem:
            found.append(status.certificate_not_taken(self._credentials_watch.problem))
        return found

    def _settings(self) -> status.Value:
        options = self._options
        assert self.device is not None
        return {
            "authentication": options.mode.value,
            "uri": str(options.uri),
            "interface": options["interface"],
            "interface_changed": self.interface_changed(),
            "offload": self.device.offload,
            "addresses": [str(address) for address in (LINK_LOCAL, options.own_address)],
            "prefix": str(options.prefix),
            "routes": [str(route) for route in options.routes],
            "default_router": bool(options["default-router"]),
            "authority": self._authority and self._authority.status(),
        }

    def _change_mode(self, mode: AuthenticationMode) -> None:
        """Treat new clients by another Authentication Mode (3.2.7.1); raises ConfigError and changes nothing."""
        options = self._options
        before, source = options["authentication"], options.source("authentication")
        options.put("authentication", mode.value, CONTROL)
        try:
            options.check()
            if self._tls:
                self._tls.change(replace(self._tls.settings, client_ca=self._asked_for(mode)))
        except ConfigError:
            options.put("authentication", before, source)
            raise
        self.log.info("authentication mode: {mode}", event="mode-changed", mode=mode.value)
        self._policy.mode = mode
        if self._server:
            self._server.demands_identity = self._relies_on_fronts(mode)
        if self._router:
            self._router.advertisement = options.advertisement

    def reload(self) -> Changes:
        """Read the options and their files again and put them in force; raises ConfigError and changes nothing."""
        with self.supervision.reloading():
            return self._reload()

    def _reload(self) -> Changes:
        assert self._server is not None
        before, fresh = self._options, self._options.again()
        configured, files = fresh["authentication"], contents(fresh)
        if configured == self._configured_mode:
            fresh.keep("authentication", before)  # perhaps set through the control socket since
        changes = compare(before, self._files, fresh, files)
        for name in changes.restart:
            fresh.keep(name, before)
        fresh.check()
        lists = self._tls.settings.revocation if self._tls else None
        assignment, settings = fixed_addresses(fresh), tls_settings(fresh, lists)
        if self._tls and settings:
            asked = settings.client_ca if fresh.mode is AuthenticationMode.CERTIFICATES else None
            self._tls.change(replace(settings, client_ca=asked))  # the last that can fail
            self._authorities = settings.client_ca
            for sentence in settings.revocation.older if settings.revocation else ():
                self.log.warn("{sentence}; accepted because of --allow-older-crl", event="crl-older", sentence=sentence)
        self._options, self._files, self._configured_mode = fresh, files, configured
        set_level(fresh.log_level)
        self._server.limit(*fresh.client_limits, *fresh.handshake_limits, fresh.number("handshake-timeout", 0.1))
        self._server.sources.most = fresh.sessions_per_source
        self._cache.limit = int(fresh.number("max-addresses", 1))
        self._cache.assign(assignment or Assignment())
        self._link.isolate(fresh.isolate)
        if self._router:
            self._router.advertisement = fresh.advertisement
        if "authentication" in changes.now:
            self._policy.mode = fresh.mode
            self._server.demands_identity = self._relies_on_fronts(fresh.mode)
            self._server.handle(ServerEvent.AUTHENTICATION)  # 3.2.7.1: ends every session
        self._server.advertise()
        gc_tuning.look_at_all()  # the options from before refer to themselves
        self.log.info(
            "reloaded; {changes}", event="reloaded", changes=str(changes), changed=changes.now, restart=changes.restart
        )
        return changes

    def _hang_up(self, signum: int, frame: object) -> None:
        self.reactor.callFromThread(self._reload_and_say)

    def _reload_and_say(self) -> None:
        log_file.reopen()
        try:
            self.reload()
        except ConfigError as error:
            self.log.error("reload failed, nothing was changed: {error}", event="not-reloaded", error=str(error))

    def startService(self) -> None:
        """Forward packets from now on, and reload on SIGHUP."""
        super().startService()
        signal.signal(signal.SIGHUP, self._hang_up)
        self._reader.start()
        for kept in self._kept():
            kept.start()

    def _kept(self) -> Iterable[Poller | ServerAuthority]:
        """Return what looks at files and at sessions while the server runs."""
        return filter(None, (self._authority, self._watch, self._lifetime_watch, self._credentials_watch))

    def quit(self) -> Deferred[Any]:
        """Disconnect all clients and enter the Stopped state (3.2.7.3)."""
        assert self._server is not None
        self._reader.stop()
        for kept in self._kept():
            kept.stop()
        self._server.handle(ServerEvent.SHUTDOWN)
        return self._server.gone()


def makeService(options: Options) -> ServerDaemon:
    """Make the service for `twistd`."""
    from twisted.internet import reactor  # installed by twistd only just now

    signals = StopSignals(reactor)
    allocator.keep_buffers()
    clock_step.install(cast(IReactor, reactor))
    gc_tuning.install()
    daemon = ServerDaemon(options, cast(IReactor, reactor))
    atexit.register(daemon.exit_as_failed)
    daemon.signals = signals
    return daemon
