"""Limits the pauses of Python's garbage collector.

A full collection in CPython traverses all objects to find reference cycles; with ten thousand sessions it takes a third
of a second, and any new session can trigger one. Therefore objects that survive a full collection are frozen: later
collections skip them and traverse only newer objects, those of some hundred sessions at most. A frozen object must not
be part of a cycle when it is released, so that reference counting frees it; `tests/net/test_circles.py` checks this.
"""

from __future__ import annotations

import gc
from typing import Literal

OLDEST = 2
"""The oldest generation; its collection is a full one."""

THRESHOLDS = 700, 10, 2
"""Allocations before a collection of the youngest generation, and collections of each generation before one of the next
older. Python's own defaults differ: 3.13 has 2000 for the first."""


def install() -> None:
    """Set the thresholds and freeze survivors from now on, for the whole process."""
    gc.set_threshold(*THRESHOLDS)
    gc.callbacks.append(_collected)
    gc.collect()


def _collected(phase: Literal["start", "stop"], info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] == OLDEST:
        gc.freeze()


def look_at_all() -> None:
    """Include all objects in the next full collection, because a reload may have left reference cycles."""
    gc.unfreeze()
