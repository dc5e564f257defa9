"""Limits on failed logins: each failure delays the next attempts for the same user from the same place, and from there.

A failure of one place does not delay others, so an attacker cannot lock a user out. An attacker with many places still
meets the delay of the user, which grows to a few seconds and no further: the user waits as long, and gets in.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from .ip.address import IPAddress
from .sources import Prefix, place

__all__ = ["LONGEST", "LONGEST_FOR_USER", "LoginLimiter"]

FREE = 3
"""Failures without a delay: typing errors."""

LONGEST = 30.0
"""The longest delay of a source, in seconds."""

LONGEST_FOR_USER = 5.0
"""The longest delay of a user, whose failures may be an attacker's, in seconds."""

FORGOTTEN = 900.0
"""Seconds after which a failure counts no longer."""

MOST = 10_000
"""Maximum number of users and sources remembered; the one that failed longest ago is forgotten first."""


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = 0.0


class LoginLimiter:
    """Counts failed logins by user and by source, which is an IPv4 address or an IPv6 /64."""

    def __init__(self) -> None:
        self._failures: OrderedDict[bytes | Prefix, _Failures] = OrderedDict()

    def delay(self, name: bytes, address: IPAddress | None, now: float) -> float:
        """Return the seconds by which to delay the check of a login."""
        by_user = self._delay(name.lower(), LONGEST_FOR_USER, now)
        by_source = self._delay(place(address)[0], LONGEST, now) if address else 0.0
        return max(by_user, by_source)

    def _delay(self, key: bytes | Prefix, longest: float, now: float) -> float:
        found = self._failures.get(key)
        if found is None:
            return 0.0
        if now - found.last > FORGOTTEN:
            del self._failures[key]
            return 0.0
        return min(0.5 * 2.0 ** min(found.count - FREE, 10), longest) if found.count > FREE else 0.0

    def failed(self, name: bytes, address: IPAddress | None, now: float) -> None:
        """Count a failed login."""
        keys: list[bytes | Prefix] = [name.lower()]
        if address:
            keys.append(place(address)[0])
        for key in keys:
            found = self._failures.setdefault(key, _Failures())
            found.count += 1
            found.last = now
            self._failures.move_to_end(key)
            if len(self._failures) > MOST:
                self._failures.popitem(last=False)

    def succeeded(self, name: bytes, address: IPAddress | None) -> None:
        """Forget the failures of a user who has logged in, and of the source, which knows a password."""
        self._failures.pop(name.lower(), None)
        if address:
            self._failures.pop(place(address)[0], None)
