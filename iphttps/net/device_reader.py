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

__all__ = ["MOST_READS", "READ_AT_ONCE", "READ_SIZE", "DeviceReader"]

MOST_READS = 16
"""Maximum reads per reactor turn."""

READ_SIZE = 64
"""Maximum packets that one read of a device returns; with segmentation offload it can be more."""

READ_AT_ONCE = 256
"""Packets written to a device after which it is read at once: the kernel's queue has room for only 500 replies."""


@implementer(IReadDescriptor)
class DeviceReader:
    """Reads packets from a device and delivers them as one batch per reactor turn, so that nothing else starves.

    If much more was written to the device than read, more is read, and at once, because each packet may have a reply
    and the kernel drops what its queue cannot hold. `lost` is called with the error when the device is gone.
    """

    def __init__(
        self,
        reactor: IReactorFDSet,
        device: PacketDevice,
        deliver: Callable[[Batch], object],
        lost: Callable[[OSError], None],
    ) -> None:
        self._reactor = reactor
        self._device = device
        self._deliver = deliver
        self._lost = lost
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
        """Read up to the limit, and deliver one batch."""
        batches: list[Batch] = []
        reads = 1
        if self._written >= READ_AT_ONCE:
            reads = min(self._written // READ_SIZE, MOST_READS)
        while len(batches) < reads and (batch := self._batch()):
            batches.append(batch)
        if batches:
            self._busy = True
            self._deliver(Batch.joined(batches))
            self._busy = False

    def _batch(self) -> Batch | None:
        """Return the packets of one read; None if none waits, or the device is gone."""
        try:
            batch = self._device.read()
        except OSError as error:
            self.stop()
            self._lost(error)
            return None
        if not batch:
            self._written = 0
            return None
        self._written = max(self._written - len(batch), 0)
        return batch

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
