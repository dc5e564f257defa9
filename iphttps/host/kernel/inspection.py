"""Inspection of a host before a tunnel is created; changes nothing."""

from __future__ import annotations

import os
from ipaddress import IPv6Network
from pathlib import Path

from ..device.tun import mend
from .routes import all_routes

TUN = Path("/dev/net/tun")
_FORWARDING = Path("/proc/sys/net/ipv6/conf/all/forwarding")


def device_obstacle() -> str | None:
    """Return why a TUN or TAP device cannot be created, as far as this shows without creating one, or None."""
    try:
        os.close(os.open(TUN, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return mend(error)
    return None


def forwards() -> bool | None:
    """Tell whether this host forwards IPv6 packets; None if it has no IPv6."""
    try:
        return _FORWARDING.read_text().strip() == "1"
    except OSError:
        return None


def can_forward() -> bool:
    """Tell whether root can turn on forwarding: in some containers /proc/sys is read-only."""
    return not os.statvfs(_FORWARDING).f_flag & os.ST_RDONLY


def overlapping(prefix: IPv6Network, interface: str) -> list[tuple[IPv6Network, str]]:
    """Return the routes within a prefix that lead to other interfaces, with their names."""
    return sorted((other, name) for other, name in all_routes() if name != interface and other.subnet_of(prefix))


def leading(prefix: IPv6Network) -> tuple[IPv6Network, str] | None:
    """Return the most specific route that covers a prefix, and its interface; None if there is none."""
    covering = [(other, name) for other, name in all_routes() if prefix.subnet_of(other)]
    return max(covering, key=lambda found: found[0].prefixlen, default=None)
