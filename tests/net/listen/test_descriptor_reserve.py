"""A port leaves descriptors for others."""

from __future__ import annotations

import errno
import os
import resource
import socket
from typing import Any, cast
from unittest.mock import patch

from twisted.internet.protocol import Factory, Protocol, ServerFactory
from twisted.internet.tcp import Port
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.listen import descriptor_reserve
from iphttps.net.listen.descriptor_reserve import PAUSE, REPEAT, RESERVE, bound, keep_reserve


class ReserveTests(SynchronousTestCase):
    """A real port that listens on loopback, read by hand."""

    def setUp(self) -> None:
        """Listen."""
        self.reactor = MemoryReactorClock()
        self.accepted: list[Protocol] = []
        factory = cast(ServerFactory, Factory.forProtocol(self.protocol))
        factory.noisy = False
        self.port: Any = Port(0, factory, interface="127.0.0.1", reactor=self.reactor)
        self.port.startListening()
        self.addCleanup(self.close)
        keep_reserve(self.port)
        self.bound = 1 << 20
        self.patch(descriptor_reserve, "bound", lambda: self.bound)
        self.peers: list[socket.socket] = []

    def protocol(self) -> Protocol:
        """Make the protocol of a connection."""
        self.accepted.append(Protocol())
        return self.accepted[-1]

    def close(self) -> None:
        """Close everything."""
        for peer in self.peers:
            peer.close()
        for protocol in self.accepted:
            cast(Any, protocol.transport).getHandle().close()
        if hasattr(self.port, "socket"):
            self.port.socket.close()

    def connect(self, count: int) -> None:
        """Have so many connections wait to be accepted."""
        for _ in range(count):
            self.peers.append(socket.create_connection(("127.0.0.1", self.port.getHost().port)))

    @property
    def listening(self) -> bool:
        """True if the reactor watches the port."""
        return self.port in self.reactor.getReaders()

    def read(self) -> None:
        """Read until nothing comes of it: Twisted accepts only some in one turn."""
        before = -1
        while before < len(self.accepted):
            before = len(self.accepted)
            self.port.doRead()

    def lowest(self) -> int:
        """Return the lowest descriptor that is free."""
        found = os.dup(0)
        os.close(found)
        return found

    def test_enough(self) -> None:
        """While there are enough, it is a port like any other."""
        self.connect(5)
        self.port.doRead()
        self.assertEqual((5, True), (len(self.accepted), self.listening))

    def test_reserved(self) -> None:
        """It pauses when it comes to the reserve, says so once a minute, and goes on when others have ended."""
        self.connect(10)
        self.bound = self.lowest() + 2
        with capturedLogs() as events:
            self.port.doRead()
            self.assertEqual((3, False), (len(self.accepted), self.listening))
            self.port.doRead()
            self.reactor.advance(PAUSE)
            self.assertEqual((3, False), (len(self.accepted), self.listening))
            self.bound += 3
            self.reactor.advance(PAUSE)
            self.assertTrue(self.listening)
            self.read()
        self.assertEqual((6, False), (len(self.accepted), self.listening))
        self.assertEqual(["no-descriptors"], [event["event"] for event in events])
        self.bound = 1 << 20
        self.reactor.advance(REPEAT)
        self.read()
        self.assertEqual((10, True), (len(self.accepted), self.listening))

    def test_errors(self) -> None:
        """An error of the whole host pauses the port, with one line; one of a single connection does not."""
        for number, paused in (
            (errno.EMFILE, True),
            (errno.ENFILE, True),
            (errno.ENOMEM, True),
            (errno.ENOBUFS, True),
            (errno.ECONNABORTED, False),
            (errno.EPERM, False),
        ):
            with patch.object(self.port.socket, "_socket") as broken, capturedLogs() as events:
                broken.accept.side_effect = OSError(number, os.strerror(number))
                for _ in range(10):
                    self.port.doRead()
            said = [event for event in events if "iphttps" in event["log_namespace"]]
            self.assertEqual((not paused, int(paused)), (self.listening, len(said)), os.strerror(number))
            self.reactor.advance(REPEAT)
            self.assertTrue(self.listening)

    def test_none_to_try(self) -> None:
        """Without even one for the trial it goes on waiting."""
        self.connect(1)
        self.bound = 0
        self.port.doRead()
        with patch.object(os, "dup", side_effect=OSError(errno.EMFILE, "")):
            self.bound = 1 << 20
            self.reactor.advance(PAUSE)
            self.assertFalse(self.listening)
        self.reactor.advance(PAUSE)
        self.assertTrue(self.listening)

    def test_closed_meanwhile(self) -> None:
        """Closed it stays closed."""
        self.connect(1)
        self.bound = 0
        self.port.doRead()
        self.port.stopListening()
        self.reactor.advance(PAUSE)
        self.assertFalse(self.listening)

    def test_bound(self) -> None:
        """A quarter is reserved where there are few, and never more than enough."""
        for limit, expected in ((32, 24), (256, 192), (1024, 1024 - RESERVE), (1 << 16, (1 << 16) - RESERVE)):
            with patch.object(resource, "getrlimit", return_value=(limit, limit)):
                self.assertEqual(expected, bound())
