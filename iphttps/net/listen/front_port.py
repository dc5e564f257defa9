"""A port for the connections of local proxies on a UNIX socket."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, Protocol, cast

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort, IOpenSSLServerConnectionCreator, IProtocolFactory
from twisted.internet.protocol import ServerFactory
from zope.interface import implementer

from ..interfaces import IReactor
from ..tls.immediate import ImmediateTLSFactory
from .unix import Acceptor


class Socket(Protocol):
    """A socket that listens at a path."""

    path: Path
    listening: socket.socket

    def close(self) -> None:
        """Stop listening and remove the socket."""


@implementer(IListeningPort)
class FrontPort:
    """A port that accepts on the socket, and closes the socket when it is stopped."""

    def __init__(self, reactor: IReactor, opened: Socket, factory: IProtocolFactory) -> None:
        self._socket = opened
        self._factory = factory
        accepted = cast("ServerFactory[Any]", factory)
        self._acceptor = Acceptor(reactor, opened.listening, accepted, lambda connected: True, leaves_reserve=True)

    def startListening(self) -> None:
        """Start accepting."""
        self._factory.doStart()
        self._acceptor.start()

    def stopListening(self) -> Deferred[None]:
        """Stop accepting, and remove the socket."""
        self._acceptor.stop()
        self._socket.close()
        self._factory.doStop()
        return succeed(None)

    def getHost(self) -> UNIXAddress:
        """Return the address of the socket."""
        return UNIXAddress(str(self._socket.path))


def secured(factory: IProtocolFactory, tls: IOpenSSLServerConnectionCreator | None) -> IProtocolFactory:
    """Return a factory that adds TLS below the factory's protocols, or the factory itself without TLS."""
    return ImmediateTLSFactory(tls, False, factory) if tls else factory
