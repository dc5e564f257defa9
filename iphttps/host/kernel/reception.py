"""The kernel's counter of received Router Advertisements."""

from __future__ import annotations

from pathlib import Path

_COUNTERS = Path("/proc/net/dev_snmp6")
_ADVERTISEMENTS = "Icmp6InRouterAdvertisements"


def advertisements(interface: str) -> int | None:
    """Return the number of Router Advertisements received by the kernel's ICMPv6; None if it is unknown.

    It excludes those that the packet filter drops, and includes those that the settings make the kernel ignore.
    """
    try:
        lines = (_COUNTERS / interface).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(number) for name, number in map(str.split, lines) if name == _ADVERTISEMENTS), None)
