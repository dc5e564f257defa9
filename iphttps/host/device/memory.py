"""A device, a monitor and a network in memory, which replace the kernel's in tests.

They pass the same tests as the real ones, so they behave alike as far as tests can tell.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from dataclasses import dataclass, field
from ipaddress import IPv6Interface

from ...core.counters import Counters
from ...core.errors import ConfigError, DropReason
from ...core.ip.batch import EMPTY, Batch
from ..kernel.ipv4 import NOTHING, IPv4Config
from ..kernel.monitor import News
from ..kernel.network import NetworkConfig, Wanted
from .tun import READS, unfit

__all__ = ["MemoryDevice", "MemoryInterface", "MemoryMonitor", "MemoryNetwork"]


class MemoryDevice:
    """A packet device whose other end is a test instead of the kernel.

    `inject` sends a packet as a local program or the kernel would; `taken` holds the packets written to the kernel.
    """

    offload: tuple[str, ...] = ()

    def __init__(self, name: str, *, ipv4: bool = False) -> None:
        self.name = name
        self.ipv4 = ipv4
        self.counters = Counters()
        self.taken: list[bytes] = []
        self.up = True
        self._waiting: deque[bytes] = deque()
        # Readable while packets wait, for the reactor.
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_SEMAPHORE | os.EFD_CLOEXEC)
        self._closed = False

    def inject(self, packet: bytes) -> None:
        """Send a packet into the device."""
        self._waiting.append(packet)
        os.eventfd_write(self._descriptor, 1)

    def fileno(self) -> int:
        """Return a descriptor that is readable while packets wait."""
        return self._descriptor

    def read(self) -> Batch:
        """Return the packets that wait, at most READS, each exactly one packet of a version carried."""
        if self._closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        packets = []
        for _ in range(min(READS, len(self._waiting))):
            os.eventfd_read(self._descriptor)
            packet = self._waiting.popleft()
            if reason := unfit(packet, ipv4=self.ipv4):
                self.counters.dropped(reason)
            else:
                packets.append(packet)
        if not packets:
            return EMPTY
        batch = Batch.of(packets)
        self.counters.received(len(batch), len(batch.data))
        return batch

    def write(self, batch: Batch) -> None:
        """Deliver the packets, or drop and count them while the link is down."""
        if not self.up:
            self.counters.dropped(DropReason.DEVICE_REFUSED, len(batch))
            return
        self.taken.extend(batch)
        self.counters.sent(len(batch), len(batch.data))

    def close(self) -> None:
        """Close the device."""
        if not self._closed:
            os.close(self._descriptor)
        self._closed = True


class MemoryMonitor:
    """A monitor whose events come from a test."""

    def __init__(self) -> None:
        self._waiting: deque[News] = deque()
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_SEMAPHORE | os.EFD_CLOEXEC)
        self.closed = False

    def happen(self, news: News) -> None:
        """Report an event."""
        self._waiting.append(news)
        os.eventfd_write(self._descriptor, 1)

    def fileno(self) -> int:
        """Return a descriptor that is readable while events wait."""
        return self._descriptor

    def read(self) -> News:
        """Return the oldest event, or an empty one."""
        if not self._waiting:
            return News()
        os.eventfd_read(self._descriptor)
        return self._waiting.popleft()

    def close(self) -> None:
        """Close the monitor."""
        if not self.closed:
            os.close(self._descriptor)
        self.closed = True


@dataclass(slots=True)
class MemoryInterface:
    """The state of one interface."""

    up: bool = False
    mtu: int = 1500
    addresses: set[IPv6Interface] = field(default_factory=set)
    settings: dict[str, int] = field(default_factory=lambda: {"accept_ra": 1})
    ipv4: IPv4Config = NOTHING


class MemoryNetwork:
    """A host's network with these interfaces."""

    def __init__(self, *names: str) -> None:
        self.interfaces = {name: MemoryInterface() for name in names}
        self.forwarding = self.ipv4_forwarding = False
        self._before: dict[str, int] = {}
        self._turned_on = self._ipv4_turned_on = False

    def apply(self, config: NetworkConfig) -> None:
        """Apply a configuration.

        Raises:
            ConfigError: The interface does not exist.
        """
        interface = self.interfaces.get(config.interface)
        if interface is None:
            raise ConfigError(f"there is no interface {config.interface} any more")
        for name, value in config.settings.items():
            wanted = value if isinstance(value, Wanted) else Wanted(value)
            if name not in interface.settings or not wanted.among(interface.settings[name]):
                interface.settings[name] = wanted.value
        if config.forwarding and not self.forwarding:
            for name, other in self.interfaces.items():
                if other.settings["accept_ra"] == 1:
                    self._before[name], other.settings["accept_ra"] = 1, 2
            self.forwarding = self._turned_on = True
        if config.ipv4:
            interface.ipv4 = config.ipv4
            if config.ipv4.forwarding and not self.ipv4_forwarding:
                self.ipv4_forwarding = self._ipv4_turned_on = True
        interface.up, interface.mtu = config.up, config.mtu
        interface.addresses = interface.addresses | set(config.addresses) if config.up else set()

    def restore(self) -> None:
        """Restore the settings that outlive the device."""
        for name, value in self._before.items():
            if name in self.interfaces:
                self.interfaces[name].settings["accept_ra"] = value
        self._before.clear()
        if self._turned_on:
            self.forwarding = self._turned_on = False
        if self._ipv4_turned_on:
            self.ipv4_forwarding = self._ipv4_turned_on = False
