"""TrustedProxies: the programs that the operator has put before the server, and what is believed of their words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IPAddress = IPv4Address | IPv6Address

_WITH_PORT = re.compile(r"(\d+\.\d+\.\d+\.\d+):\d+|\[([^\]]*)\](?::\d+)?")


class TrustedProxies:
    """Where fronts connect from; from there, and from nowhere else, words about other addresses are believed."""

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        self._networks = tuple(networks)

    def __contains__(self, address: IPAddress) -> bool:
        return any(address in network for network in self._networks)

    def client(self, forwarded_for: str) -> IPAddress | None:
        """Return the client that X-Forwarded-For headers tell of, or None if they tell nothing to be believed.

        Each front appends the address that it sees; so from the end back, the first that is no front's is the
        client's, or that of a proxy which anybody may have set up, and what stands before it is hearsay.
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
    """Read an address, and one of IPv4 that an IPv6 socket sees as what it is.

    Raises:
        ValueError: If it is none.
    """
    address = ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def written(address: IPAddress, port: int | None = None) -> str:
    """Write an address as people do, with the port if there is one."""
    if port is None:
        return str(address)
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
