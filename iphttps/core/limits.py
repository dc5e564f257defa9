"""Rate limits: a token bucket."""

from __future__ import annotations


class TokenBucket:
    """A token bucket: `rate` tokens per second, and at most `burst` tokens saved up.

    An item that costs more than a full bucket passes once the bucket is full, and leaves it overdrawn.
    """

    __slots__ = ("_burst", "_filled", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled = float("-inf")

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Take `cost` tokens at the time `now`, in seconds; tell whether there were enough."""
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < min(cost, self._burst):
            return False
        self._tokens -= cost
        return True
