"""The IPv6 routes through an interface, as the kernel lists them."""

from __future__ import annotations

from ipaddress import IPv6Network
from pathlib import Path

_LIST = Path("/proc/net/ipv6_route")
"""One line per route, in hex: destination, length, source, length, next hop, metric, users, uses, flags, name."""

_NO_ROUTE = 0x80000000 | 0x00000200
"""RTF_LOCAL: this host's own address; RTF_REJECT: an unreachable destination (linux/ipv6_route.h, route.h)."""


def routes(interface: str, *, link_local: bool = False) -> list[IPv6Network]:
    """Return the prefixes routed through an interface, without multicast, and with link-local ones if `link_local`."""
    return sorted(network for network, name in all_routes(link_local=link_local) if name == interface)


def all_routes(*, link_local: bool = False) -> set[tuple[IPv6Network, str]]:
    """Return every prefix routed through an interface, with the interface's name.

    Multicast prefixes are left out, and link-local ones unless `link_local`.
    """
    try:
        lines = _LIST.read_text().splitlines()
    except OSError:
        return set()
    found = set()
    for line in lines:
        destination, length, *_, flags, name = line.split()
        if not int(flags, 16) & _NO_ROUTE:
            network = IPv6Network((int(destination, 16), int(length, 16)))
            if not network.is_multicast and (link_local or not network.is_link_local):
                found.add((network, name))
    return found
