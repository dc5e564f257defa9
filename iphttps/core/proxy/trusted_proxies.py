"""The reverse proxies and load balancers that the server trusts, and the client address that they report."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IPAddress = IPv4Address | IPv6Address

_WITH_PORT = re.compile(r"(\d+\.\d+\.\d+\.\d+):\d+|\[([^\]]*)\](?::\d+)?")


class TrustedProxies:
    """The networks of the trusted proxies; only connections from there may report another client address."""

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        self._networks = tuple(networks)

    def __contains__(self, address: IPAddress) -> bool:
        return any(address in network for network in self._networks)

    def client(self, forwarded_for: str) -> IPAddress | None:
        """Return the client's address from X-Forwarded-For headers, or None without a trustworthy one.

        Each proxy appends the address that it sees. So the last address that is not a trusted proxy's is the client's,
        or that of an unknown proxy; addresses before it may be forged.
        """
        for word in reversed(forwarded_for.split(",")):
            word = word.strip()
            if found := _WITH_PORT.fullmatch(word):
                word = found[1] or found[2]
            try:
                address = plain(word)
            except ValueError:
                return None
            if address not in self:
                return address
        return None


def plain(text: str) -> IPAddress:
    """Parse an address without its zone; an IPv4-mapped IPv6 address becomes the IPv4 address.

    Raises:
        ValueError: The text is not an address.
    """
    address = ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def written(address: IPAddress, port: int | None = None) -> str:
    """Return an address in the usual notation, with the port unless it is None."""
    if port is None:
        return str(address)
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
