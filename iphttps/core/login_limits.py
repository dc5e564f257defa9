"""Limits on failed logins: each failure delays the next attempts for the same user, and from the same source.

The delay of a source grows to half a minute, and its attempts queue: each starts one delay after the previous one, so
parallel connections are no faster than a single one. The failures of a user may all come from an attacker with many
sources, so the delay of a user grows only to a few seconds, and its attempts do not queue: the user always gets in
after one delay. A user who has logged in from a source before is not delayed by the failures of others there. A
successful login ends the user's delay. It clears only that user's failures from the source, so an attacker with an
account of his own cannot use it to guess the passwords of others.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from .ip.address import IPAddress
from .sources import Prefix, place

__all__ = ["FORGOTTEN", "FREE", "LONGEST", "LONGEST_FOR_USER", "MOST", "TOO_MANY", "LoginLimiter", "Turn"]

FREE = 3
"""The number of failures without a delay, for typing errors."""

LONGEST = 30.0
"""The longest delay of a source, and the longest wait in its queue, in seconds: clients do not wait longer."""

LONGEST_FOR_USER = 5.0
"""The longest delay of a user, whose failures may be an attacker's, in seconds."""

FORGOTTEN = 900.0
"""Seconds after which a failure no longer counts."""

MOST = 10_000
"""Maximum number of users, sources, and users at a source remembered; the oldest failure is forgotten first."""

LONGEST_NAME = 256
"""Significant bytes of a name (RFC 2759 section 4), so that long names take no more memory."""

TOO_MANY = "too many logins wait after failures at its source"
"""The reason for rejecting a login without a check."""

_FIRST, _GROWTH = 1.0, 2.0

_Key = bytes | Prefix | tuple[bytes, Prefix]


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = 0.0
    booked: float = float("-inf")
    """The time at which the last attempt in the queue is due."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Permission to check a login after `wait` seconds; `due` is its slot in the queue of `source`."""

    wait: float
    source: Prefix | None = None
    due: float = 0.0
    before: float = 0.0


class LoginLimiter:
    """Counts failed logins by user and by source, which is an IPv4 address or an IPv6 /64.

    Names are compared without regard to case; the caller removes domain and realm.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[_Key, _Failures] = OrderedDict()
        self._known: OrderedDict[_Key, None] = OrderedDict()
        """Users at sources from which they have logged in."""

    def book(self, name: bytes, address: IPAddress | None, now: float) -> Turn | None:
        """Return the time at which a login may be checked, and reserve its slot in the queue of its source.

        None means that the queue is full: the login must be rejected.
        """
        user, source, both = _keys(name, address)
        by_user = self._delay(user, LONGEST_FOR_USER, now)
        by_source = self._delay(source, LONGEST, now) if source and both not in self._known else 0.0
        if not source or not by_source:
            return Turn(by_user)
        failures = self._failures[source]
        before, due = failures.booked, max(now, failures.booked) + by_source
        if due - now > LONGEST:
            return None
        failures.booked = due
        return Turn(max(due - now, by_user), source, due, before)

    def cancel(self, turn: Turn) -> None:
        """Free the slot of a login that is no longer wanted, unless others follow it in the queue."""
        failures = self._failures.get(turn.source) if turn.source else None
        if failures and failures.booked == turn.due:
            failures.booked = turn.before

    def _delay(self, key: _Key, longest: float, now: float) -> float:
        over = self._counted(key, now) - FREE
        return min(_FIRST * _GROWTH ** min(over - 1, 10), longest) if over > 0 else 0.0

    def _counted(self, key: _Key, now: float) -> int:
        """Return the number of failures that count; forget them if the last one has expired."""
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
        """Forget the failures of a user who has logged in, and delay the user no more for others at this source."""
        user, source, both = _keys(name, address)
        self._failures.pop(user, None)
        if source is None or both is None:
            return
        self._known[both] = None
        self._known.move_to_end(both)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
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
