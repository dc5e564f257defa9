"""The head of an HTTP message: its bounds, the values of its headers, and how much of it a sentence quotes."""

from __future__ import annotations

import h11

MAXIMUM_HEAD = 16 * 1024
"""The longest head taken from a peer, in bytes."""

SHOWN_WORDS = 100
"""How many characters a sentence quotes of what a peer said."""


def values(message: h11.Request | h11.Response, wanted: bytes) -> list[bytes]:
    """Return the values of a header, one for each time it occurs; `wanted` is its name in lower case, as h11 has it."""
    return [value for name, value in message.headers if name == wanted]


def shortened(words: str) -> str:
    """Return the beginning of a peer's words, as long as fits in a sentence."""
    return words if len(words) <= SHOWN_WORDS else f"{words[:SHOWN_WORDS]}..."
