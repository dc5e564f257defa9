"""The head of an HTTP message: its maximum length, and the values of its headers."""

from __future__ import annotations

import h11

MAXIMUM_HEAD = 16 * 1024
"""The longest head taken from a peer, in bytes."""


def values(message: h11.Request | h11.Response, wanted: bytes) -> list[bytes]:
    """Return the values of a header, one for each time it occurs; `wanted` is its name in lower case, as h11 has it."""
    return [value for name, value in message.headers if name == wanted]
