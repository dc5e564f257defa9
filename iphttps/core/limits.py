"""How much of something is let through in a time: a token bucket."""

from __future__ import annotations


class TokenBucket:
    """Lets `rate` things through in a second, and `burst` at once after a rest.

    What costs more than a whole burst passes after a rest, and is paid for afterwards.
    """

    __slots__ = ("_burst", "_filled", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled = float("-inf")

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Tell whether so much may pass at the time `now`, in seconds, and count it if so."""
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < min(cost, self._burst):
            return False
        self._tokens -= cost
        return True
