"""Fixed addresses, each reserved for one identity whether or not it is connected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..identity import Identity
from ..ip import ipv6


class Assignment:
    """A mapping from a name in a certificate, subject or alternative name, to addresses, 16 raw bytes each.

    Only its owner may use an assigned address, and an owner may use no other addresses except link-local ones.
    """

    def __init__(self, addresses: Mapping[str, Iterable[bytes]] | None = None) -> None:
        self._owners = {address: name for name, listed in (addresses or {}).items() for address in listed}
        self._named = frozenset(addresses or ())

    def permits(self, identity: Identity | None, address: bytes) -> bool:
        """Tell whether a client with this identity may use the address."""
        names = frozenset((identity.subject, *identity.names)) if identity else frozenset()
        if owner := self._owners.get(address):
            return owner in names
        return ipv6.is_link_local(address) or not names & self._named
