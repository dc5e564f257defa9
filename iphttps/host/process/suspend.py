"""Detects that the host was suspended: one of the kernel's clocks counts that time, the other does not."""

from __future__ import annotations

import time

LEAST = 1.0
"""Minimum suspension in seconds, since the two clocks are not read at the same instant."""


class SuspendDetector:
    """A comparison of CLOCK_BOOTTIME with CLOCK_MONOTONIC (clock_gettime(2)) at each call."""

    def __init__(self) -> None:
        self._asleep: float | None = None

    def resumed(self, monotonic: float, boottime: float) -> bool:
        """Tell whether the host has been suspended since the last call; both clocks are in seconds."""
        before, self._asleep = self._asleep, boottime - monotonic
        return before is not None and self._asleep - before >= LEAST


def clocks() -> tuple[float, float]:
    """Return CLOCK_MONOTONIC and CLOCK_BOOTTIME, in seconds."""
    return time.clock_gettime(time.CLOCK_MONOTONIC), time.clock_gettime(time.CLOCK_BOOTTIME)
