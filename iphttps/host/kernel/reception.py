"""What the kernel has received on an interface, as it counts it."""

from __future__ import annotations

from pathlib import Path

_COUNTERS = Path("/proc/net/dev_snmp6")
_ADVERTISEMENTS = "Icmp6InRouterAdvertisements"


def advertisements(interface: str) -> int | None:
    """Return how many Router Advertisements have reached the kernel's ICMPv6; None if it does not tell.

    What the packet filter drops is not among them, and what the settings have the kernel ignore is.
    """
    try:
        lines = (_COUNTERS / interface).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(number) for name, number in map(str.split, lines) if name == _ADVERTISEMENTS), None)
