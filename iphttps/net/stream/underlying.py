"""The socket beneath a stack of transports."""

from __future__ import annotations

import socket


def underlying_socket(transport: object) -> socket.socket | None:
    """Return the socket beneath a transport, also through TLS in TLS; None if there is none, as in tests."""
    while transport is not None:
        handle = getattr(transport, "getHandle", lambda: None)()
        if isinstance(handle, socket.socket):
            return handle
        transport = getattr(transport, "transport", None)
    return None
