"""Reading packets from a device when the reactor reports it readable, with pause and resume."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from ..core.ip.batch import Batch
from .interfaces import PacketDevice

__all__ = ["MOST_BYTES", "MOST_READS", "READ_AT_ONCE", "READ_SIZE", "DeviceReader"]

MOST_READS = 16
MOST_BYTES = 1 << 20
"""Limits per reactor turn: the number of reads, and the bytes after which no further read follows."""

READ_SIZE = 64
"""Maximum packets that one read of a device returns; with segmentation offload it can be more."""

READ_AT_ONCE = 256
"""Packets written to a device after which it is read at once: the kernel's queue has room for only 500 replies."""


@implementer(IReadDescriptor)
class DeviceReader:
    """Reads packets from a device and delivers them as one batch per reactor turn, so that nothing else starves.

    `deliver` takes a batch and returns the number of connections that it was divided among. The more there were, the
    more is read in the next turn: the cost of a write hardly depends on its size, and with many connections a turn is
    long. If much more was written to the device than read, it is read at once, because each packet may have a reply
    and the kernel drops what its queue cannot hold. `lost` is called with the error when the device is gone.
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
        """Begin or resume reading."""
        self._running = True
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Pause reading; packets wait in the kernel's queue of the device."""
        self._running = False
        self._reactor.removeReader(self)

    def fileno(self) -> int:
        """Return the device's file descriptor."""
        return self._device.fileno()

    def doRead(self) -> None:
        """Read up to the limits, and deliver one batch."""
        batches: list[Batch] = []
        size = 0
        reads = self._reads
        if self._written >= READ_AT_ONCE:
            reads = max(reads, min(self._written // READ_SIZE, MOST_READS))
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
        """Count packets written to the device, and read it at once if many replies may be waiting."""
        self._written += packets
        if self._written >= READ_AT_ONCE and self._running and not self._busy:
            self.doRead()

    def connectionLost(self, reason: Failure) -> None:
        """Report the device as lost: the descriptor fails when the device is removed."""
        self._lost(OSError(errno.ENODEV, os.strerror(errno.ENODEV)))

    def logPrefix(self) -> str:
        """Return the device's name, for Twisted's log."""
        return self._device.name
