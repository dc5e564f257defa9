"""IP-HTTPS on a server's port: its device, its link, and the service, made of the configuration."""

from __future__ import annotations

from ...core.http.answer import DEFAULT_SERVER
from ...core.ip.router import Advertise, Router
from ...core.iphttps.authentication import AuthenticationMode
from ...core.iphttps.clients import ClientTable
from ...core.iphttps.link import OwnAddresses, ServerLink
from ...core.iphttps.neighbors import NeighborCache
from ...core.iphttps.policy import Policy
from ...core.iphttps.request import DEFAULT_PATHS
from ...core.queues.rate import RateSettings
from ...host.device.tap import TapDevice
from ...host.kernel.network import NetworkConfig
from ...net.eager_reader import EagerReader
from ...net.iphttps.service import IPHTTPSService
from ...net.shared import Shared
from ...net.stream.compiled import LOOPS
from ..config import interface_settings
from ..config.addresses.identity_addresses import Identities, identities
from ..config.server_config import LINK_LOCAL, ServerConfig
from ..control.served import ServedIPHTTPS
from ..control.status import Value
from .server_tls import certificate_policy
from .service import Host


class ConfiguredIPHTTPS:
    """IP-HTTPS as configured."""

    def __init__(self, host: Host, config: ServerConfig, shared: Shared) -> None:
        """Create the device and set up the host; raises ConfigError."""
        self.device = host.opened(config.interface)
        host.configure(
            NetworkConfig(
                config.interface,
                up=True,  # 3.2.3.1: in the Listen state the link is up, with an MTU of 1280
                addresses=(LINK_LOCAL, config.own_address),
                settings=interface_settings.SERVER,
                forwarding=True,  # 3.2.3.1: SHOULD act as a router
            )
        )
        table = ClientTable(shared.seats, config.max_sessions_per_identity, shared.numbers)
        known = identities(config)
        self.cache = NeighborCache(config.max_addresses, known.assignment)
        self.router = _router(config)
        self.link = _link(config, table, self.cache, self.router)
        if isinstance(self.device, TapDevice):
            self.device.answer_for(lambda address: self.cache.holder(address) is not None)
        paths = (config.uri.path,) if config.uri.path else DEFAULT_PATHS
        self.service = IPHTTPSService(
            host.reactor,
            table,
            self.link,
            self.device,
            certificate=certificate_policy(config.authentication),
            paths=(*paths, *DEFAULT_PATHS),
            name=DEFAULT_SERVER,
            reads=shared.reads,
            downlink=shared.downlink,
        )
        self.service.sources.most = config.max_sessions_per_source
        self.service.rates.change(RateSettings(config.max_rate, known.rates))
        self.reader = EagerReader(host.reactor, self.device, self.service.from_host, host.device_lost, shared.downlink)
        self.service.wrote = self.reader.wrote

    def change_mode(self, mode: AuthenticationMode) -> None:
        """Apply a new Authentication Mode to later sessions (3.2.7.1)."""
        self.link.change_mode(mode)
        self.service.certificate = certificate_policy(mode)

    def put_in_force(self, config: ServerConfig, known: Identities) -> None:
        """Apply the options that take no restart, except for the Authentication Mode."""
        self.service.limit(config.max_clients, config.max_sessions_per_identity)
        self.service.sources.most = config.max_sessions_per_source
        self.cache.limit = config.max_addresses
        self.cache.assign(known.assignment)
        self.service.rates.change(RateSettings(config.max_rate, known.rates))
        self.link.isolate(config.isolate)
        if self.router:
            self.router.advertisement = config.advertisement

    def served(self) -> ServedIPHTTPS:
        """Return the status of IP-HTTPS for the control socket."""
        return ServedIPHTTPS(self.service, self.link, self.cache, self.device)

    def settings(self, config: ServerConfig) -> Value:
        """Return the part of the status that reflects the options in force."""
        return {
            "interface": config.interface,
            "offload": self.device.offload,
            "addresses": [str(address) for address in (LINK_LOCAL, config.own_address)],
            "prefix": str(config.prefix),
        }


NOT_SERVED: Value = {"interface": None, "offload": [], "addresses": [], "prefix": None}
"""The settings of a server without IP-HTTPS."""


def _router(config: ServerConfig) -> Router | None:
    builtin = config.advertise is Advertise.BUILTIN
    return Router(config.advertisement, LINK_LOCAL.ip.packed) if builtin else None


def _link(config: ServerConfig, table: ClientTable, cache: NeighborCache, router: Router | None) -> ServerLink:
    own = OwnAddresses(LINK_LOCAL.ip.packed, config.own_address.ip.packed)
    prefix = config.own_address.network
    anycast = prefix.network_address  # the Subnet-Router anycast address: RFC 4291 section 2.6.1
    policy = Policy(
        config.authentication,
        prefix,
        frozenset((own.link_local, own.unicast, anycast.packed)),
        cache,
        config.advertise,
        strict=config.strict,
        isolate=config.isolate,
    )
    return ServerLink(table, cache, policy, router, own, loops=LOOPS)
