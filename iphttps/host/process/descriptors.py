"""How many descriptors this process may have open."""

from __future__ import annotations

import resource

MOST = 1 << 16
"""What is enough for any number of clients that one process can serve."""


def raise_limit() -> int:
    """Raise the soft limit to the hard one, but not beyond MOST; returns what it is then.

    The soft limit is low for the sake of programs that use select(2), of which this is none.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
