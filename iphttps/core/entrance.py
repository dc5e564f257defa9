"""The entrance: how many connections may be in the handshake phase, of one source and of all together.

After it there is no limit but that of the Client Table. Of one source the newest are turned away, so that what
it can cost stays bounded. Of all together the one that has waited longest goes: a client is through in the time
of a few round trips, and whoever only waits must not keep out who comes in earnest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Generic, TypeVar

C = TypeVar("C")

HANDSHAKES = 512
HANDSHAKES_PER_SOURCE = 32
"""Connections in the handshake phase, by default. A crowd behind one address is through at hundreds a second."""

SITE = 64
"""Bits of an IPv6 address that tell sources apart: whoever has one address has all with these (RFC 6177)."""


def source(address: IPv4Address | IPv6Address) -> Hashable:
    """Return what counts as one source with this address."""
    return int(address) >> (128 - SITE) if isinstance(address, IPv6Address) else address


class Entrance(Generic[C]):
    """Knows the connections in the handshake phase, in the order in which they came.

    A connection without a source is one of a front's, which brings everybody's, and counts in the total alone.
    """

    def __init__(self, maximum: int = HANDSHAKES, per_source: int = HANDSHAKES_PER_SOURCE) -> None:
        self._maximum = maximum
        self._per_source = per_source
        self._inside: dict[C, Hashable | None] = {}
        self._counts: Counter[Hashable] = Counter()

    def limit(self, maximum: int, per_source: int) -> None:
        """Have other bounds from now on; who is inside stays."""
        self._maximum = maximum
        self._per_source = per_source

    def __len__(self) -> int:
        return len(self._inside)

    def __iter__(self) -> Iterator[C]:
        return iter(tuple(self._inside))

    def has_room(self, source: Hashable | None) -> bool:
        """Tell whether one more connection of this source may come in."""
        return source is None or self._counts[source] < self._per_source

    def enter(self, connection: C, source: Hashable | None) -> C | None:
        """Take a connection in; returns the one that must go for it, if one must."""
        longest = next(iter(self._inside)) if len(self._inside) >= self._maximum else None
        if longest is not None:
            self.leave(longest)
        self._inside[connection] = source
        if source is not None:
            self._counts[source] += 1
        return longest

    def leave(self, connection: C) -> None:
        """Forget a connection whose handshake phase is over; it may have been forgotten before."""
        source = self._inside.pop(connection, None)
        if source is not None:
            self._counts[source] -= 1
            if not self._counts[source]:
                del self._counts[source]
