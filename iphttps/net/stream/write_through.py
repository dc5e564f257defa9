"""Options of the TCP connection beneath a session: bounded queues, keepalive, and writes without delay."""

from __future__ import annotations

import socket
from typing import Protocol, cast

from twisted.internet.tcp import Connection
from twisted.protocols.policies import ProtocolWrapper

from ...core.queues.send_limits import INITIAL_UNSENT, QUEUE

KEEPALIVE = 60
KEEPALIVE_INTERVAL = 10
USER_TIMEOUT = 90
"""Seconds of silence before a TCP keepalive probe, between probes, and until an unacknowledged connection is closed.

IP-HTTPS has no keepalive of its own; without these, the session of a peer that lost power would stay forever.
"""


class Writer(Protocol):
    """A transport that can be written to."""

    def write(self, data: bytes) -> None: ...


class BottomTransport(Protocol):
    """The transport beneath all wrappers: a twisted.internet.abstract.FileDescriptor."""

    bufferSize: int
    """Bytes in the transport's buffer above which it pauses its producer."""


def prepare(transport: object) -> BottomTransport:
    """Set the TCP options (bounded queues, no Nagle delay, keepalive), and return the lowest transport."""
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    carrier = cast(BottomTransport, transport)
    carrier.bufferSize = QUEUE
    handle = getattr(transport, "getHandle", lambda: None)()
    if isinstance(handle, socket.socket) and handle.family != socket.AF_UNIX:
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * USER_TIMEOUT)  # milliseconds
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, INITIAL_UNSENT)
    return carrier


def write_through(transport: Writer, data: bytes) -> None:
    """Send as many bytes as the kernel accepts at once, and leave the rest to Twisted.

    Twisted itself would copy the bytes into two buffers and register the connection with the reactor for one turn,
    which costs two more system calls.

    While a transport may buffer nothing, its connection is slow and the kernel's buffer is limited. Each write is then
    a record (MSG_EOR), because the kernel does not apply that limit to bytes that it can append to earlier ones.
    """
    if isinstance(transport, Connection) and transport.connected and not _has_unsent(transport):
        try:
            sent = transport.getHandle().send(data, 0 if transport.bufferSize else socket.MSG_EOR)
        except OSError:
            sent = 0  # Twisted gets the same error on its own write, and handles it
        if sent == len(data):
            return
        data = data[sent:]
    transport.write(data)


def _has_unsent(connection: Connection) -> bool:
    """Return whether the transport has unsent bytes, which must go first; assume so if that is unknown."""
    return bool(connection.dataBuffer or getattr(connection, "_tempDataBuffer", True))
