"""The pool of IPv4 addresses that IPCP assigns to clients (RFC 1332 section 3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from ipaddress import IPv4Address, IPv4Network

from ...errors import ConfigError

__all__ = ["LONGEST_PREFIX", "AddressFault", "AddressPool"]

LONGEST_PREFIX = 30
"""Maximum prefix length: a longer prefix has no room for both the server and a client."""


class AddressFault(Enum):
    """The reason why a client gets no address; the value is the sentence in the log."""

    NOT_A_CLIENTS = "the address fixed for the user is the server's, or no host's"
    EXHAUSTED = "all addresses of the pool are in use"
    FIXED_IN_USE = "the user's fixed address is in use"


class AddressPool:
    """The addresses of a network, each held by one session at a time.

    `server` is the first address, and the server's own. A user gets the same address as last time if no other user has
    had it since. A new user gets an address that was never used or, if there is none, the one that was freed first, so
    that an address stays with its user as long as possible. A user with a fixed address gets only that one.
    """

    def __init__(self, network: IPv4Network, fixed: Mapping[str, IPv4Address] | None = None) -> None:
        """Create a pool with all addresses free; `fixed` maps users to addresses, which may be outside the network.

        Raises:
            ConfigError: The network is too small, or a fixed address cannot be assigned.
        """
        if network.prefixlen > LONGEST_PREFIX:
            raise ConfigError(f"{network} is too small for a pool: use a prefix of /{LONGEST_PREFIX} or shorter")
        self.network = network
        self.server = network.network_address + 1
        self._none_of_clients = (self.server, network.network_address, network.broadcast_address)
        self._fresh = int(self.server) + 1  # this address and the following ones were never used
        self._held: dict[IPv4Address, str] = {}
        self._freed: dict[IPv4Address, str] = {}  # the last user of each; the one freed first comes first
        self._last: dict[str, IPv4Address] = {}
        self._outside: dict[IPv4Address, None] = {}
        self._fixed: dict[str, IPv4Address] = {}
        self._reserved: frozenset[IPv4Address] = frozenset()
        self.reserve(fixed or {})

    def reserve(self, fixed: Mapping[str, IPv4Address]) -> None:
        """Replace the fixed addresses; a session that already holds one of them keeps it until it is freed.

        Raises:
            ConfigError: An address is the server's, the network or broadcast address, or fixed for two users.
        """
        taken: dict[IPv4Address, str] = {}
        for user, address in fixed.items():
            if address in self._none_of_clients or not _is_hosts(address):
                raise ConfigError(f"{address} is no client's address in {self.network}: give {user} another")
            if address in taken:
                raise ConfigError(f"{address} is fixed for {taken[address]} and for {user}: give one of them another")
            taken[address] = user
        self._fixed = dict(fixed)
        self._reserved = frozenset(taken)

    def fixed(self, user: str) -> IPv4Address | None:
        """Return the fixed address of a user; None without one."""
        return self._fixed.get(user)

    def take(self, user: str, fixed: IPv4Address | None = None) -> IPv4Address | AddressFault:
        """Return the address for a user's new session, which holds it until `free`, or the reason why there is none.

        `fixed` is the user's fixed address if it is known only at login, as from a RADIUS server.
        """
        address = self._fixed.get(user) or fixed
        if address in self._none_of_clients or (address and not _is_hosts(address)):
            return AddressFault.NOT_A_CLIENTS
        if address is None:
            address = self._sticky(user) or self._never_used() or self._freed_first()
            if address is None:
                return AddressFault.EXHAUSTED
        elif address in self._held:
            return AddressFault.FIXED_IN_USE
        self._forget(address)
        self._held[address] = user
        if address not in self.network:
            self._outside[address] = None
        return address

    def free(self, address: IPv4Address) -> None:
        """Free the address of a session that has ended.

        Raises:
            KeyError: No session holds it, which is a bug of the caller.
        """
        user = self._held.pop(address)
        self._outside.pop(address, None)
        if address in self.network:
            self._freed[address] = user
            self._last[user] = address

    @property
    def outside(self) -> tuple[IPv4Address, ...]:
        """The addresses held that lie outside the network: fixed ones, to which the host needs routes."""
        return tuple(self._outside)

    def __len__(self) -> int:
        """Return the number of addresses in use."""
        return len(self._held)

    def _sticky(self, user: str) -> IPv4Address | None:
        address = self._last.get(user)
        return None if address in self._reserved else address

    def _never_used(self) -> IPv4Address | None:
        while self._fresh < int(self.network.broadcast_address):
            address = IPv4Address(self._fresh)
            self._fresh += 1
            if address in self._held or address in self._freed:
                continue  # it was used earlier as a fixed address
            if address not in self._reserved:
                return address
            self._freed[address] = ""  # without a last user, for use once it is no longer fixed
        return None

    def _freed_first(self) -> IPv4Address | None:
        return next((address for address in self._freed if address not in self._reserved), None)

    def _forget(self, address: IPv4Address) -> None:
        """Forget the last user of an address that is about to be assigned."""
        before = self._freed.pop(address, None)
        if before is not None and self._last.get(before) == address:
            del self._last[before]


def _is_hosts(address: IPv4Address) -> bool:
    """Tell whether a host can have this address (RFC 1122 section 3.2.1.3)."""
    never = address.is_multicast or address.is_loopback or address.is_reserved
    return not never and address.packed[0] != 0
