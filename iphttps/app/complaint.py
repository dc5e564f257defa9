"""The end of a daemon that cannot start: one sentence, and an exit status."""

from __future__ import annotations

import sys
from typing import NoReturn


def complain(command: str, sentence: str, status: int = 1) -> NoReturn:
    """Exit with one sentence on the original standard error, which twistd does not redirect to the log."""
    print(f"twistd {command}: {sentence}", file=sys.__stderr__)
    raise SystemExit(status)
