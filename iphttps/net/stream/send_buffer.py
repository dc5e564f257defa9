"""The kernel's send buffer of a TCP connection: what TCP knows of it, and its limits (tcp(7), socket(7))."""

from __future__ import annotations

import socket
import struct

from ...core.queues.send_limits import INITIAL_UNSENT, MAXIMUM_IN_KERNEL, ConnectionInfo
from .underlying import underlying_socket

__all__ = ["SendBuffer"]

SO_BUF_LOCK = 72
SOCK_SNDBUF_LOCK = 1
"""The socket option, and its bit, that stop the kernel from adapting SO_SNDBUF (asm-generic/socket.h, Linux 5.14)."""

# struct tcp_info of linux/tcp.h: 8 bytes, 24 words of 32 bits, then words of 64 and 32 bits. The fields that are read:
_RTT = struct.Struct("=68xI")
_ACKED = struct.Struct("=120xQ")
_MIN_RTT_AND_RATE = struct.Struct("=148xI8xQ")
_SIZE = 168

_CHANGE = 8
"""A limit is set again if it changes by more than this fraction (1/8), for each change is a system call."""


class SendBuffer:
    """The send buffer of the connection beneath a transport; without effect if that is not a TCP connection."""

    def __init__(self, transport: object) -> None:
        connection = underlying_socket(transport)
        self._socket = connection if connection and _can_be_limited(connection) else None
        self._unsent = INITIAL_UNSENT
        self._size: int | None = None

    def info(self) -> ConnectionInfo | None:
        """Return what TCP knows of the connection; None if it does not say."""
        if self._socket is None:
            return None
        try:
            data = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
        except OSError:
            return None  # closed meanwhile
        if len(data) < _SIZE:
            return None
        (rtt,), (acked,), (min_rtt, rate) = (
            layout.unpack_from(data) for layout in (_RTT, _ACKED, _MIN_RTT_AND_RATE)
        )  # fmt: skip
        # Without any measurement the shortest round-trip time is the longest possible number.
        return ConnectionInfo(acked, rtt / 1e6, min(rtt, min_rtt) / 1e6, float(rate))

    def limit(self, in_kernel: int | None, unsent: int) -> None:
        """Set the maximum bytes in the buffer, sent or not, None for no limit, and the maximum unsent bytes."""
        if self._socket is None:
            return
        try:
            if _differs(self._unsent, unsent):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, unsent)
                self._unsent = unsent
            if in_kernel is None:
                if self._size is not None:
                    self._size = None
                    self._unlock(self._socket)
            elif self._size is None or _differs(self._size, in_kernel):
                self._size = in_kernel
                # The kernel doubles the number for its own overhead, which is as much for single packets.
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, in_kernel)
        except OSError:
            self._socket = None  # closed meanwhile, or unlocking is not supported

    def _unlock(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAXIMUM_IN_KERNEL)
        locked = connection.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK)
        connection.setsockopt(socket.SOL_SOCKET, SO_BUF_LOCK, locked & ~SOCK_SNDBUF_LOCK)


def _can_be_limited(connection: socket.socket) -> bool:
    """Tell whether this is TCP, and a limit can be removed again: the kernel is Linux 5.14 or later."""
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    try:
        connection.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK)
    except OSError:
        return False
    return True


def _differs(one: int, other: int) -> bool:
    return abs(one - other) * _CHANGE > one
