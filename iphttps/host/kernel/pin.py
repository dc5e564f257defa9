"""Keeps the connection to the server outside its own tunnel, whatever routes the tunnel brings.

The connection is bound to the interface by which the server is reached before the tunnel's link comes up
(SO_BINDTODEVICE, socket(7)); from then on the kernel looks only at routes through that interface. A host route would
do as long as nothing changes, but it goes with the interface's link or its address, and then the packets of the
connection are routed into the tunnel, which makes more of them, until somebody has noticed. A bound connection
waits, follows a new gateway on its interface, needs no privilege, concerns no other program's packets, and leaves
nothing behind, however this program ends.
"""

from __future__ import annotations

import errno
import os
import socket
from ipaddress import IPv6Address

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from ...core.errors import ConfigError

RTN_LOCAL = 2  # linux/rtnetlink.h


def pin(connection: socket.socket, tunnel: str) -> str | None:
    """Bind a TCP connection to the interface it uses, and return that one's name.

    None says that there is nothing to bind: it is an IPv4 connection, which an IPv6 tunnel cannot carry, or does
    not leave the host. Raises ConfigError if the connection goes through the tunnel's own interface, or cannot be
    bound.
    """
    if connection.family != socket.AF_INET6:
        return None
    try:
        ends = connection.getpeername(), connection.getsockname()
    except OSError as error:
        raise ConfigError(f"the connection to the server is gone: {error.strerror}") from error
    peer, own = (IPv6Address(end[0].partition("%")[0]) for end in ends)
    if peer.ipv4_mapped:
        return None
    bound = connection.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0").decode()
    name = bound or _interface(connection, peer, own)
    if name == tunnel:
        raise ConfigError(
            f"the server's address {peer} is reached through {tunnel} itself: "
            "give --uri an address, or a name for one, that is reached without the tunnel"
        )
    if name and not bound:
        _bind(connection, name)
    return name


def _interface(connection: socket.socket, peer: IPv6Address, own: IPv6Address) -> str | None:
    """Return the interface by which the peer is reached, or None if it is this host."""
    if scope := connection.getpeername()[3]:  # a link-local address has its interface with it
        return socket.if_indextoname(scope)
    try:
        with IPRoute() as netlink:
            (route,) = netlink.route("get", family=socket.AF_INET6, dst=str(peer), src=str(own))
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
