"""A reserve of file descriptors: connections are accepted only while enough are free for other uses.

The control socket, the revocation lists, the authority's files and the log need descriptors, too. Without a reserve,
many connections could take the last one, and the server could not load the revocation list that ends sessions.

The kernel allocates the lowest free descriptor. Therefore, if a new one is close to the limit, all below it are in use,
and the port pauses accepting; new connections wait in the kernel. A host-wide error of accept(2), such as ENFILE,
pauses the port as well, instead of logging a line per attempt.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
from typing import Any, cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.tcp import Port

from ..log import logger

RESERVE = 64
"""Number of reserved descriptors, or a quarter of the limit if that is lower."""

PAUSE = 1.0
"""Seconds between two checks for free descriptors."""

REPEAT = 60.0
"""Minimum seconds between two warnings."""

RESERVED = "the rest is reserved"

_OF_ONE_CONNECTION = (errno.EAGAIN, errno.ECONNABORTED, errno.EPERM, errno.EINTR)
"""Errors that concern only one connection; Twisted handles them."""


def bound() -> int:
    """Return the lowest reserved descriptor number."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit - min(RESERVE, limit // 4)


def available(descriptor: int) -> bool:
    """Return whether an unreserved descriptor is free; tested by duplicating any open descriptor."""
    try:
        lowest = os.dup(descriptor)
    except OSError:
        return False
    os.close(lowest)
    return lowest < bound()


class Shortage:
    """Logs that connections wait for descriptors, at most once in REPEAT seconds."""

    log = logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._said = float("-inf")

    def note(self, reason: str) -> None:
        """Log that a port has paused, and why."""
        now = self._clock.seconds()
        if abs(now - self._said) >= REPEAT:
            self._said = now
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            self.log.warn(
                "new connections must wait: none of {limit} descriptors is free ({reason}); raise LimitNOFILE= of "
                "the unit, or `ulimit -n`",
                event="no-descriptors",
                limit=limit,
                reason=reason,
            )


class Reserving:
    """Replaces a port's listening socket, and pauses the port when descriptors run out."""

    def __init__(self, port: Port) -> None:
        self._port: Any = port  # its methods have no types
        self._socket: socket.socket = port.socket
        self._clock: IReactorTime = cast(Any, port.reactor)
        self._paused = False
        self._shortage = Shortage(self._clock)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection, like socket.accept().

        Raises:
            BlockingIOError: No connection is waiting, or the port is paused.
            OSError: The connection failed before it was accepted.
        """
        if self._paused:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        try:
            connected, address = self._socket.accept()
        except OSError as error:
            if error.errno in _OF_ONE_CONNECTION:
                raise
            self._pause(str(error.strerror))
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        if connected.fileno() >= bound():
            self._pause(RESERVED)
        return connected, address

    def _pause(self, reason: str) -> None:
        self._paused = True
        self._port.stopReading()
        self._clock.callLater(PAUSE, self._resume)
        self._shortage.note(reason)

    def _resume(self) -> None:
        if not self._port.connected or self._port.disconnecting:
            return
        if not available(self._socket.fileno()):
            self._clock.callLater(PAUSE, self._resume)
            return
        self._paused = False
        self._port.startReading()


def keep_reserve(port: object) -> None:
    """Make a listening port keep a reserve of descriptors, if it is a kernel socket."""
    if isinstance(port, Port):
        port.socket = cast(socket.socket, Reserving(port))
