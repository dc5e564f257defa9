"""Detects conflicts of a tunnel's addresses and prefixes with the networks that this host is attached to."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from pathlib import Path

from .routes import all_routes, ipv4_routes

_CONF = Path("/proc/sys/net/ipv4/conf")


def attached(address: IPv4Address, tunnel: str) -> tuple[IPv4Network, str] | None:
    """Return the attached network of another interface that contains an address, and the interface; or else None."""
    found = [
        (network, name)
        for network, name, direct in ipv4_routes()
        if direct and name != tunnel and network.prefixlen and address in network
    ]
    return max(found, key=lambda each: each[0].prefixlen, default=None)


def hidden(
    routes: Iterable[IPv4Network | IPv6Network], tunnel: str
) -> tuple[IPv4Network | IPv6Network, IPv4Network | IPv6Network, str] | None:
    """Return a route that would hide all or part of an attached network, with that network and its interface.

    A route to a larger network hides nothing, because the kernel prefers the longer prefix.
    """
    local: list[tuple[IPv4Network | IPv6Network, str]] = [
        (network, name) for network, name, direct in ipv4_routes() if direct and network.prefixlen
    ]
    local += [(network, name) for network, name in all_routes(attached=True) if network.prefixlen]
    for route in routes:
        for network, name in local:
            if name not in (tunnel, "lo") and route.version == network.version and _within(route, network):
                return route, network, name
    return None


def strict_reverse_path(interface: str) -> bool:
    """Return True if an interface drops IPv4 packets whose source is routed through another (rp_filter=1, RFC 3704)."""
    values = []
    for name in ("all", interface):
        try:
            values.append(int((_CONF / name / "rp_filter").read_text()))
        except (OSError, ValueError):
            values.append(0)
    return max(values) == 1


def _within(route: IPv4Network | IPv6Network, network: IPv4Network | IPv6Network) -> bool:
    return route.prefixlen >= network.prefixlen and route.network_address in network
