"""The Reconnect Timer ([MS-IPHTTPS] 3.1.2.1), which the SSTP client uses as well."""

from __future__ import annotations

INITIAL = 30.0  # 3.1.2.1: "an initial timeout of 30 seconds"
MAXIMUM = 900.0  # 3.1.2.1: "up to a maximum timeout of 15 minutes"

SPREAD = 0.2
"""Maximum random extension, as a fraction of the delay; an addition to the specification."""


class ReconnectTimer:
    """The delay before the next attempt after a failure; all times in seconds.

    "Upon the first failure, the reconnection timer is started for an initial timeout of 30 seconds. Each
    subsequent failure starts a reconnection timer with a timeout set to the time elapsed since the beginning
    of the algorithm, up to a maximum timeout of 15 minutes."
    """

    def __init__(self, initial: float = INITIAL, maximum: float = MAXIMUM) -> None:
        self.initial = initial
        self.maximum = maximum
        self._first_failure: float | None = None

    def failed(self, now: float, jitter: float = 0.0, at_least: float = 0.0) -> float:
        """Note a failure and return the delay until the next attempt.

        `jitter`, a random number from 0 to 1, extends the delay by up to a fifth, so that a thousand clients that lose
        their server together do not all return together. `at_least` is the delay that the server asks for; it can only
        extend the result.
        """
        if self._first_failure is None:
            self._first_failure = now
        # The second failure can follow immediately, so the initial timeout is also the minimum.
        delay = min(max(now - self._first_failure, self.initial), self.maximum)
        return max(delay * (1 + SPREAD * jitter), at_least)

    def succeeded(self) -> None:
        """Reset the timer: "A successful HTTPS connection resets the timer"."""
        self._first_failure = None
