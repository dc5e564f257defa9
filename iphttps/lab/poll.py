"""Waiting for a condition, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

from iphttps.lab.errors import DeadlinePassed

INTERVAL = 0.02

T = TypeVar("T")


def wait_until(condition: Callable[[], T | None], expected: str, deadline: float = 40.0) -> T:
    """Return the first true value of the condition; after so many seconds fail, saying what was expected."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        if time.monotonic() >= end:
            raise DeadlinePassed(f"{expected}: not seen within {deadline:g} s")
        time.sleep(INTERVAL)
    return value
