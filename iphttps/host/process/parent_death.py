"""The signal that a process gets when its parent ends, however the parent ends (PR_SET_PDEATHSIG, prctl(2))."""

from __future__ import annotations

import ctypes

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def signal_at_parent_death(number: int) -> None:
    """Have the kernel send this signal to this process when its parent ends; a later change of user resets it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
