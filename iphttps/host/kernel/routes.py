"""The IPv6 routes through an interface, as the kernel lists them."""

from __future__ import annotations

from ipaddress import IPv6Network
from pathlib import Path

_LIST = Path("/proc/net/ipv6_route")
"""A line for each: destination, length, source, length, next hop, metric, users, uses, flags, interface; all in hex."""

_NO_ROUTE = 0x80000000 | 0x00000200
"""RTF_LOCAL: an address of this host's own; RTF_REJECT: what is not to be reached (linux/ipv6_route.h, route.h)."""


def routes(interface: str, *, link_local: bool = False) -> list[IPv6Network]:
    """Return what is reached through an interface, but for multicast and, unless asked for, `link_local`."""
    return sorted(network for network, name in everywhere(link_local=link_local) if name == interface)


def everywhere(*, link_local: bool = False) -> set[tuple[IPv6Network, str]]:
    """Return every prefix that is reached through an interface, with the interface's name.

    What every interface has is left out: multicast and, unless asked for, `link_local`.
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
