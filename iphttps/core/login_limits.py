"""Limits on failed logins: each failure delays the next attempts for the same user, and from the same source.

The delay of a source grows to half a minute. That of a user, whose failures may all be an attacker's with many sources,
grows to a few seconds and no further: the user waits as long, and gets in. The right password ends the user's delay. It
takes from the source only that user's failures, so nobody can use an account of his own to try those of others.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from .ip.address import IPAddress
from .sources import Prefix, place

__all__ = ["FORGOTTEN", "FREE", "LONGEST", "LONGEST_FOR_USER", "MOST", "LoginLimiter"]

FREE = 3
"""Failures without a delay: typing errors."""

LONGEST = 30.0
"""The longest delay of a source, in seconds."""

LONGEST_FOR_USER = 5.0
"""The longest delay of a user, whose failures may be an attacker's, in seconds."""

FORGOTTEN = 900.0
"""Seconds after which a failure counts no longer."""

MOST = 10_000
"""Maximum number of users, sources, and users at a source remembered; the oldest failure is forgotten first."""

LONGEST_NAME = 256
"""Bytes of a name that count (RFC 2759 section 4), so that long names take no more memory."""

_FIRST, _GROWTH = 1.0, 2.0

_Key = bytes | Prefix | tuple[bytes, Prefix]


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = 0.0


class LoginLimiter:
    """Counts failed logins by user and by source, which is an IPv4 address or an IPv6 /64.

    A name means the same user in upper and lower case; the caller cuts off what else does not matter.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[_Key, _Failures] = OrderedDict()

    def delay(self, name: bytes, address: IPAddress | None, now: float) -> float:
        """Return the seconds by which to delay the check of a login."""
        user, source, _ = _keys(name, address)
        by_source = self._delay(source, LONGEST, now) if source else 0.0
        return max(self._delay(user, LONGEST_FOR_USER, now), by_source)

    def _delay(self, key: _Key, longest: float, now: float) -> float:
        over = self._counted(key, now) - FREE
        return min(_FIRST * _GROWTH ** min(over - 1, 10), longest) if over > 0 else 0.0

    def _counted(self, key: _Key, now: float) -> int:
        """Return how many failures count; forget them if the last one is long past."""
        found = self._failures.get(key)
        if found is None:
            return 0
        if now - found.last > FORGOTTEN:
            del self._failures[key]
            return 0
        return found.count

    def failed(self, name: bytes, address: IPAddress | None, now: float) -> None:
        """Count a failed login."""
        for key in _keys(name, address):
            if key is None:
                continue
            self._counted(key, now)
            found = self._failures.setdefault(key, _Failures())
            found.count += 1
            found.last = now
            self._failures.move_to_end(key)
            if len(self._failures) > MOST:
                self._failures.popitem(last=False)

    def succeeded(self, name: bytes, address: IPAddress | None) -> None:
        """Forget the failures of a user who has logged in."""
        user, source, both = _keys(name, address)
        self._failures.pop(user, None)
        if source is None or both is None:
            return
        own, all_there = self._failures.pop(both, None), self._failures.get(source)
        if own and all_there:
            all_there.count -= own.count
            if all_there.count <= 0:
                del self._failures[source]

    def __len__(self) -> int:
        return len(self._failures)


def _keys(name: bytes, address: IPAddress | None) -> tuple[bytes, Prefix | None, tuple[bytes, Prefix] | None]:
    user = name[:LONGEST_NAME].lower()
    if address is None:
        return user, None, None
    source = place(address)[0]
    return user, source, (user, source)
