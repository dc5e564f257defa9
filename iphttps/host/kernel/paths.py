"""The paths from this host to destinations, as the kernel chooses them: gateway, interface, source address."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from .pin import RTN_LOCAL

__all__ = ["Path", "paths"]

_RTN_UNICAST = 1  # linux/rtnetlink.h


@dataclass(frozen=True, slots=True)
class Path:
    """A path: the interface's index, the gateway, None if the destination is on the link, and the source address."""

    interface: int
    gateway: str | None
    source: str | None


def paths(destinations: Iterable[str], tunnel: str | None = None, outside: str | None = None) -> dict[str, Path | None]:
    """Return the path to each IPv4 or IPv6 address; None without a route.

    A path that leads into `tunnel` is not one: the one through the interface `outside` is returned instead, and None if
    `outside` is None.

    Raises:
        OSError: The kernel cannot be asked.
    """
    own, other = _index(tunnel), _index(outside)
    with IPRoute() as netlink:
        return {destination: _path(netlink, destination, own, other) for destination in destinations}


def _path(netlink: IPRoute, destination: str, tunnel: int | None, outside: int | None) -> Path | None:
    found = _ask(netlink, destination)
    if found and found.interface == tunnel:
        return _ask(netlink, destination, oif=outside) if outside else None
    return found


def _ask(netlink: IPRoute, destination: str, **more: int) -> Path | None:
    host, _, zone = destination.partition("%")
    address = ip_address(host)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    if zone:
        if (scope := _index(zone)) is None:
            return None
        more["oif"] = scope
    try:
        (route,) = netlink.route("get", family=family, dst=host, **more)
    except NetlinkError:  # there is none, or a rule or a route rejects the destination
        return None
    if route["type"] not in (_RTN_UNICAST, RTN_LOCAL):
        return None
    return Path(route.get_attr("RTA_OIF"), route.get_attr("RTA_GATEWAY"), route.get_attr("RTA_PREFSRC"))


def _index(name: str | None) -> int | None:
    try:
        return socket.if_nametoindex(name) if name else None
    except OSError:
        return None
