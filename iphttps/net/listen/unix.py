"""Accepts connections on a UNIX socket from admitted users.

Twisted's own port for UNIX sockets is not used: when it adopts a listening socket it makes it accessible to all users
(mode 0666), and it does not check the peer's credentials.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import ServerFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from ..interfaces import IReactor
from .descriptor_reserve import RESERVED, Shortage, available, bound

ACCEPTS = 16
"""Maximum number of connections accepted in one turn of the reactor."""

PAUSE = 1.0
"""Seconds to wait after accept(2) has failed, as when no descriptors are left."""


@implementer(IReadDescriptor)
class Acceptor:
    """Passes connections to the factory if `admit` returns true, and closes all others at once.

    With `leaves_reserve` it accepts only while unreserved descriptors are free (`net/listen/descriptor_reserve.py`).
    """

    def __init__(
        self,
        reactor: IReactor,
        listening: socket.socket,
        factory: ServerFactory[Any],
        admit: Callable[[socket.socket], bool],
        *,
        leaves_reserve: bool = False,
    ) -> None:
        self._reactor = reactor
        self._listening = listening
        self._factory = factory
        self._admit = admit
        self._shortage = Shortage(reactor) if leaves_reserve else None
        self._running = False

    def start(self) -> None:
        """Start accepting."""
        self._running = True
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Stop accepting."""
        self._running = False
        self._reactor.removeReader(self)

    def fileno(self) -> int:
        """Return the listening socket's descriptor."""
        return self._listening.fileno()

    def doRead(self) -> None:
        """Accept waiting connections, up to ACCEPTS."""
        try:
            for _ in range(ACCEPTS):
                connected, _ = self._listening.accept()
                with connected:  # the reactor takes a duplicate
                    if self._admit(connected):
                        connected.setblocking(False)
                        self._reactor.adoptStreamConnection(connected.fileno(), socket.AF_UNIX, self._factory)
                    if self._shortage and connected.fileno() >= bound():
                        self._pause(RESERVED)
                        return
        except BlockingIOError:
            pass
        except OSError as error:
            self._pause(str(error.strerror))

    def _pause(self, reason: str) -> None:
        self._reactor.removeReader(self)
        self._reactor.callLater(PAUSE, self._resume)
        if self._shortage:
            self._shortage.note(reason)

    def _resume(self) -> None:
        if not self._running:
            return
        if self._shortage and not available(self.fileno()):
            self._reactor.callLater(PAUSE, self._resume)
            return
        self._reactor.addReader(self)

    def connectionLost(self, reason: Failure) -> None:
        """Do nothing: the descriptor has failed, and `stop` does the rest."""

    def logPrefix(self) -> str:
        """Return the name used in the log."""
        return "control"
