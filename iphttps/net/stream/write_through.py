"""What carries a tunnel beneath all of TLS: a TCP connection with bounded queues, to which is written without delay."""

from __future__ import annotations

import socket
from typing import Protocol, cast

from twisted.internet.tcp import Connection
from twisted.protocols.policies import ProtocolWrapper

QUEUE = 256 * 1024
"""Bytes that may wait in the transport's buffer, at most, before the tunnel counts as congested."""

UNSENT = 128 * 1024
"""Bytes that the kernel may hold unsent for the connection (TCP_NOTSENT_LOWAT)."""

KEEPALIVE = 60
KEEPALIVE_INTERVAL = 10
USER_TIMEOUT = 90
"""Seconds: of silence before TCP asks, between two questions, and until a peer that acknowledges nothing is given up.

IP-HTTPS has no keepalive of its own; without these a peer that lost power would hold its place for ever.
"""


class Writer(Protocol):
    """A transport, as far as it is written to."""

    def write(self, data: bytes) -> None: ...


class Carrier(Protocol):
    """What is beneath all wrappers: twisted.internet.abstract.FileDescriptor."""

    bufferSize: int
    """Bytes in the transport's buffer above which it tells its producer to pause."""


def prepare(transport: object) -> Carrier:
    """Set the TCP connection's options: bounded queues, no waiting for more to send, a dead peer found."""
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    carrier = cast(Carrier, transport)
    carrier.bufferSize = QUEUE
    handle = getattr(transport, "getHandle", lambda: None)()
    if isinstance(handle, socket.socket) and handle.family != socket.AF_UNIX:
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * USER_TIMEOUT)  # milliseconds
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
    return carrier


def write_through(transport: Writer, data: bytes) -> None:
    """Have the kernel take the bytes now, as far as it will, and leave only the rest to Twisted.

    Twisted's way is a copy into its buffer, a second into another, and the reactor watching the connection for a
    moment, which is two system calls more.
    """
    if isinstance(transport, Connection) and transport.connected and not _holds(transport):
        try:
            sent = transport.getHandle().send(data)
        except OSError:
            sent = 0  # whatever it is, it happens again to Twisted, which knows what to do
        if sent == len(data):
            return
        data = data[sent:]
    transport.write(data)


def _holds(connection: Connection) -> bool:
    """Tell whether the transport still has something to send, which must come first; if it does not say, it has."""
    return bool(connection.dataBuffer or getattr(connection, "_tempDataBuffer", True))
