"""Tests for iphttps.net.listen.unix: who is let in, and what happens when nobody can be."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.protocol import ServerFactory
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.interfaces import IReactor
from iphttps.net.listen import descriptor_reserve
from iphttps.net.listen import unix as acceptor
from iphttps.net.listen.front_port import FrontPort
from iphttps.net.listen.unix import ACCEPTS, PAUSE, Acceptor


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

    def acceptor(self, listening: object = None, *, leaves_reserve: bool = False) -> Acceptor:
        """Start an acceptor, on this socket or another."""
        made = Acceptor(
            cast(IReactor, self.reactor),
            cast(socket.socket, listening or self.listening),
            ServerFactory(),
            lambda connected: self.admits,
            leaves_reserve=leaves_reserve,
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
        made = self.acceptor()
        self.assertIn(made, self.reactor.getReaders())
        for _ in range(ACCEPTS + 1):
            self.connect()
        made.doRead()
        self.assertEqual(ACCEPTS, self.reactor.adopted)
        made.doRead()
        made.doRead()  # nobody waits
        self.assertEqual(ACCEPTS + 1, self.reactor.adopted)

    def test_not_admitted(self) -> None:
        """Others are closed at once, and never meet a protocol."""
        self.admits = False
        wire = self.connect()
        self.acceptor().doRead()
        self.assertEqual((0, b""), (self.reactor.adopted, wire.recv(1)))

    def test_exhausted(self) -> None:
        """Without descriptors it is tried again after a while, not all the time."""
        made = self.acceptor(Exhausted())
        made.doRead()
        self.assertEqual([], self.reactor.getReaders())
        self.reactor.advance(PAUSE)
        self.assertEqual([made], self.reactor.getReaders())

    def test_stopped(self) -> None:
        """Stopped it stays stopped, though it was to be tried again."""
        made = self.acceptor(Exhausted())
        made.doRead()
        made.stop()
        self.reactor.advance(PAUSE)
        self.assertEqual([], self.reactor.getReaders())

    def test_reserve(self) -> None:
        """With only the reserve of descriptors left it pauses, logs it once, and continues when others are closed."""
        free = os.dup(0)
        os.close(free)
        bounds = [free + 3]
        self.patch(acceptor, "bound", lambda: bounds[0])
        self.patch(descriptor_reserve, "bound", lambda: bounds[0])
        made = self.acceptor(leaves_reserve=True)
        for _ in range(3):
            self.connect()
        with capturedLogs() as events:
            made.doRead()
            self.assertEqual((1, []), (self.reactor.adopted, self.reactor.getReaders()))
            for _ in range(3):
                self.reactor.advance(PAUSE)
                self.assertEqual([], self.reactor.getReaders())
        self.assertEqual(["no-descriptors"], [event["event"] for event in events])
        bounds[0] = 1 << 20
        self.reactor.advance(PAUSE)
        self.assertEqual([made], self.reactor.getReaders())
        made.doRead()
        self.assertEqual(3, self.reactor.adopted)

    def test_front(self) -> None:
        """The socket of fronts leaves a reserve; the control socket, which it is kept for, does not."""
        opened = SimpleNamespace(path=Path(self.path), listening=self.listening, close=self.listening.close)
        port = FrontPort(cast(IReactor, self.reactor), opened, ServerFactory())
        self.patch(acceptor, "bound", lambda: 0)
        port.startListening()
        (reader,) = self.reactor.getReaders()
        self.connect()
        with capturedLogs():
            reader.doRead()
        self.assertEqual((1, []), (self.reactor.adopted, self.reactor.getReaders()))
        self.acceptor().doRead()
        self.assertEqual(1, len(self.reactor.getReaders()))
