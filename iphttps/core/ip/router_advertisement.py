"""The Router Advertisement that the server sends (RFC 4861 section 4.2, RFC 4191, 8106, 8781)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, IPv6Network

from . import icmpv6, ipv6
from .ndp import Kind

__all__ = [
    "AUTONOMOUS",
    "DNS_SEARCH_LIST",
    "INFINITE_LIFETIME",
    "MTU",
    "ON_LINK",
    "PREF64",
    "PREF64_LENGTHS",
    "PREFIX_INFORMATION",
    "RECURSIVE_DNS_SERVER",
    "ROUTE_INFORMATION",
    "RouterAdvertisement",
    "encode_domain",
]

PREFIX_INFORMATION = 3  # option types: RFC 4861 section 4.6
MTU = 5
ROUTE_INFORMATION = 24  # RFC 4191 section 2.3
RECURSIVE_DNS_SERVER = 25  # RFC 8106 section 5
DNS_SEARCH_LIST = 31
PREF64 = 38  # RFC 8781 section 4

INFINITE_LIFETIME = 0xFFFFFFFF  # RFC 4861 section 4.6.2

ON_LINK = 0x80  # RFC 4861 section 4.6.2
AUTONOMOUS = 0x40

PREF64_LENGTHS = {96: 0, 64: 1, 56: 2, 48: 3, 40: 4, 32: 5}
"""Prefix lengths that PREF64 can carry, and their codes."""


@dataclass(frozen=True, slots=True)
class RouterAdvertisement:
    """The contents of the server's Router Advertisements (RFC 4861 section 6.2.1); lifetimes are in seconds.

    `lifetime` applies to routes, DNS servers, search domains and the NAT64 prefix: three times the maximum interval
    between advertisements, as RFC 8106 section 5.1 recommends.
    """

    prefix: IPv6Network
    on_link: bool = False
    valid_lifetime: int = 2_592_000  # AdvValidLifetime, 30 days
    preferred_lifetime: int = 604_800  # AdvPreferredLifetime, 7 days
    mtu: int = ipv6.MINIMUM_MTU  # 3.2.3.1
    router_lifetime: int = 0
    hop_limit: int = 64
    lifetime: int = 1800
    routes: tuple[IPv6Network, ...] = ()
    dns_servers: tuple[IPv6Address, ...] = ()
    search_domains: tuple[str, ...] = ()
    nat64: IPv6Network | None = None

    def with_prefix(self, *, on_link: bool) -> RouterAdvertisement:
        """Return the same with the prefix on-link, or off-link and routed through this router (RFC 4191)."""
        others = tuple(route for route in self.routes if route != self.prefix)
        return replace(self, on_link=on_link, routes=others if on_link else (self.prefix, *others))

    def final(self) -> RouterAdvertisement:
        """Return the last advertisement before the server stops: no router any more, addresses deprecated."""
        return replace(self, preferred_lifetime=0, router_lifetime=0, lifetime=0)

    def packet(self, source: bytes, destination: bytes = ipv6.ALL_NODES) -> bytes:
        """Build the packet; `source` is the server's link-local address."""
        # No source link-layer address option: the link has no such addresses (section 3, static mapping).
        head = struct.pack("!BBHII", self.hop_limit, 0, self.router_lifetime, 0, 0)
        return icmpv6.message(Kind.ROUTER_ADVERTISEMENT, 0, head + b"".join(self._options()), source, destination)

    def _options(self) -> Iterator[bytes]:
        yield struct.pack(
            "!BBBBIII16s",
            PREFIX_INFORMATION,
            4,
            self.prefix.prefixlen,
            (ON_LINK if self.on_link else 0) | AUTONOMOUS,
            self.valid_lifetime,
            self.preferred_lifetime,
            0,
            self.prefix.network_address.packed,
        )
        yield struct.pack("!BBHI", MTU, 1, 0, self.mtu)
        for route in self.routes:  # RFC 4191 section 2.3: Length is 1, 2 or 3, by the prefix length
            units = (route.prefixlen + 63) // 64
            yield struct.pack("!BBBBI", ROUTE_INFORMATION, 1 + units, route.prefixlen, 0, self.lifetime)
            yield route.network_address.packed[: 8 * units]
        if self.dns_servers:
            yield struct.pack("!BBHI", RECURSIVE_DNS_SERVER, 1 + 2 * len(self.dns_servers), 0, self.lifetime)
            yield b"".join(server.packed for server in self.dns_servers)
        if self.search_domains:
            names = b"".join(map(encode_domain, self.search_domains))
            names += bytes(-len(names) % 8)
            yield struct.pack("!BBHI", DNS_SEARCH_LIST, 1 + len(names) // 8, 0, self.lifetime) + names
        if self.nat64:
            # RFC 8781 section 4: 13 bits of lifetime in units of 8 seconds, 3 bits for the prefix length.
            scaled = min((self.lifetime + 7) // 8, 0x1FFF)
            code = PREF64_LENGTHS[self.nat64.prefixlen]
            yield struct.pack("!BBH", PREF64, 2, scaled << 3 | code) + self.nat64.network_address.packed[:12]


def encode_domain(name: str) -> bytes:
    """Encode a domain name in DNS wire format, uncompressed (RFC 8106 section 5.2, RFC 1035 section 3.1).

    Raises:
        ValueError: `name` is not a domain name.
    """
    labels = name.rstrip(".").encode("idna").split(b".")
    encoded = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if not all(labels) or len(encoded) > 255:
        raise ValueError(f"{name!r} is not a domain name")
    return encoded
