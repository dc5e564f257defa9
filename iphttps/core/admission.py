"""The limiter: how many connections may be in the handshake phase, of one source and of all together.

After it there is no limit but those on sessions. A connection that would be one too many takes the place of another:
in the prefix that has the most of them, first of one that has sent nothing, then of the one that has waited longest.
So a flood displaces itself, and a client from elsewhere has the time that its handshake takes. Only where one source
has its full number, and all of them speak, the newest is turned away.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from .sources import FACTORS, LENGTHS, IPAddress, Place, place

C = TypeVar("C", bound=Hashable)

HANDSHAKES = 512
HANDSHAKES_PER_SOURCE = 32
"""Connections in the handshake phase, by default. A crowd behind one address is through at hundreds a second."""

_LEVELS = len(LENGTHS[6])
_NOWHERE = ((0, 0, 0),) * _LEVELS


class HandshakeLimiter(Generic[C]):
    """Knows the connections in the handshake phase, in the order in which they came.

    A connection whose address is not known is one of a front's, which brings everybody's, and counts in the total
    alone.
    """

    def __init__(self, maximum: int = HANDSHAKES, per_source: int = HANDSHAKES_PER_SOURCE) -> None:
        self._maximum = maximum
        self._per_source = per_source
        self._places: dict[C, Place] = {}
        self._groups: tuple[dict[Hashable, dict[C, None]], ...] = tuple({} for _ in range(_LEVELS))
        self._silent: set[C] = set()

    def limit(self, maximum: int, per_source: int) -> None:
        """Have other bounds from now on; who is inside stays."""
        self._maximum = maximum
        self._per_source = per_source

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[C]:
        return iter(tuple(self._places))

    def allows(self, address: IPAddress | None) -> bool:
        """Tell whether one more connection from this address may come in, perhaps in the place of a silent one."""
        if address is None:
            return True
        same = self._groups[0].get(place(address)[0], {})
        return len(same) < self._per_source or any(connection in self._silent for connection in same)

    def add(self, connection: C, address: IPAddress | None) -> C | None:
        """Take a connection in; returns the one that must go for it, if one must."""
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
        """Note that a connection has sent something."""
        self._silent.discard(connection)

    def remove(self, connection: C) -> None:
        """Forget a connection whose handshake phase is over; it may have been forgotten before."""
        self._silent.discard(connection)
        where = self._places.pop(connection, ())
        for groups, prefix in zip(self._groups, where, strict=False):
            group = groups[prefix]
            del group[connection]
            if not group:
                del groups[prefix]

    def _displaced(self, where: Place) -> C | None:
        """Return who must go for one that comes from there."""
        if where is not _NOWHERE:
            for level, factor in enumerate(FACTORS):
                group = self._groups[level].get(where[level], {})
                if len(group) >= factor * self._per_source:
                    return self._least(group, level)
        if len(self._places) < self._maximum:
            return None
        return self._least(max(self._groups[-1].values(), key=len), _LEVELS - 1)

    def _least(self, group: dict[C, None], level: int) -> C:
        """Return who must go from a prefix: from the fullest of the longer prefixes in it, and so on."""
        for finer in range(level - 1, -1, -1):
            inside = {self._places[connection][finer]: None for connection in group}
            group = max((self._groups[finer][prefix] for prefix in inside), key=self._weight)
        return next((connection for connection in group if connection in self._silent), next(iter(group)))

    def _weight(self, group: dict[C, None]) -> tuple[int, bool]:
        return len(group), not self._silent.isdisjoint(group)
