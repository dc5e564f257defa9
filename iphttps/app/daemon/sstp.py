"""SSTP on a server's port: its device, its users, and the service, made of the configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from ipaddress import IPv4Interface, IPv6Interface
from typing import Protocol

from ...core.admission import HandshakeLimiter
from ...core.ip.router import MAXIMUM_INTERVAL, Router
from ...core.ip.router_advertisement import RouterAdvertisement
from ...core.sstp.ppp.lcp import MRU
from ...core.sstp.ppp.pool import AddressPool
from ...core.sstp.sessions import SessionTable
from ...host.device.offload import open_tun
from ...host.device.tun import TunDevice
from ...host.kernel.ipv4 import IPv4Config
from ...host.kernel.network import NetworkConfig
from ...net.device_reader import DeviceReader
from ...net.interfaces import IReactor, PacketDevice
from ...net.sstp.service import Binding, SSTPService
from ..config import interface_settings
from ..config.server_config import LINK_LOCAL, ServerConfig
from ..config.sstp_options import SSTPOptions
from ..users.database import open_logins

MTU = MRU
"""The MTU of the interface: what clients are asked to send at most, so that it is the same both ways."""

OPEN_DEVICE: Mapping[bool, Callable[..., PacketDevice]] = {True: open_tun, False: TunDevice}


class Host(Protocol):
    """The interface of the daemon used to set up SSTP."""

    reactor: IReactor

    def opened(self, interface: str, open_device: Callable[[str], PacketDevice] | None = None) -> PacketDevice: ...
    def configure(self, config: NetworkConfig) -> None: ...
    def device_lost(self, error: OSError) -> None: ...


class ConfiguredSSTP:
    """SSTP as configured."""

    def __init__(
        self, host: Host, config: ServerConfig, open_device: Callable[[str], PacketDevice] | None = None
    ) -> None:
        """Create the device, set up the host, and read the users file; raises ConfigError."""
        self.logins = open_logins(host.reactor, config)
        make = OPEN_DEVICE[config.offload]
        self.device = host.opened(
            config.sstp_interface, open_device or (lambda name: make(name, ipv4=bool(config.sstp_pool), mtu=MTU))
        )
        host.configure(_network(config))
        pool = AddressPool(config.sstp_pool) if config.sstp_pool else None
        own = _own_address(config)
        self.service = SSTPService(
            host.reactor,
            self.logins,
            SessionTable(config.max_clients, config.max_sessions_per_identity),
            self.device,
            os.urandom,
            own=frozenset(
                (LINK_LOCAL.ip.packed, *([own.ip.packed] if own else ()), *([pool.server.packed] if pool else ()))
            ),
            pool=pool,
            prefix=own.ip.packed[:8] if own else b"",
            router=Router(_advertisement(config), LINK_LOCAL.ip.packed) if own else None,
            binding=Binding(config.sstp_binding, config.sstp_certificate_hash, config.sstp_authentication),
            limiter=HandshakeLimiter(config.max_handshakes, config.max_handshakes_per_source),
        )
        self.put_in_force(config)
        self.logins.ended = self._end_user
        self.reader = DeviceReader(host.reactor, self.device, self.service.from_host, host.device_lost)
        self.service.wrote = self.reader.wrote

    def start(self) -> None:
        """Forward packets from now on."""
        self.reader.start()
        self.logins.start()

    def stop(self) -> None:
        """Stop reading the device and the users file."""
        self.reader.stop()
        self.logins.stop()

    def put_in_force(self, config: ServerConfig) -> None:
        """Apply the options that take no restart."""
        service = self.service
        service.limit(config.max_clients, config.max_sessions_per_identity)
        service.sources.most = config.max_sessions_per_source
        service.dns = tuple(each.packed for each in config.sstp_dns_server)
        if service.pool:
            fixed = {user.name: user.address for user in self.logins.users if user.address}
            service.pool.reserve(fixed)
        self.logins.look()

    def _end_user(self, name: str, reason: str) -> None:
        for entry in self.service.table.of_user(name):
            entry.connection.disconnect(reason)


def _network(config: SSTPOptions) -> NetworkConfig:
    own, pool = _own_address(config), config.sstp_pool
    ipv4 = None
    if pool:
        ipv4 = IPv4Config(IPv4Interface((pool.network_address + 1, pool.prefixlen)), forwarding=True)
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
    return RouterAdvertisement(
        config.sstp_prefix,
        mtu=MTU,
        router_lifetime=int(3 * MAXIMUM_INTERVAL) if config.default_router else 0,
        routes=config.route,
        valid_lifetime=config.valid_lifetime,
        preferred_lifetime=config.preferred_lifetime,
        dns_servers=config.dns_server,
        search_domains=config.search_domain,
        nat64=config.nat64,
    ).with_prefix(on_link=True)
