"""Tests for iphttps.net.acceptor: who is let in, and what happens when nobody can be."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from pathlib import Path
from typing import Any, cast

from twisted.internet.protocol import ServerFactory
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.acceptor import ACCEPTS, PAUSE, Acceptor
from iphttps.net.interfaces import IReactor


class Reactor(MemoryReactorClock):
    """A reactor that counts the connections it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.adopted = 0

    def adoptStreamConnection(self, descriptor: int, family: int, factory: object) -> None:
        """Count a connection."""
        assert (os.get_blocking(descriptor), family) == (False, socket.AF_UNIX)
        self.adopted += 1


class Exhausted:
    """A listening socket in a process that has no descriptors left."""

    def fileno(self) -> int:
        """Return any descriptor."""
        return 0

    def accept(self) -> Any:
        """Fail."""
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


class AcceptorTests(SynchronousTestCase):
    """Accepting, when the reactor says that somebody waits."""

    def setUp(self) -> None:
        """Listen."""
        directory = tempfile.TemporaryDirectory(prefix="iphttps-acceptor-")
        self.addCleanup(directory.cleanup)
        self.path = str(Path(directory.name) / "a.sock")
        self.listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listening.close)
        self.listening.bind(self.path)
        self.listening.listen(ACCEPTS * 2)
        self.listening.setblocking(False)
        self.reactor = Reactor()
        self.admits = True

    def acceptor(self, listening: object = None) -> Acceptor:
        """Start an acceptor, on this socket or another."""
        made = Acceptor(
            cast(IReactor, self.reactor),
            cast(socket.socket, listening or self.listening),
            ServerFactory(),
            lambda connected: self.admits,
        )
        made.start()
        return made

    def connect(self) -> socket.socket:
        """Connect."""
        wire = socket.socket(socket.AF_UNIX)
        self.addCleanup(wire.close)
        wire.settimeout(5)
        wire.connect(self.path)
        return wire

    def test_admitted(self) -> None:
        """Those who are admitted get a protocol; in one turn only so many, so that nothing else starves."""
        acceptor = self.acceptor()
        self.assertIn(acceptor, self.reactor.getReaders())
        for _ in range(ACCEPTS + 1):
            self.connect()
        acceptor.doRead()
        self.assertEqual(ACCEPTS, self.reactor.adopted)
        acceptor.doRead()
        acceptor.doRead()  # nobody waits
        self.assertEqual(ACCEPTS + 1, self.reactor.adopted)

    def test_not_admitted(self) -> None:
        """Others are closed at once, and never meet a protocol."""
        self.admits = False
        wire = self.connect()
        self.acceptor().doRead()
        self.assertEqual((0, b""), (self.reactor.adopted, wire.recv(1)))

    def test_exhausted(self) -> None:
        """Without descriptors it is tried again after a while, not all the time."""
        acceptor = self.acceptor(Exhausted())
        acceptor.doRead()
        self.assertEqual([], self.reactor.getReaders())
        self.reactor.advance(PAUSE)
        self.assertEqual([acceptor], self.reactor.getReaders())

    def test_stopped(self) -> None:
        """Stopped it stays stopped, though it was to be tried again."""
        acceptor = self.acceptor(Exhausted())
        acceptor.doRead()
        acceptor.stop()
        self.reactor.advance(PAUSE)
        self.assertEqual([], self.reactor.getReaders())
