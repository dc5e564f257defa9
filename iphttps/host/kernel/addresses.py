"""The IPv6 addresses of an interface, as the kernel lists them."""

from __future__ import annotations

import errno
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, ip_address
from pathlib import Path

from pyroute2 import IPRoute

_LIST = Path("/proc/net/if_inet6")
"""One line per address: address, index, prefix length, scope, flags, name; all but the name hexadecimal."""


_GLOBAL = 0

_OPTIMISTIC, _DAD_FAILED, _TENTATIVE = 0x04, 0x08, 0x40  # IFA_F_OPTIMISTIC and so on (linux/if_addr.h)


def addresses(interface: str) -> list[IPv6Interface]:
    """Return the addresses of an interface; an empty list if the interface or IPv6 is missing."""
    return sorted(address for address, _, _ in _listed(interface))


def usable(interface: str) -> list[IPv6Interface]:
    """Return the global addresses of an interface that can be used.

    They have passed Duplicate Address Detection, or are optimistic (RFC 4429), where the administrator has set
    net.ipv6.conf.default.optimistic_dad.
    """
    return sorted(address for address, scope, flags in _listed(interface) if scope == _GLOBAL and _can_be_used(flags))


def _can_be_used(flags: int) -> bool:
    return not flags & _DAD_FAILED and (not flags & _TENTATIVE or bool(flags & _OPTIMISTIC))


def _listed(interface: str) -> list[tuple[IPv6Interface, int, int]]:
    """Return each address of an interface with its scope and flags."""
    try:
        lines = _LIST.read_text().splitlines()
    except OSError:
        return []
    fields = [line.split() for line in lines]
    return [
        (IPv6Interface((int(address, 16), int(length, 16))), int(scope, 16), int(flags, 16))
        for address, _, length, scope, flags, name in fields
        if name == interface
    ]


def everywhere() -> list[IPv4Address | IPv6Address]:
    """Return all IPv4 and IPv6 addresses of this host, of any scope."""
    with IPRoute() as netlink:
        found = [message.get("IFA_LOCAL") or message.get("IFA_ADDRESS") for message in netlink.get_addr()]
    return [ip_address(text) for text in found if text]


def has(address: str) -> bool:
    """Tell whether an IPv4 or IPv6 address is this host's and usable now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True
