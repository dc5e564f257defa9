"""The header of an HTTP message that h11 has read."""

from __future__ import annotations

import h11


def values(message: h11.Request | h11.Response, wanted: bytes) -> list[bytes]:
    """Return the values of a header field, which h11 names in lower case; one for each time it stands there."""
    return [value for name, value in message.headers if name == wanted]
