"""Limits on connections in the handshake phase, per source and in total.

Established sessions have limits of their own. A connection over a limit displaces another one: from the prefix with the
most connections, first one that has sent nothing, else the oldest. So a flood displaces itself, and a client from
elsewhere has time to complete its handshake. Only if a source has its maximum number of connections, and all of them
have sent something, is the new connection refused.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from .ip.address import IPAddress
from .sources import FACTORS, LENGTHS, Place, place

C = TypeVar("C", bound=Hashable)

HANDSHAKES = 512
HANDSHAKES_PER_SOURCE = 32
"""Default limits. Even a large site behind one address fits: hundreds of handshakes complete per second."""

_LEVELS = len(LENGTHS[6])
_NOWHERE = ((0, 0, 0),) * _LEVELS


class HandshakeLimiter(Generic[C]):
    """The connections in the handshake phase, oldest first.

    A connection whose client address is unknown comes from a trusted proxy, which forwards many clients; it counts only
    towards the total.
    """

    def __init__(self, maximum: int = HANDSHAKES, per_source: int = HANDSHAKES_PER_SOURCE) -> None:
        self._maximum = maximum
        self._per_source = per_source
        self._places: dict[C, Place] = {}
        self._groups: tuple[dict[Hashable, dict[C, None]], ...] = tuple({} for _ in range(_LEVELS))
        self._silent: set[C] = set()

    def limit(self, maximum: int, per_source: int) -> None:
        """Set new limits; existing connections stay."""
        self._maximum = maximum
        self._per_source = per_source

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[C]:
        return iter(tuple(self._places))

    def allows(self, address: IPAddress | None) -> bool:
        """Tell whether one more connection from this address is allowed, possibly by displacing a silent one."""
        if address is None:
            return True
        same = self._groups[0].get(place(address)[0], {})
        return len(same) < self._per_source or any(connection in self._silent for connection in same)

    def add(self, connection: C, address: IPAddress | None) -> C | None:
        """Add a connection; return the connection that it displaces, or None."""
        where = place(address) or _NOWHERE
        displaced = self._displaced(where)
        if displaced is not None:
            self.remove(displaced)
        self._places[connection] = where
        self._silent.add(connection)
        for groups, prefix in zip(self._groups, where, strict=True):
            groups.setdefault(prefix, {})[connection] = None
        return displaced

    def heard(self, connection: C) -> None:
        """Note that a connection has sent something: it is displaced after the silent ones."""
        self._silent.discard(connection)

    def remove(self, connection: C) -> None:
        """Remove a connection whose handshake phase is over; it may have been removed before."""
        self._silent.discard(connection)
        where = self._places.pop(connection, ())
        for groups, prefix in zip(self._groups, where, strict=False):
            group = groups[prefix]
            del group[connection]
            if not group:
                del groups[prefix]

    def _displaced(self, where: Place) -> C | None:
        """Return the connection to displace for a new one with these prefixes, or None."""
        if where is not _NOWHERE:
            for level, factor in enumerate(FACTORS):
                group = self._groups[level].get(where[level], {})
                if len(group) >= factor * self._per_source:
                    return self._least(group, level)
        if len(self._places) < self._maximum:
            return None
        return self._least(max(self._groups[-1].values(), key=len), _LEVELS - 1)

    def _least(self, group: dict[C, None], level: int) -> C:
        """Return the connection to displace within a group: descend into the fullest longer prefix at each level."""
        for finer in range(level - 1, -1, -1):
            inside = {self._places[connection][finer]: None for connection in group}
            group = max((self._groups[finer][prefix] for prefix in inside), key=self._weight)
        return next((connection for connection in group if connection in self._silent), next(iter(group)))

    def _weight(self, group: dict[C, None]) -> tuple[int, bool]:
        return len(group), not self._silent.isdisjoint(group)
