"""SSTP on a server's port: its device, its users, and the service, made of the configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from ...core.admission import HandshakeLimiter
from ...core.errors import ConfigError
from ...core.ip.router import Router
from ...core.ip.router_advertisement import RouterAdvertisement
from ...core.queues.rate import RateSettings
from ...core.sstp.ppp.lcp import MRU, Authentication
from ...core.sstp.ppp.pool import AddressPool
from ...core.sstp.reserved import Reserved
from ...core.sstp.sessions import SessionTable
from ...host.device.offload import open_tun
from ...host.device.tun import TunDevice
from ...host.kernel.ipv4 import IPv4Config
from ...host.kernel.network import NetworkConfig
from ...net.eager_reader import EagerReader
from ...net.interfaces import PacketDevice
from ...net.log import logger
from ...net.shared import Shared
from ...net.sstp.service import Binding, SSTPService
from ..config import interface_settings
from ..config.server_config import LINK_LOCAL, ServerConfig
from ..config.sstp_options import SSTPOptions
from ..control import status
from ..control.served import ServedSSTP
from ..control.status import Value
from ..users.database import open_logins
from ..users.logins import FileLogins
from ..users.users_file import User, Users, UsersFile
from .service import Host

MTU = MRU
"""The MTU of the interface, equal to the MRU announced to clients, so that it is the same in both directions."""

PAP_WARNING = (
    "--sstp-authentication pap: the server sees passwords in clear, and the crypto binding does not detect a man in "
    "the middle; use it only for clients without MS-CHAPv2"
)

OPEN_DEVICE: Mapping[bool, Callable[..., PacketDevice]] = {True: open_tun, False: TunDevice}


class ConfiguredSSTP:
    """SSTP as configured."""

    log = logger()

    def __init__(
        self,
        host: Host,
        config: ServerConfig,
        shared: Shared,
        open_device: Callable[[str], PacketDevice] | None = None,
    ) -> None:
        """Create the device, set up the host, and open the users' database; raises ConfigError."""
        self.logins = open_logins(host.reactor, config)
        self._file = self.logins if isinstance(self.logins, FileLogins) else None
        make = OPEN_DEVICE[config.offload]
        self.device = host.opened(
            config.sstp_interface, open_device or (lambda name: make(name, ipv4=bool(config.sstp_pool), mtu=MTU))
        )
        host.configure(_network(config))
        pool = AddressPool(config.sstp_pool) if config.sstp_pool else None
        own = _own_address(config)
        self._router = Router(_advertisement(config), LINK_LOCAL.ip.packed) if own else None
        self.service = SSTPService(
            host.reactor,
            self.logins,
            SessionTable(shared.seats, config.max_sessions_per_identity, shared.numbers),
            self.device,
            os.urandom,
            own=frozenset(
                (
                    LINK_LOCAL.ip.packed,
                    *([own.ip.packed] if own else ()),
                    *([pool.server.packed] if pool is not None else ()),
                )
            ),
            pool=pool,
            prefix=own.ip.packed[:8] if own else b"",
            router=self._router,
            reads=shared.reads,
            limiter=HandshakeLimiter(config.max_handshakes, config.max_handshakes_per_source),
            downlink=shared.downlink,
        )
        self._pool = pool
        self._prefix = config.sstp_prefix
        self._config = config
        if self._file:
            self._reserve(self._file.users)
            self._file.changed = self._changed
        self.put_in_force(config)
        self.logins.ended = self._end_user
        self._host = host
        self._routing: IDelayedCall | None = None
        self.service.outside_changed = self._outside_changed
        self.reader = EagerReader(host.reactor, self.device, self.service.from_host, host.device_lost, shared.downlink)
        self.service.wrote = self.reader.wrote

    def start(self) -> None:
        """Forward packets from now on."""
        self.reader.start()
        self.logins.start()

    def stop(self) -> Deferred[None]:
        """Stop reading the device and the users; fires when a RADIUS server has heard of the end of all sessions.

        The sessions must end next.
        """
        self.reader.stop()
        self.logins.stop()
        self.service.outside_changed = _nothing  # the routes go with the interface
        if self._routing:
            self._routing.cancel()
            self._routing = None
        return self.logins.finished

    def _outside_changed(self) -> None:
        """Set the routes soon: once for all clients that come and go together."""
        if not self._routing:
            self._routing = self._host.reactor.callLater(0.0, self._route)

    def _route(self) -> None:
        """Route the clients' addresses that lie outside the pool to the interface, and no others."""
        self._routing = None
        if self._pool is None:
            return
        try:
            self._host.configure(_network(self._config, self._pool.outside))
        except ConfigError as error:
            self.log.error("{error}; clients cannot be reached", event="not-routed", error=str(error))

    def served(self) -> ServedSSTP:
        """Return the status of SSTP for the control socket."""
        return ServedSSTP(self.service, self.device, self._settings)

    def _settings(self) -> Value:
        config = self._config
        network = _network(config)
        ipv4 = [network.ipv4.address] if network.ipv4 else []
        return {
            "interface": config.sstp_interface,
            "offload": self.device.offload,
            "addresses": [str(address) for address in (*ipv4, *network.addresses)],
            "pool": None if self._pool is None else {"network": str(self._pool.network), "used": len(self._pool)},
            "prefix": config.sstp_prefix and str(config.sstp_prefix),
            "users": len(self._file.users) if self._file else None,
        }

    def not_taken(self) -> list[str]:
        """Return a sentence for a users' database that the server cannot use."""
        problem = self.logins.problem
        if problem is None:
            return []
        return [status.users_not_taken(problem) if self._file else problem]

    def read_users(self, config: ServerConfig) -> UsersFile | None:
        """Read the users for a reload, perhaps from another file; raises ConfigError if they cannot be used."""
        if config.sstp_users is None or self._file is None:  # RADIUS, or SSTP ends with the next restart
            return None
        file = UsersFile(config.sstp_users)
        if self._pool is not None:
            AddressPool(self._pool.network, fixed(file.users))
        if self._prefix:
            reserved(self._prefix, file.users)
        return file

    def put_in_force(self, config: ServerConfig, users: UsersFile | None = None) -> None:
        """Apply the options that take no restart, and perhaps other users; calls under way keep their options."""
        if users and self._file:
            self._file.replace(users)
        service = self.service
        service.limit(config.max_clients, config.max_sessions_per_identity)
        service.limiter.limit(config.max_handshakes, config.max_handshakes_per_source)
        service.sources.most = config.max_sessions_per_source
        self._max_rate = config.max_rate
        self._limit_rates(self.logins.users)
        service.dns = tuple(each.packed for each in config.sstp_dns_server)
        service.binding = Binding(config.sstp_binding, config.sstp_certificate_hash, config.sstp_authentication)
        if self._router and config.sstp_prefix:
            self._router.advertisement = _advertisement(config)
            service.advertise()
        if Authentication.PAP in config.sstp_authentication:
            self.log.warn("{sentence}", event="pap", sentence=PAP_WARNING)

    def _limit_rates(self, users: Users | Sequence[User]) -> None:
        rates = {user.name: user.max_rate for user in users if user.max_rate is not None}
        self.service.rates.change(RateSettings(self._max_rate, rates))

    def _changed(self, users: Users) -> None:
        self._reserve(users)
        self._limit_rates(users)

    def _reserve(self, users: Users) -> None:
        if self._prefix:
            reserved(self._prefix, users)  # before anything is changed
        if self._pool is not None:
            self._pool.reserve(fixed(users))
        self.service.reserved.reserve(fixed6(users))

    def _end_user(self, name: str, reason: str) -> None:
        for entry in self.service.table.of_user(name):
            entry.connection.disconnect(reason)


def fixed(users: Users) -> dict[str, IPv4Address]:
    """Return the fixed IPv4 addresses of users, by name."""
    return {user.name: user.address for user in users if user.address}


def fixed6(users: Users) -> dict[str, IPv6Address]:
    """Return the fixed IPv6 addresses of users, by name."""
    return {user.name: user.address6 for user in users if user.address6}


def reserved(prefix: IPv6Network, users: Users) -> Reserved:
    """Return the fixed IPv6 addresses of users within the clients' prefix; raises ConfigError if one cannot be."""
    made = Reserved(prefix.network_address.packed[:8], frozenset(((prefix.network_address + 1).packed,)))
    made.reserve(fixed6(users))
    return made


def _network(config: SSTPOptions, outside: Iterable[IPv4Address] = ()) -> NetworkConfig:
    own, pool = _own_address(config), config.sstp_pool
    ipv4 = None
    if pool:
        routes = tuple(IPv4Network(address) for address in outside)
        ipv4 = IPv4Config(IPv4Interface((pool.network_address + 1, pool.prefixlen)), routes=routes, forwarding=True)
    return NetworkConfig(
        config.sstp_interface,
        up=True,
        mtu=MTU,
        addresses=(LINK_LOCAL, own) if own else (LINK_LOCAL,),
        settings=interface_settings.SERVER,
        forwarding=bool(own),
        ipv4=ipv4,
    )


def _own_address(config: SSTPOptions) -> IPv6Interface | None:
    """Return the server's address in the prefix, the first one; None without a prefix."""
    prefix = config.sstp_prefix
    return IPv6Interface((prefix.network_address + 1, prefix.prefixlen)) if prefix else None


def _advertisement(config: ServerConfig) -> RouterAdvertisement:
    """Return the advertisement.

    The prefix is on-link: on a point-to-point link nobody resolves neighbours, and Linux ignores route information by
    default, so that an off-link prefix would have no route.
    """
    assert config.sstp_prefix is not None
    return config.advertisement_of(config.sstp_prefix, on_link=True, mtu=MTU)


def _nothing() -> None:
    """Do nothing."""
