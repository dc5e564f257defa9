"""A bounded set that evicts the least recently used key."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class RecentlyUsed(Generic[K]):
    """Holds at most `maximum` keys, in the order in which they were last used."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._keys: dict[K, None] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[K]:
        return iter(tuple(self._keys))

    def use(self, key: K) -> K | None:
        """Make a key the most recently used, adding it if it is new; return the key evicted for it, or None."""
        self._keys.pop(key, None)
        self._keys[key] = None
        if len(self._keys) <= self._maximum:
            return None
        oldest = next(iter(self._keys))
        del self._keys[oldest]
        return oldest

    def discard(self, key: K) -> None:
        """Remove a key, if it is there."""
        self._keys.pop(key, None)
