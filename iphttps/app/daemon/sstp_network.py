"""The network configuration of an SSTP client: negotiated addresses and routes, unless they break connectivity."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address

from ...core.errors import ConfigError
from ...core.sstp.client_call import LinkUp
from ...host.kernel.conflicts import attached, hidden, strict_reverse_path
from ...host.kernel.ipv4 import IPv4Config
from ...host.kernel.network import NetworkConfig
from ...host.kernel.routes import ipv4_routes
from ..config.interface_settings import CLIENT
from ..config.sstp_client_config import SSTPClientConfig

__all__ = ["EVERYTHING", "LINK_LOCAL", "check", "harmless_peer", "network_config"]

Network = IPv4Network | IPv6Network

EVERYTHING: dict[int, tuple[Network, ...]] = {
    4: (IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1")),
    6: (IPv6Network("::/1"), IPv6Network("8000::/1")),
}
"""The default route by IP version, as two halves: they precede a default route of the host's without replacing it."""

LINK_LOCAL = b"\xfe\x80" + bytes(6)
"""The prefix of link-local addresses."""


def network_config(
    config: SSTPClientConfig, link: LinkUp | None = None, peer: IPv4Address | None = None
) -> NetworkConfig:
    """Return the configuration of the client's interface: down, or up as it was negotiated.

    `peer` is the server's address in the tunnel, if the host is to have a route to it. The kernel forms no link-local
    address, as IPV6CP has given one; it forms the others from Router Advertisements.
    """
    settings = {**CLIENT, "addr_gen_mode": 1, "accept_ra_defrtr": int(config.default_route)}
    if link is None:
        return NetworkConfig(config.interface, up=False, mtu=config.mtu, settings=settings, ipv4=IPv4Config())
    routes = _routes(config, link)
    ipv4 = tuple(network for network in routes if isinstance(network, IPv4Network))
    return NetworkConfig(
        config.interface,
        up=True,
        mtu=min(config.mtu, link.mtu),
        addresses=(IPv6Interface((LINK_LOCAL + link.ipv6.identifier, 64)),) if link.ipv6 else (),
        settings=settings,
        ipv4=IPv4Config(IPv4Interface(link.ipv4.address), peer, ipv4) if link.ipv4 else IPv4Config(),
        routes=tuple(network for network in routes if isinstance(network, IPv6Network)),
    )


def _routes(config: SSTPClientConfig, link: LinkUp) -> list[Network]:
    """Return the networks to reach through the tunnel, of the families that it carries."""
    carried = [version for version, found in ((4, link.ipv4), (6, link.ipv6)) if found]
    wanted = [network for network in config.route if network.version in carried]
    return [*wanted, *(half for version in carried if config.default_route for half in EVERYTHING[version])]


def check(config: SSTPClientConfig, link: LinkUp, outer: str) -> None:
    """Check that neither the address assigned nor a route collides with this host's networks.

    `outer` is the remote address of the connection, the server's or a proxy's.

    Raises:
        ConfigError: One does.
    """
    if link.ipv4:
        own = IPv4Address(link.ipv4.address)
        if str(own) == outer:
            raise ConfigError(f"the server assigns {own}, the address at which it is reached: its pool must be another")
        if found := attached(own, config.interface):
            raise ConfigError(
                f"the server assigns {own}, which lies in this host's own network {found[0]} on {found[1]}: the server"
                " needs another pool, or this host another network"
            )
    if conflict := hidden(config.route, config.interface):
        route, local, name = conflict
        raise ConfigError(
            f"--route {route} would hide this host's own network {local} on {name}: leave it out, or renumber one of"
            " the two networks"
        )
    _check_reverse_path(config, outer)


def _check_reverse_path(config: SSTPClientConfig, outer: str) -> None:
    """Check that the kernel does not drop the packets of the connection itself, once the tunnel has its route."""
    try:
        address = ip_address(outer)
    except ValueError:  # a UNIX socket
        return
    if address.version == 6 or not (config.default_route or any(address in route for route in config.route)):
        return
    others = [(network, name) for network, name, _ in ipv4_routes() if name != config.interface and address in network]
    if not others:
        return
    name = max(others, key=lambda each: each[0].prefixlen)[1]
    if strict_reverse_path(name):
        raise ConfigError(
            f"net.ipv4.conf.{name}.rp_filter, or that of all, is 1: the packets of the connection to {outer} would be"
            " dropped while the tunnel has the route there: set it to 2"
        )


def harmless_peer(config: SSTPClientConfig, link: LinkUp, outer: str) -> IPv4Address | None:
    """Return the server's address in the tunnel, unless a route to it would replace one that this host needs."""
    if not link.ipv4 or not link.ipv4.peer:
        return None
    peer = IPv4Address(link.ipv4.peer)
    return None if str(peer) == outer or attached(peer, config.interface) else peer
