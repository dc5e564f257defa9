"""Sources: the prefixes from which connections come, and the number of sessions of each.

A host with an IPv6 address usually controls its whole /64, a provider's customer a /56 or /48 (RFC 6177), so an
attacker can use many addresses. Connections are therefore counted at all these lengths, and a shorter prefix may have a
multiple of the limit of one source.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network

from .ip.address import IPAddress

Prefix = tuple[int, int, int]
"""A prefix as a key: IP version, prefix length, and that many leading bits."""

Place = tuple[Prefix, ...]
"""The prefixes of one address, one for each of the lengths below; empty if the address is unknown."""

LENGTHS = {6: (64, 56, 48, 32), 4: (32, 28, 24, 16)}
"""Prefix lengths by IP version: a source, then three lengths that a site or a provider may have."""

FACTORS = (1, 2, 4)
"""The limits of the first three of these prefixes, as multiples of the limit of one source."""


_TRANSLATED = IPv6Network("64:ff9b::/96")  # RFC 6052 section 2.1


def place(address: IPAddress | None) -> Place:
    """Return the prefixes of an address, longest first; if it embeds an IPv4 address, those of the latter.

    Behind a translator the whole IPv4 Internet has one /64, and every IPv4 address has a 6to4 /48 of its own.
    """
    if address is None:
        return ()
    if isinstance(address, IPv6Address):
        if address in _TRANSLATED:
            address = IPv4Address(int(address) & 0xFFFFFFFF)
        else:
            address = address.ipv4_mapped or address.sixtofour or address
    version, bits, width = address.version, int(address), address.max_prefixlen
    return tuple((version, length, bits >> (width - length)) for length in LENGTHS[version])


def written(prefix: Prefix) -> str:
    """Return a prefix in the usual notation, a full-length one as an address."""
    version, length, bits = prefix
    if version == 4:
        address: IPAddress = IPv4Address(bits << (32 - length))
    else:
        address = IPv6Address(bits << (128 - length))
    return str(address) if length == address.max_prefixlen else str(ip_network((address, length)))


class Sources:
    """The number of sessions per source; `most` is the limit of one source, 0 means no limit."""

    def __init__(self, most: int = 0) -> None:
        self.most = most
        self._counts: Counter[Prefix] = Counter()

    def full(self, address: IPAddress | None) -> str | None:
        """Return the prefix of an address that has reached its limit, or None; an unknown address has no limit."""
        if not self.most:
            return None
        for prefix, factor in zip(place(address), FACTORS, strict=False):
            if self._counts[prefix] >= factor * self.most:
                return written(prefix)
        return None

    def add(self, address: IPAddress | None) -> None:
        """Count a session from this address."""
        self._counts.update(place(address))

    def remove(self, address: IPAddress | None) -> None:
        """Count a session from this address as ended; prefixes without sessions are forgotten."""
        for prefix in place(address):
            self._counts[prefix] -= 1
            if not self._counts[prefix]:
                del self._counts[prefix]
