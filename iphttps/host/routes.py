"""The IPv6 routes through an interface, as the kernel lists them."""

from __future__ import annotations

from ipaddress import IPv6Network
from pathlib import Path

_LIST = Path("/proc/net/ipv6_route")
"""A line for each: destination, length, source, length, next hop, metric, users, uses, flags, interface; all in hex."""

_NO_ROUTE = 0x80000000 | 0x00000200
"""RTF_LOCAL: an address of this host's own; RTF_REJECT: what is not to be reached (linux/ipv6_route.h, route.h)."""


def routes(interface: str) -> list[IPv6Network]:
    """Return what is reached through an interface, beyond what every interface has: link-local and multicast."""
    return sorted(network for network, name in everywhere() if name == interface)


def everywhere() -> set[tuple[IPv6Network, str]]:
    """Return every prefix that is reached through an interface, with the interface's name."""
    try:
        lines = _LIST.read_text().splitlines()
    except OSError:
        return set()
    found = set()
    for line in lines:
        destination, length, *_, flags, name = line.split()
        if not int(flags, 16) & _NO_ROUTE:
            network = IPv6Network((int(destination, 16), int(length, 16)))
            if not network.is_link_local and not network.is_multicast:
                found.add((network, name))
    return found
