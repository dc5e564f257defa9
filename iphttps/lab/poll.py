"""Waiting for a condition, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

from iphttps.lab.errors import DeadlinePassed

INTERVAL = 0.02

DEADLINE = 40.0
"""Seconds to wait for an event that must come; long, because a busy machine is slow."""

T = TypeVar("T")


def wait_until(condition: Callable[[], T | None], expected: str, deadline: float = DEADLINE) -> T:
    """Return the first true value of the condition; raise DeadlinePassed after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        if time.monotonic() >= end:
            raise DeadlinePassed(f"{expected}: not seen within {deadline:g} s")
        time.sleep(INTERVAL)
    return value
