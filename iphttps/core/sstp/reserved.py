"""The fixed IPv6 addresses of users: nobody else may send from them or use their interface identifiers."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address

from ..errors import ConfigError

__all__ = ["Reserved"]

_IDENTIFIER = 8  # bytes of a prefix and of an interface identifier (RFC 4291 section 2.5.4)


class Reserved:
    """The fixed addresses within a link's prefix, by user.

    `prefix` is the first 8 bytes of the /64; if it is empty, nothing is reserved. `own` holds the server's addresses.
    The interface identifier of a fixed address is also reserved for its user, because the client forms the address from
    it (RFC 5072 section 5).
    """

    def __init__(self, prefix: bytes, own: frozenset[bytes]) -> None:
        """Begin without fixed addresses."""
        self._prefix = prefix
        self._own = own
        self._holders: dict[bytes, str] = {}
        self._identifiers: dict[str, bytes] = {}

    def reserve(self, fixed: Mapping[str, IPv6Address]) -> None:
        """Replace the fixed addresses; a session that already holds one of them keeps it until it ends.

        Raises:
            ConfigError: An address is not in the prefix, is the server's, or is fixed for two users.
        """
        holders: dict[bytes, str] = {}
        for user, address in fixed.items() if self._prefix else ():
            packed = address.packed
            if not packed.startswith(self._prefix):
                network = IPv6Address(self._prefix + bytes(_IDENTIFIER))
                raise ConfigError(f"{address} is not in {network}/64, the clients' prefix: give {user} another")
            # RFC 4291 section 2.6.1: the address with a zero identifier is the Subnet-Router anycast address.
            if packed in self._own or packed == self._prefix + bytes(_IDENTIFIER):
                raise ConfigError(f"{address} is the server's: give {user} another")
            if packed in holders:
                raise ConfigError(f"{address} is fixed for {holders[packed]} and for {user}: give one of them another")
            holders[packed] = user
        self._holders = holders
        self._identifiers = {user: packed[_IDENTIFIER:] for packed, user in holders.items()}

    def permits(self, user: str, address: bytes) -> bool:
        """Return True if a session of this user may hold an address of the prefix, 16 bytes."""
        return self._holders.get(address) in (None, user)

    def permits_identifier(self, user: str, identifier: bytes) -> bool:
        """Return True if a session of this user may have an interface identifier, 8 bytes."""
        return self.permits(user, self._prefix + identifier)

    def identifier(self, user: str) -> bytes:
        """Return the interface identifier of the user's fixed address; empty if there is none."""
        return self._identifiers.get(user, b"")
