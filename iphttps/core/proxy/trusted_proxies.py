"""The reverse proxies and load balancers that the server trusts, and the client address that they report."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network

from ..ip.address import IPAddress, plain

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
