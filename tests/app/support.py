"""Common parts of the tests of options and daemons: rejections, and a host in memory."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.config.options import DaemonOptions
from iphttps.app.daemon import service as daemon_module
from iphttps.app.daemon.service import Daemon
from iphttps.host.device.memory import MemoryDevice, MemoryMonitor, MemoryNetwork
from iphttps.host.kernel.own_interface import LinkState
from iphttps.host.process import privileges
from iphttps.lab.authority import Authority


class AppCase(SynchronousTestCase):
    """A test of something that may end the program."""

    def ending(self, action: Callable[[], object]) -> tuple[object, str]:
        """Return the exit status with which the action ends the program, and what it says on standard error."""
        said = io.StringIO()
        for name in ("stderr", "__stderr__"):
            self.patch(sys, name, said)
        error = self.assertRaises(SystemExit, action)
        return error.code, said.getvalue()

    def refusal(self, options: DaemonOptions, *arguments: str) -> str:
        """Return the sentence with which the options reject this command line, without the program's name."""
        status, said = self.ending(lambda: options.parseOptions(list(arguments)))
        start = f"twistd {options.command}: "
        self.assertEqual((status, said[: len(start)], said.count("\n")), (2, start, 1), said)
        return said[len(start) : -1]


class MemoryState:
    """The kernel's answer about an interface of a network in memory."""

    def __init__(self, network: MemoryNetwork, name: str) -> None:
        self._network, self._name = network, name

    def fileno(self) -> int:
        """Return no descriptor."""
        return -1

    def changed(self) -> bool:
        """Hear of nothing."""
        return False

    def state(self) -> LinkState | None:
        """Return what the network knows."""
        found = self._network.interfaces.get(self._name)
        if found is None:
            return None
        addresses = tuple(found.addresses)
        networks = tuple(address.network for address in addresses)
        return LinkState(self._name, found.up, True, True, found.mtu, addresses, networks)

    def close(self) -> None:
        """Give nothing back."""


class DaemonCase(AppCase):
    """A daemon between a reactor, a network and a device in memory; its privileges are recorded, not given up."""

    def setUp(self) -> None:
        """Make the surroundings."""
        self.reactor = MemoryReactorClock()
        self.network = MemoryNetwork("iphttps0", "uplink")
        self.devices: list[MemoryDevice] = []
        self.monitors: list[MemoryMonitor] = []
        self.events: list[str] = []
        self.patch(daemon_module, "InterfaceMonitor", lambda name: MemoryState(self.network, name))
        self.patch(privileges, "keep", lambda: self.events.append("keep"))
        self.patch(privileges, "narrow", lambda: self.events.append("narrow"))
        self.directory = Path(self.mktemp()).absolute()
        self.certificates = Authority(self.directory)
        self.before = self.everything()

    def open_device(self, name: str) -> MemoryDevice:
        """Open a device."""
        self.devices.append(MemoryDevice(name))
        self.addCleanup(self.devices[-1].close)
        return self.devices[-1]

    def open_monitor(self, name: str) -> MemoryMonitor:
        """Open a monitor."""
        self.monitors.append(MemoryMonitor())
        self.addCleanup(self.monitors[-1].close)
        return self.monitors[-1]

    def everything(self) -> object:
        """Return what the network remembers once the device is gone."""
        return self.network.forwarding, deepcopy(self.network.interfaces["uplink"])

    def closed(self, device: MemoryDevice) -> bool:
        """Tell whether a device has been closed."""
        try:
            device.read()
        except OSError:
            return True
        return False

    def assert_refuses_to_start(self, daemon: Daemon, sentence: str) -> None:
        """Check that the daemon ends the program with this sentence, and leaves nothing behind."""
        with capturedLogs() as events:
            ending = self.ending(daemon.privilegedStartService)
        self.assertEqual(ending, (1, f"twistd {daemon.command}: {sentence}\n"))
        self.assertIn(sentence, [formatEvent(event) for event in events])
        self.assertEqual((self.everything(), self.events), (self.before, []))
        self.assertEqual([self.closed(device) for device in self.devices], [True] * len(self.devices))
        self.assertEqual((self.reactor.getReaders(), self.reactor.getDelayedCalls()), ([], []))
