"""The C library's memory: what one turn of the reactor frees is kept for the next.

Packets pass in buffers of some hundred kilobytes, each of which lives for a moment. glibc gives as much back to the
kernel at once, and gets it anew: two system calls, and a page fault with 4 kB of zeros for each page of it, of which
there were 40000 in a second.
"""

from __future__ import annotations

import ctypes

LARGEST = 4 << 20
"""Bytes of a buffer that still comes from what was kept; it holds what a turn reads from the device, at most."""

KEPT = 8 << 20
"""Bytes at the end of the heap that stay though nothing is in them."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def keep_buffers() -> bool:
    """Have it so from now on, for the whole program; returns whether the C library knows how (musl does not)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(M_MMAP_THRESHOLD, LARGEST) and mallopt(M_TRIM_THRESHOLD, KEPT))
