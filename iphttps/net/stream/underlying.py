"""The TCP connection beneath whatever is spoken over it."""

from __future__ import annotations

import socket


def underlying_socket(transport: object) -> socket.socket | None:
    """Return the socket under a transport: that of TLS, of TLS in TLS; None if there is none, as in a test."""
    while transport is not None:
        handle = getattr(transport, "getHandle", lambda: None)()
        if isinstance(handle, socket.socket):
            return handle
        transport = getattr(transport, "transport", None)
    return None
