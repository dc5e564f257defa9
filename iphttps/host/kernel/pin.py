"""Keeps the connection to the server outside its own tunnel, regardless of the routes in the tunnel.

The connection is bound to the interface through which the server is reached before the tunnel's link comes up
(SO_BINDTODEVICE, socket(7)); the kernel then uses only routes through that interface. A host route would disappear with
the interface's link or address, and the connection's packets would then be routed into the tunnel, which sends yet more
of them. A bound connection waits instead, follows a new gateway on its interface, needs no privilege, does not affect
other programs, and leaves nothing behind however this program ends.
"""

from __future__ import annotations

import errno
import os
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from ...core.errors import ConfigError

RTN_LOCAL = 2  # linux/rtnetlink.h

Address = IPv4Address | IPv6Address


def pin(connection: socket.socket, tunnel: str, *, ipv4: bool = False) -> str | None:
    """Bind a TCP connection to the interface that it uses, and return the interface's name.

    `ipv4` tells whether the tunnel carries IPv4. Returns None if there is nothing to bind: an IPv4 connection, which an
    IPv6 tunnel cannot carry, or one that does not leave the host.

    Raises:
        ConfigError: The connection uses the tunnel's own interface, or cannot be bound.
    """
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        ends = connection.getpeername(), connection.getsockname()
    except OSError as error:
        raise ConfigError(f"the connection to the server is gone: {error.strerror}") from error
    peer, own = (_plain(ip_address(end[0].partition("%")[0])) for end in ends)
    if peer.version == 4 and not ipv4:
        return None
    bound = bound_to(connection)
    name = bound or _interface(connection, peer, own)
    if name == tunnel:
        raise ConfigError(
            f"the server's address {peer} is reached through {tunnel} itself: "
            "give --uri an address, or a name for one, that is reached without the tunnel"
        )
    if name and not bound:
        _bind(connection, name)
    return name


def bound_to(connection: socket.socket) -> str | None:
    """Return the name of the interface that a connection is bound to; None if it is not bound."""
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0").decode() or None


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _interface(connection: socket.socket, peer: Address, own: Address) -> str | None:
    """Return the interface through which the peer is reached, or None if it is this host."""
    end = connection.getpeername()
    if connection.family == socket.AF_INET6 and end[3]:  # a link-local address includes its interface
        return socket.if_indextoname(end[3])
    family = socket.AF_INET if peer.version == 4 else socket.AF_INET6
    try:
        with IPRoute() as netlink:
            (route,) = netlink.route("get", family=family, dst=str(peer), src=str(own))
        return None if route["type"] == RTN_LOCAL else socket.if_indextoname(route.get_attr("RTA_OIF"))
    except NetlinkError as error:
        raise ConfigError(f"there is no route to {peer} any more: {os.strerror(error.code)}") from error
    except OSError as error:
        raise ConfigError(f"the interface to {peer} is gone: {error.strerror}") from error


def _bind(connection: socket.socket, name: str) -> None:
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode() + b"\0")
    except OSError as error:
        old = error.errno == errno.EPERM
        why = "it takes Linux 5.7, or root" if old else error.strerror
        raise ConfigError(f"cannot keep the connection to the server on {name}: {why}") from error
