"""Controlled delay: the packets that an active queue drops or marks, chosen by the time that they waited (RFC 8289).

The names are those of the pseudocode in section 5.
"""

from __future__ import annotations

from math import sqrt

__all__ = ["INTERVAL", "MAXPACKET", "TARGET", "CoDel"]

TARGET = 0.005
"""Seconds of queueing delay that are acceptable for long (section 4.4)."""

INTERVAL = 0.1
"""Seconds for which the delay must be longer than TARGET first, the round-trip time of most flows (section 4.3)."""

MAXPACKET = 1500
"""Bytes left in a queue up to which nothing is dropped: a single packet is not a standing queue (section 4.2)."""

_RECENT = 16 * INTERVAL
"""Seconds after a dropping state within which the next one starts at the former rate (section 5.5)."""


class CoDel:
    """The estimator and the control law of one queue; times are in seconds of a clock that never goes back."""

    __slots__ = ("_count", "_drop_next", "_dropped", "_dropping", "_first_above_time", "_lastcount")

    def __init__(self) -> None:
        self._first_above_time = 0.0
        self._drop_next = 0.0
        self._count = self._lastcount = 0
        self._dropping = False
        self._dropped = False

    def signals(self, sojourn: float, now: float, left: int) -> bool:
        """Tell whether to drop or mark the packet at the head of the queue, which leaves it at the time `now`.

        `sojourn` is how long the packet waited, `left` the number of bytes queued behind it. Call this once for each
        packet that leaves, in order; one call suffices for several packets that waited less than TARGET.
        """
        if sojourn < TARGET or left <= MAXPACKET:
            self._first_above_time = 0.0
            self._dropping = self._dropped = False
            return False
        if not self._first_above_time:
            self._first_above_time = now + INTERVAL
            return False
        if now < self._first_above_time:
            return False
        if not self._dropping:
            self._start_dropping(now)
            return True
        if self._dropped:
            self._dropped = False
            self._drop_next = self._control_law(self._drop_next)
        if now < self._drop_next:
            return False
        self._count += 1
        self._dropped = True
        return True

    def _start_dropping(self, now: float) -> None:
        """Enter the dropping state; soon after the last one, at about the rate that controlled the queue then."""
        delta = self._count - self._lastcount
        self._count = delta if delta > 1 and now - self._drop_next < _RECENT else 1
        self._lastcount = self._count
        self._dropping = True
        self._drop_next = self._control_law(now)

    def _control_law(self, time: float) -> float:
        """Return the time of the next drop: the rate of drops grows with the square root of their count."""
        return time + INTERVAL / sqrt(self._count)
