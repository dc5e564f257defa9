"""Sources: the prefixes from which connections come, and how many there are of each.

Whoever has one IPv6 address usually has its whole /64, a customer of a provider a /56 or a /48 (RFC 6177), and one
who wants to be counted as many takes an address from each. So connections are counted by all of these, and a longer
prefix may have a multiple of what one source has.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network

IPAddress = IPv4Address | IPv6Address

Prefix = tuple[int, int, int]
"""A prefix as a key: version, length, and the bits of that length."""

Place = tuple[Prefix, ...]
"""The prefixes of one address, one for each of the lengths below; empty if the address is not known."""

LENGTHS = {6: (64, 56, 48, 32), 4: (32, 28, 24, 16)}
"""Lengths of prefixes by version of IP: a source, three steps that a site or a provider may have."""

FACTORS = (1, 2, 4)
"""How many times what one source may have, the first three of these prefixes may have."""


_TRANSLATED = IPv6Network("64:ff9b::/96")  # RFC 6052 section 2.1


def place(address: IPAddress | None) -> Place:
    """Return the prefixes of an address, the longest first; of one that holds an IPv4 address those of that.

    Behind a translator the whole IPv4 Internet comes from one /64, and who has an IPv4 address has a /48 of 6to4.
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
    """Write a prefix as people do."""
    version, length, bits = prefix
    if version == 4:
        address: IPAddress = IPv4Address(bits << (32 - length))
    else:
        address = IPv6Address(bits << (128 - length))
    return str(address) if length == address.max_prefixlen else str(ip_network((address, length)))


class Sources:
    """Counts sessions by where they come from. `most` is how many one source may have; 0 is no limit."""

    def __init__(self, most: int = 0) -> None:
        self.most = most
        self._counts: Counter[Prefix] = Counter()

    def full(self, address: IPAddress | None) -> str | None:
        """Return the prefix of an address that may have no more, or None. An unknown address has no limit."""
        if not self.most:
            return None
        for prefix, factor in zip(place(address), FACTORS, strict=False):
            if self._counts[prefix] >= factor * self.most:
                return written(prefix)
        return None

    def add(self, address: IPAddress | None) -> None:
        """Count one more."""
        self._counts.update(place(address))

    def remove(self, address: IPAddress | None) -> None:
        """Count one less; of a prefix that has none nothing is kept."""
        for prefix in place(address):
            self._counts[prefix] -= 1
            if not self._counts[prefix]:
                del self._counts[prefix]
