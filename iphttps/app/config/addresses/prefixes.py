"""The prefixes in options: that of a tunnel's link, and any other."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from ....core.errors import ConfigError
from ..kinds import ipv6_prefix


def link_prefix(name: str, text: str) -> IPv6Network:
    """Parse a prefix that a link can have; raises ConfigError for any other."""
    prefix = ipv6_prefix(name, text)
    if prefix.prefixlen != 64:
        raise ConfigError(f"--{name} {prefix} must be a /64: clients form 64-bit interface identifiers")
    first = prefix.network_address
    if first.is_multicast or first.is_link_local or first.is_loopback or first.is_unspecified:
        raise ConfigError(f"--{name} {prefix} must be global or unique local unicast")
    return prefix


def any_network(name: str, text: str) -> IPv4Network | IPv6Network:
    """Parse an address, or a prefix of IPv4 or IPv6; raises ConfigError if it is neither."""
    try:
        return ip_network(text)
    except ValueError as error:
        like = "such as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/64"
        raise ConfigError(f"--{name} {text!r} is not an address or a prefix without host bits, {like}") from error
