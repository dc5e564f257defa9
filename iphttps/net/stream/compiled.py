"""The compiled loops (loop.c), which may be missing: Python does the same, but slower."""

from __future__ import annotations

from collections.abc import Callable

from ...core.loops import Loops

LOOPS: Loops | None = None
"""The loops over packets, None if the module was not built."""

DECRYPT: Callable[[int, int, int], tuple[bytes, int]] | None = None
"""The loop over the records of TLS, likewise; `_loop.pyi` describes it."""

try:
    from . import _loop
except ImportError:
    pass
else:
    LOOPS, DECRYPT = _loop, _loop.decrypt
