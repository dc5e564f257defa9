"""The compiled loops over packets (loop.c), which may be missing: Python does the same, but slower."""

from __future__ import annotations

from ...core.loops import Loops

LOOPS: Loops | None
"""The compiled module, None if it was not built."""

try:
    from . import _loop
except ImportError:
    LOOPS = None
else:
    LOOPS = _loop
