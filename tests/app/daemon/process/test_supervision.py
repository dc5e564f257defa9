"""The notifications to a service manager, with a real socket and a virtual clock."""

from __future__ import annotations

import socket
import time
from typing import cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from iphttps.app.daemon.process.supervision import PATIENCE, Supervision
from iphttps.app.daemon.state import DaemonState
from iphttps.host.process.systemd import ServiceManager
from iphttps.net.interfaces import IReactor


class _Listening:
    """The manager's end."""

    def __init__(self) -> None:
        self.address = f"iphttps-{id(self)}-{time.monotonic_ns()}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        """Return what was told since the last time."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(65536).decode())
            except BlockingIOError:
                return messages


class _Threads(MemoryReactorClock):
    """A reactor in memory that is never told anything from a thread: the test looks by itself."""

    def callFromThread(self, *arguments: object) -> None:
        """Do nothing."""


class SupervisionTests(SynchronousTestCase):
    """A daemon whose condition the test sets."""

    def setUp(self) -> None:
        """Start it."""
        self.manager = _Listening()
        self.addCleanup(self.manager.socket.close)
        self.condition = DaemonState(up=False, text="connecting")
        self.reactor = _Threads()
        self.supervision = Supervision(
            cast(IReactor, self.reactor),
            ServiceManager("@" + self.manager.address, 30.0),
            lambda: self.condition,
            self.reactor.seconds,
        )
        self.supervision.start()
        self.addCleanup(self.supervision.stop)

    def after(self, seconds: float) -> list[str]:
        """Return what is told at the next look, so many seconds later."""
        self.reactor.advance(seconds)
        self.supervision.look()
        return self.manager.heard()

    def test_not_at_once(self) -> None:
        """Nothing is said while the daemon is being started, because it does not know yet what it is at."""
        self.assertEqual([], self.manager.heard())
        self.assertEqual(["STATUS=connecting"], self.after(0))

    def test_ready(self) -> None:
        """READY=1 comes once, when the daemon is up; the line for people whenever it is another."""
        self.assertEqual(["STATUS=connecting"], self.after(1))
        self.condition = DaemonState(up=True, text="link up")
        self.assertEqual(["READY=1\nSTATUS=link up"], self.after(1))
        self.assertEqual([], self.after(1))
        self.condition = DaemonState(up=False, text="connecting")
        self.assertEqual(["STATUS=connecting"], self.after(1))

    def test_patience(self) -> None:
        """A daemon that does not come up is ready nevertheless after a while: no boot waits for another's machine."""
        self.assertNotIn("READY=1", self.after(PATIENCE - 1))
        self.assertIn("READY=1", self.after(1))

    def test_lost(self) -> None:
        """A failed notification is repeated."""
        self.condition = DaemonState(up=True, text="link up")
        while self.supervision._manager.tell(STATUS="noise"):
            pass
        self.supervision.look()
        self.manager.heard()
        self.assertEqual(["READY=1\nSTATUS=link up"], self.after(1))

    def test_watchdog(self) -> None:
        """The watchdog is told in less than half its time, and not with every look."""
        told = [second for second in range(1, 61) if "WATCHDOG=1" in self.after(1)]
        self.assertEqual([14, 28, 42, 56], told)

    def test_stopping(self) -> None:
        """STOPPING=1 comes first, and the watchdog hears of the daemon until it has stopped."""
        self.after(0)
        self.supervision.stopping()
        self.assertEqual(["STOPPING=1\nSTATUS=ending the sessions"], self.manager.heard())
        self.assertEqual(["WATCHDOG=1"], self.after(20))
        self.supervision.stop()
        self.assertEqual([], self.after(60))

    def test_reloading(self) -> None:
        """RELOADING=1 has the time, as systemd counts it, and READY=1 follows also where the reload was rejected."""

        def refused() -> None:
            with self.supervision.reloading():
                raise ValueError

        before = time.monotonic_ns() // 1000
        self.assertRaises(ValueError, refused)
        reloading, ready = self.manager.heard()
        first, moment = reloading.split("\nMONOTONIC_USEC=")
        self.assertEqual(("RELOADING=1", "READY=1"), (first, ready))
        self.assertTrue(before <= int(moment) <= time.monotonic_ns() // 1000)


class TickingTests(TestCase):
    """The reactor at work."""

    def test_ticks(self) -> Deferred[None]:
        """The looks come from the reactor, second by second; one that does not turn tells nothing."""
        manager = _Listening()
        self.addCleanup(manager.socket.close)
        looks: list[float] = []
        done: Deferred[None] = Deferred()

        def condition() -> DaemonState:
            looks.append(time.monotonic())
            if len(looks) == 2:
                time.sleep(2.5)  # as a reactor does that is stuck
                self.assertEqual(2, len(looks))
                self.assertEqual(["STATUS=look 1"], manager.heard())
            elif len(looks) == 3:
                supervision.stop()
                done.callback(None)
            return DaemonState(up=False, text=f"look {len(looks)}")

        supervision = Supervision(cast(IReactor, reactor), ServiceManager("@" + manager.address), condition)
        self.addCleanup(supervision.stop)
        supervision.start()
        return done.addTimeout(10, cast(IReactor, reactor))
