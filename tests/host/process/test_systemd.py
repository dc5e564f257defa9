"""The notifications to systemd, at a real socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.host.process.systemd import ServiceManager


class ServiceManagerTests(SynchronousTestCase):
    """Somebody listens as systemd does."""

    def setUp(self) -> None:
        """Listen."""
        self.path = Path(self.mktemp()).absolute()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.path.parent)  # the test's own directory may lie too deep for a socket's path
        self.socket = self.listen(self.path.name)

    def listen(self, address: str) -> socket.socket:
        """Return a socket at an address."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(listening.close)
        listening.bind(address)
        listening.settimeout(5)
        return listening

    def test_words(self) -> None:
        """Several assignments go in one datagram, one to a line (sd_notify(3))."""
        self.assertTrue(ServiceManager(self.path.name).tell(READY=1, STATUS="listening"))
        self.assertEqual(b"READY=1\nSTATUS=listening", self.socket.recv(4096))

    def test_abstract(self) -> None:
        """An address that begins with @ is an abstract name."""
        abstract = self.listen(f"\0iphttps-{os.getpid()}")
        self.assertTrue(ServiceManager(f"@iphttps-{os.getpid()}").tell(WATCHDOG=1))
        self.assertEqual(b"WATCHDOG=1", abstract.recv(4096))

    def test_environment(self) -> None:
        """Address and watchdog come from the environment, and children of the daemon do not see them."""
        environment = {
            "NOTIFY_SOCKET": self.path.name,
            "WATCHDOG_USEC": "30000000",
            "WATCHDOG_PID": str(os.getpid()),
            "PATH": "/bin",
        }
        manager = ServiceManager.of(environment)
        self.assertEqual((30.0, {"PATH": "/bin"}), (manager.watchdog, environment))
        self.assertTrue(manager.tell(READY=1))

    def test_watchdog_of_another(self) -> None:
        """A watchdog that is meant for another process is none of ours; one without a number is not believed."""
        another = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid() + 1)}
        for about in (another, {"WATCHDOG_USEC": "soon"}, {}):
            self.assertIsNone(ServiceManager.of({"NOTIFY_SOCKET": self.path.name, **about}).watchdog)

    def test_nobody(self) -> None:
        """Without systemd nothing is sent, and nothing fails."""
        manager = ServiceManager.of({"WATCHDOG_USEC": "30000000"})
        self.assertEqual((False, None, False), (bool(manager), manager.watchdog, manager.tell(READY=1)))

    def test_gone(self) -> None:
        """Nothing fails where the socket is gone, or of a kind that is not known, such as vsock."""
        self.socket.close()
        for address in (self.path.name, "/nowhere/at/all", "vsock:2:1234"):
            self.assertFalse(ServiceManager(address).tell(READY=1))

    def test_never_waits(self) -> None:
        """A manager that does not read is not waited for: what does not go out is reported as such."""
        manager = ServiceManager(self.path.name)
        self.assertIn(False, (manager.tell(WATCHDOG=1) for _ in range(100_000)))
