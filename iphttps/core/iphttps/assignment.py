"""Fixed addresses: which belong to which identity, whether or not it is connected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..identity import Identity
from ..ip import ipv6


class Assignment:
    """Addresses, 16 raw bytes each, by the name that stands in a certificate, as its subject or another.

    An assigned address is its owner's alone, and an owner has no others but for the link-local ones.
    """

    def __init__(self, addresses: Mapping[str, Iterable[bytes]] | None = None) -> None:
        self._owners = {address: name for name, listed in (addresses or {}).items() for address in listed}
        self._named = frozenset(addresses or ())

    def permits(self, identity: Identity | None, address: bytes) -> bool:
        """Tell whether whoever bears this identity may use the address."""
        names = frozenset((identity.subject, *identity.names)) if identity else frozenset()
        if owner := self._owners.get(address):
            return owner in names
        return ipv6.is_link_local(address) or not names & self._named
