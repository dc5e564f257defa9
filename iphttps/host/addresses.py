"""The IPv6 addresses of an interface, as the kernel lists them."""

from __future__ import annotations

from ipaddress import IPv6Interface
from pathlib import Path

_LIST = Path("/proc/net/if_inet6")
"""A line for each: address, index, prefix length, scope, flags, name; all but the name hexadecimal."""


def addresses(interface: str) -> list[IPv6Interface]:
    """Return the addresses of an interface; none if there is no such interface, or no IPv6."""
    try:
        lines = _LIST.read_text().splitlines()
    except OSError:
        return []
    fields = [line.split() for line in lines]
    return sorted(
        IPv6Interface((int(address, 16), int(length, 16)))
        for address, _, length, _, _, name in fields
        if name == interface
    )
