"""Monitors changes in the host's network, and DNS options in Router Advertisements.

It uses a netlink socket (rtnetlink(7)), which needs no privileges and is off the packet path. The kernel reports every
change of a link, an address or a route, and passes on those options of Router Advertisements that are for user programs
(RTM_NEWNDUSEROPT), so no packets need to be inspected.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from ...core.errors import ConfigError

READS = 64
"""Maximum messages read per reactor turn: ten thousand new routes must not delay packets."""

LONGEST = 1 << 16

_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1  # linux/socket.h, linux/netlink.h
_NEWLINK, _DELLINK, _NEWADDR, _DELADDR, _NEWROUTE, _DELROUTE = 16, 17, 20, 21, 24, 25  # linux/rtnetlink.h
_NEWNDUSEROPT = 68
_GROUPS = (1, 5, 7, 9, 11, 20)  # RTNLGRP_LINK, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE, ND_USEROPT
_RTA_OIF = 4
_IFA_ADDRESS = 1
_FORWARDED = frozenset((1, 6, 7, 8))  # RTN_UNICAST and rejecting types; local ones accompany an address
_CLONED = 0x200  # RTM_F_CLONED: a cached route to one destination
_STATE = 0x1 | 0x40 | 0x10000  # IFF_UP, IFF_RUNNING, IFF_LOWER_UP
_ROUTER_ADVERTISEMENT = 134  # RFC 4861 section 4.2

_MESSAGE = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBi")
_ROUTE = struct.Struct("=BBBBBBBBI")
_USER_OPTION = struct.Struct("=BxHiBBHI")
_ATTRIBUTE = struct.Struct("=HH")


@dataclass(frozen=True, slots=True)
class News:
    """Changes: on other interfaces; of the tunnel's own addresses; options that a router announced on the tunnel."""

    others: bool = False
    own: bool = False
    options: tuple[bytes, ...] = ()


class NetworkMonitor:
    """A monitor of the network changes that matter for the tunnel on one interface."""

    def __init__(self, interface: str) -> None:
        """Start listening.

        Raises:
            ConfigError: The interface does not exist.
        """
        try:
            self._own = socket.if_nametoindex(interface)
        except OSError as error:
            raise ConfigError(f"there is no interface {interface}") from error
        self._links: dict[int, int] = {}
        self._addresses: set[tuple[int, bytes]] = set()
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        for group in _GROUPS:
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)

    def fileno(self) -> int:
        """Return the descriptor that is readable while messages wait."""
        return self._socket.fileno()

    def read(self) -> News:
        """Return the changes in at most READS waiting messages.

        Raises:
            OSError: The socket has failed.
        """
        others = own = False
        options: list[bytes] = []
        for _ in range(READS):
            try:
                data, (sender, _) = self._socket.recvfrom(LONGEST)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                # Messages were lost: report every kind of change.
                self._links.clear()
                self._addresses.clear()
                others = own = True
                continue
            if sender == 0:  # the kernel
                for kind, body in _messages(data):
                    others |= self._changes_others(kind, body)
                    own |= kind in (_NEWADDR, _DELADDR) and _ADDRESS.unpack_from(body)[4] == self._own
                    options += self._user_options(kind, body)
        return News(others, own, tuple(options))

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def _changes_others(self, kind: int, body: bytes) -> bool:
        if kind in (_NEWLINK, _DELLINK):
            _, _, index, flags, _ = _LINK.unpack_from(body)
            return index != self._own and self._link_changes(kind, index, flags & _STATE)
        if kind in (_NEWADDR, _DELADDR):
            index = _ADDRESS.unpack_from(body)[4]
            return index != self._own and self._address_changes(kind, index, _attributes(body[_ADDRESS.size :]))
        if kind in (_NEWROUTE, _DELROUTE):
            *_, route, flags = _ROUTE.unpack_from(body)
            through = _attributes(body[_ROUTE.size :]).get(_RTA_OIF, b"")
            return route in _FORWARDED and not flags & _CLONED and through != self._own.to_bytes(4, sys.byteorder)
        return False

    def _link_changes(self, kind: int, index: int, state: int) -> bool:
        """Tell whether a link went up or down; wireless links send many messages without a change."""
        if kind == _DELLINK:
            self._links.pop(index, None)
            return True
        before = self._links.get(index)
        self._links[index] = state
        return state != before

    def _address_changes(self, kind: int, index: int, attributes: dict[int, bytes]) -> bool:
        """Tell whether an address was added or removed; each Router Advertisement repeats existing ones."""
        key = index, attributes.get(_IFA_ADDRESS, b"")
        if kind == _DELADDR:
            self._addresses.discard(key)
            return True
        known = key in self._addresses
        self._addresses.add(key)
        return not known

    def _user_options(self, kind: int, body: bytes) -> Iterator[bytes]:
        if kind != _NEWNDUSEROPT:
            return
        _, length, index, icmp_type, _, _, _ = _USER_OPTION.unpack_from(body)
        options = body[_USER_OPTION.size : _USER_OPTION.size + length]
        if index != self._own or icmp_type != _ROUTER_ADVERTISEMENT:
            return
        while len(options) >= 8 and options[1]:  # RFC 4861 section 4.6: Length, in units of 8 octets, is not zero
            yield options[: 8 * options[1]]
            options = options[8 * options[1] :]


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _MESSAGE.size:
        length, kind, _, _, _ = _MESSAGE.unpack_from(data)
        if length < _MESSAGE.size:
            return
        yield kind, data[_MESSAGE.size : length]
        data = data[_aligned(length) :]


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]
    return found


def _aligned(length: int) -> int:
    return (length + 3) & ~3
