"""Keeps Python's garbage collector from stopping everything for long.

CPython looks for what refers to itself in a circle by going through all objects there are; with ten thousand sessions
that takes a third of a second, and comes after any of them. So what one such look has found alive is left out of the
next ones: each goes through what has come since, some hundred sessions at most. What is left out and ends nevertheless
must contain no circle, for then it is freed as soon as nothing refers to it; `tests/net/test_circles.py` sees to that.
"""

from __future__ import annotations

import gc
from typing import Literal

OLDEST = 2
"""The generation that is all there is."""

THRESHOLDS = 700, 10, 2
"""Objects until the youngest generation is collected, its collections until the middle one is, that one's until the
oldest is. Python's own defaults differ: 3.13 has 2000 for the first."""


def install() -> None:
    """Have it so from now on, for the whole program."""
    gc.set_threshold(*THRESHOLDS)
    gc.callbacks.append(_collected)
    gc.collect()


def _collected(phase: Literal["start", "stop"], info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] == OLDEST:
        gc.freeze()


def look_at_all() -> None:
    """Have the next look go through everything again, as there may be circles: once, when much has been replaced."""
    gc.unfreeze()
