"""The progress display; only the tables go to standard output."""

import sys


def say(text: str) -> None:
    """Write a line to standard error at once."""
    print(text, file=sys.stderr, flush=True)
