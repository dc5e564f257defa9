"""A reserve of descriptors: connections are accepted only while enough are free for everything else.

The control socket, the revocation lists, the authority's files and the log need descriptors, too. Without a reserve a
crowd at the door would take the last one, and the server could read no list of those whose sessions must end.

The kernel gives the lowest descriptor that is free. So where a new one comes close to the limit, all below it are
taken, and the listening port pauses; those who come meanwhile wait in the kernel. An error of accept(2) that has to do
with the whole host, such as ENFILE, pauses the port as well, in place of a line in the log for each try.
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
"""Descriptors that are not for connections, or a quarter of all where there are few."""

PAUSE = 1.0
"""Seconds until it is tried again whether there are some."""

REPEAT = 60.0
"""Seconds in which it is said once that there are none."""

RESERVED = "the rest is reserved"

_OF_ONE_CONNECTION = (errno.EAGAIN, errno.ECONNABORTED, errno.EPERM, errno.EINTR)
"""Errors that say nothing about the next connection; Twisted deals with them."""


def bound() -> int:
    """Return the descriptor from which on they are reserved."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit - min(RESERVE, limit // 4)


def available(descriptor: int) -> bool:
    """Tell whether a descriptor is free that is not reserved; any open one serves for the trial."""
    try:
        lowest = os.dup(descriptor)
    except OSError:
        return False
    os.close(lowest)
    return lowest < bound()


class Shortage:
    """Says in the log that connections wait for descriptors, once in a while."""

    log = logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._said = float("-inf")

    def note(self, reason: str) -> None:
        """Note that a port has paused, and why."""
        now = self._clock.seconds()
        if abs(now - self._said) >= REPEAT:
            self._said = now
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            self.log.warn(
                "new connections have to wait: of {limit} descriptors none is free ({reason}); raise LimitNOFILE= of "
                "the unit, or `ulimit -n`",
                event="no-descriptors",
                limit=limit,
                reason=reason,
            )


class Reserving:
    """Takes the place of a port's listening socket, and pauses the port where descriptors run out."""

    def __init__(self, port: Port) -> None:
        self._port: Any = port  # whose methods have no types
        self._socket: socket.socket = port.socket
        self._clock: IReactorTime = cast(Any, port.reactor)
        self._paused = False
        self._shortage = Shortage(self._clock)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection, as a socket does.

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
    """Have a listening port leave a reserve of descriptors, if it is one of the kernel's."""
    if isinstance(port, Port):
        port.socket = cast(socket.socket, Reserving(port))
