"""The tunnel's own interface: its state in the kernel, and a socket that reports changes."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys
from dataclasses import dataclass
from ipaddress import IPv6Interface, IPv6Network

from ...core.errors import ConfigError
from .addresses import addresses
from .routes import routes

_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1  # linux/socket.h, linux/netlink.h
_GROUPS = (1, 9, 11)  # RTNLGRP_LINK, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE
_LINKS, _ADDRESSES, _ROUTES = (16, 17), (20, 21), (24, 25)  # RTM_NEWLINK, RTM_DELLINK and so on
_READS = 64
_LONGEST = 1 << 16
_MESSAGE = struct.Struct("=IHHII")  # struct nlmsghdr, netlink(7)
_INDEX = struct.Struct("=4xi")  # the index in struct ifinfomsg and struct ifaddrmsg, rtnetlink(7)
_ROUTE_SIZE, _ATTRIBUTE = 12, struct.Struct("=HH")  # struct rtmsg, struct rtattr
_RTA_OIF = 4
_SIOCGIFFLAGS, _SIOCGIFMTU = 0x8913, 0x8921  # linux/sockios.h
_IFF_UP, _IFF_NOARP, _IFF_MULTICAST = 0x1, 0x80, 0x1000  # linux/if.h
_FLAGS = struct.Struct("16sH22x")  # struct ifreq, netdevice(7)
_MTU = struct.Struct("16si20x")


@dataclass(frozen=True, slots=True)
class LinkState:
    """The state of an interface in the kernel; `routes` are the prefixes routed through it, link-local included."""

    name: str
    up: bool
    arp: bool
    multicast: bool
    mtu: int
    addresses: tuple[IPv6Interface, ...]
    routes: tuple[IPv6Network, ...]


class InterfaceMonitor:
    """A monitor of one interface's state; needs no privileges."""

    def __init__(self, interface: str) -> None:
        """Start listening.

        Raises:
            ConfigError: The interface does not exist.
        """
        try:
            self._index = socket.if_nametoindex(interface)
        except OSError as error:
            raise ConfigError(f"there is no interface {interface}") from error
        self._output = self._index.to_bytes(4, sys.byteorder)
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        for group in _GROUPS:
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        self._query = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor that is readable while messages wait."""
        return self._socket.fileno()

    def changed(self) -> bool:
        """Read at most 64 waiting messages, and tell whether any is about this interface.

        Raises:
            OSError: The socket has failed.
        """
        changed = False
        for _ in range(_READS):
            try:
                data, (sender, _) = self._socket.recvfrom(_LONGEST)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                changed = True  # messages were lost
            else:
                changed |= sender == 0 and self._concerns(data)  # 0 is the kernel
        return changed

    def _concerns(self, data: bytes) -> bool:
        while len(data) >= _MESSAGE.size:
            length, kind, _, _, _ = _MESSAGE.unpack_from(data)
            if length < _MESSAGE.size:
                break
            body = data[_MESSAGE.size : length]
            if kind in _LINKS + _ADDRESSES and _INDEX.unpack_from(body)[0] == self._index:
                return True
            if kind in _ROUTES and self._leads_through(body[_ROUTE_SIZE:]):
                return True
            data = data[_aligned(length) :]
        return False

    def _leads_through(self, attributes: bytes) -> bool:
        while len(attributes) >= _ATTRIBUTE.size:
            length, kind = _ATTRIBUTE.unpack_from(attributes)
            if kind == _RTA_OIF or length < _ATTRIBUTE.size:
                return kind == _RTA_OIF and attributes[_ATTRIBUTE.size : length] == self._output
            attributes = attributes[_aligned(length) :]
        return False

    def state(self) -> LinkState | None:
        """Return the interface's state, or None if it has left this network namespace."""
        try:
            name = socket.if_indextoname(self._index)
            wanted = os.fsencode(name)
            flags = _FLAGS.unpack(fcntl.ioctl(self._query, _SIOCGIFFLAGS, _FLAGS.pack(wanted, 0)))[1]
            mtu = _MTU.unpack(fcntl.ioctl(self._query, _SIOCGIFMTU, _MTU.pack(wanted, 0)))[1]
        except OSError:
            return None
        return LinkState(
            name,
            up=bool(flags & _IFF_UP),
            arp=not flags & _IFF_NOARP,
            multicast=bool(flags & _IFF_MULTICAST),
            mtu=mtu,
            addresses=tuple(addresses(name)),
            routes=tuple(routes(name, link_local=True)),
        )

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
        self._query.close()


def _aligned(length: int) -> int:
    return (length + 3) & ~3
