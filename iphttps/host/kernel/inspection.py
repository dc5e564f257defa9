"""What can be seen of a host before a tunnel is made on it; nothing is changed."""

from __future__ import annotations

import os
from ipaddress import IPv6Network
from pathlib import Path

from ..device.tun import mend
from .routes import everywhere

TUN = Path("/dev/net/tun")
_FORWARDING = Path("/proc/sys/net/ipv6/conf/all/forwarding")


def device_obstacle() -> str | None:
    """Say why no TUN or TAP device can be made, as far as that can be seen without making one."""
    try:
        os.close(os.open(TUN, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return mend(error)
    return None


def forwards() -> bool | None:
    """Tell whether this host forwards IPv6 packets; None if it has no IPv6 at all."""
    try:
        return _FORWARDING.read_text().strip() == "1"
    except OSError:
        return None


def can_forward() -> bool:
    """Tell whether forwarding could be turned on by root: in some containers /proc/sys cannot be written."""
    return not os.statvfs(_FORWARDING).f_flag & os.ST_RDONLY


def overlapping(prefix: IPv6Network, interface: str) -> list[tuple[IPv6Network, str]]:
    """Return what of a prefix, or all of it, leads to another interface."""
    return sorted((other, name) for other, name in everywhere() if name != interface and other.subnet_of(prefix))


def leading(prefix: IPv6Network) -> tuple[IPv6Network, str] | None:
    """Return the route by which this host reaches a prefix, and its interface; None if there is none."""
    covering = [(other, name) for other, name in everywhere() if prefix.subnet_of(other)]
    return max(covering, key=lambda found: found[0].prefixlen, default=None)
