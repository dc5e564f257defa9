"""The routes through interfaces, as the kernel lists them."""

from __future__ import annotations

import sys
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from pathlib import Path

_LIST = Path("/proc/net/ipv6_route")
"""One line per route, in hex: destination, length, source, length, next hop, metric, users, uses, flags, name."""

_IPV4_LIST = Path("/proc/net/route")
"""A head, then one line per route: name, destination, gateway, flags, ..., mask in column 7; addresses as in memory."""

_REJECT = 0x200
"""RTF_REJECT: an unreachable destination (linux/route.h)."""

_GATEWAY = 0x2
"""RTF_GATEWAY (linux/route.h)."""

_NO_ROUTE = 0x80000000 | 0x00000200
"""RTF_LOCAL: this host's own address; RTF_REJECT: an unreachable destination (linux/ipv6_route.h, route.h)."""


def routes(interface: str, *, link_local: bool = False) -> list[IPv6Network]:
    """Return the prefixes routed through an interface, without multicast, and with link-local ones if `link_local`."""
    return sorted(network for network, name in all_routes(link_local=link_local) if name == interface)


def all_routes(*, link_local: bool = False, attached: bool = False) -> set[tuple[IPv6Network, str]]:
    """Return every prefix routed through an interface, with the interface's name.

    Multicast prefixes are left out, and link-local ones unless `link_local`; with `attached` also those beyond a
    gateway.
    """
    try:
        lines = _LIST.read_text().splitlines()
    except OSError:
        return set()
    found = set()
    for line in lines:
        destination, length, *_, flags, name = line.split()
        if not int(flags, 16) & (_NO_ROUTE | _GATEWAY * attached):
            network = IPv6Network((int(destination, 16), int(length, 16)))
            if not network.is_multicast and (link_local or not network.is_link_local):
                found.add((network, name))
    return found


def ipv4_routes() -> set[tuple[IPv4Network, str, bool]]:
    """Return every IPv4 network in the main table, its interface's name, and whether it has no gateway."""
    try:
        lines = _IPV4_LIST.read_text().splitlines()[1:]
    except OSError:
        return set()
    found = set()
    for line in lines:
        name, destination, gateway, flags, *_ = columns = line.split()
        if not int(flags, 16) & _REJECT:
            network = IPv4Network((str(_address(destination)), str(_address(columns[7]))))
            found.add((network, name, int(gateway, 16) == 0))
    return found


def _address(text: str) -> IPv4Address:
    return IPv4Address(int(text, 16).to_bytes(4, sys.byteorder))
