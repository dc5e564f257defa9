"""Tunes the C library's allocator to keep freed buffers for the next reactor turn.

Packets pass in short-lived buffers of some hundred kilobytes. By default glibc returns such a buffer to the kernel at
once and requests a new one: two system calls, and a page fault that clears 4 kB for each of its pages, 40000 faults a
second as measured.
"""

from __future__ import annotations

import ctypes

LARGEST = 4 << 20
"""Buffers up to this size in bytes come from the heap; the largest one holds what a turn reads from the device."""

KEPT = 8 << 20
"""Free bytes at the end of the heap that are not returned to the kernel."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def keep_buffers() -> bool:
    """Set this for the whole process; tell whether the C library supports it (musl does not)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(M_MMAP_THRESHOLD, LARGEST) and mallopt(M_TRIM_THRESHOLD, KEPT))
