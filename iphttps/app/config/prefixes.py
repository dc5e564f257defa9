"""The prefixes that a tunnel's link can have."""

from __future__ import annotations

from ipaddress import IPv6Network

from ...core.errors import ConfigError
from .kinds import ipv6_prefix


def link_prefix(name: str, text: str) -> IPv6Network:
    """Parse a prefix that a link can have; raises ConfigError for any other."""
    prefix = ipv6_prefix(name, text)
    if prefix.prefixlen != 64:
        raise ConfigError(f"--{name} {prefix} must be a /64: clients form 64-bit interface identifiers")
    first = prefix.network_address
    if first.is_multicast or first.is_link_local or first.is_loopback or first.is_unspecified:
        raise ConfigError(f"--{name} {prefix} must be global or unique local unicast")
    return prefix
