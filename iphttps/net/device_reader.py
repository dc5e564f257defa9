"""Reads a device when the reactor finds it readable, and can be paused."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from ..core.ip.batch import Batch
from .interfaces import PacketDevice

MOST_READS = 16
MOST_BYTES = 1 << 20
"""How often a device is read in one turn of the reactor, at most, and after how many bytes no more."""

READ = 64
"""Packets that one read of a device gives, at most; with segmentation offload, at least as many."""

QUEUED = 256
"""Packets written to a device after which it is read at once: its queue in the kernel has room for 500 answers."""


@implementer(IReadDescriptor)
class DeviceReader:
    """Delivers what a device has, once for each turn of the reactor, so that nothing else starves.

    `deliver` takes a batch and returns among how many connections it was divided. The more there were, the more is
    read the next time: what it costs to write to a connection hardly depends on how much is written, and with many of
    them a turn is long. Where much more was written than read, as much is read at once, because each packet may have
    an answer, and what the queue in the kernel has no room for is lost, whomever it is for. `lost` is called with the
    error once the device is gone.
    """

    def __init__(
        self,
        reactor: IReactorFDSet,
        device: PacketDevice,
        deliver: Callable[[Batch], int],
        lost: Callable[[OSError], None],
    ) -> None:
        self._reactor = reactor
        self._device = device
        self._deliver = deliver
        self._lost = lost
        self._reads = 1
        self._written = 0
        self._running = self._busy = False

    def start(self) -> None:
        """Read from now on; again after `stop`."""
        self._running = True
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Leave further packets to the device's own queue, in the kernel."""
        self._running = False
        self._reactor.removeReader(self)

    def fileno(self) -> int:
        """Return the device's descriptor."""
        return self._device.fileno()

    def doRead(self) -> None:
        """Read, and deliver what there was."""
        batches: list[Batch] = []
        size = 0
        reads = self._reads if self._written < QUEUED else max(self._reads, min(self._written // READ, MOST_READS))
        try:
            while len(batches) < reads and size < MOST_BYTES:
                batch = self._device.read()
                if not batch:
                    self._written = 0
                    break
                batches.append(batch)
                size += len(batch.data)
                self._written = max(self._written - len(batch), 0)
        except OSError as error:
            self.stop()
            self._lost(error)
            return
        if batches:
            self._busy = True
            self._reads = min(max(self._deliver(Batch.joined(batches)), 1), MOST_READS)
            self._busy = False

    def wrote(self, packets: int) -> None:
        """Learn that the device was given so many packets, and read at once if many may have an answer by now."""
        self._written += packets
        if self._written >= QUEUED and self._running and not self._busy:
            self.doRead()

    def connectionLost(self, reason: Failure) -> None:
        """The descriptor has failed, which is how the kernel tells that the device is removed."""
        self._lost(OSError(errno.ENODEV, os.strerror(errno.ENODEV)))

    def logPrefix(self) -> str:
        """Name the device in the log."""
        return self._device.name
