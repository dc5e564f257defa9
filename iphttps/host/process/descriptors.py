"""The limit on this process's open descriptors."""

from __future__ import annotations

import resource

MOST = 1 << 16
"""Enough for all the clients that one process can serve."""


def raise_limit() -> int:
    """Raise the soft limit to the hard limit, but not beyond MOST; return the new soft limit.

    The soft limit is low only for programs that use select(2); this one does not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
