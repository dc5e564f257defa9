"""The head of an HTTP message: its maximum length, and the values of its headers."""

from __future__ import annotations

import h11

MAXIMUM_HEAD = 16 * 1024
"""The longest head taken from a peer, in bytes."""

CONTENT_LENGTH = 18446744073709551615
"""The greatest length there is, for a body that never ends ([MS-IPHTTPS] 3.1.5.2, [MS-SSTP] 3.2.4.1, 3.3.7.2)."""


def values(message: h11.Request | h11.Response, wanted: bytes) -> list[bytes]:
    """Return the values of a header, one for each time it occurs; `wanted` is its name in lower case, as h11 has it."""
    return [value for name, value in message.headers if name == wanted]
