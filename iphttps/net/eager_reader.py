"""Reading a server's device before the kernel's queue fills: the packets wait in the downlink, per client."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorFDSet

from ..core.ip.batch import Batch
from .device_reader import DeviceReader
from .downlink import Downlink
from .interfaces import PacketDevice

__all__ = ["MOST_READS", "EagerReader"]

MOST_READS = 16
"""Maximum reads per reactor turn: they bring about 4 MB of superpackets, several times what a turn sends, so that the
kernel's queue does not fill.
"""


class EagerReader(DeviceReader):
    """Reads what waits in a device and delivers it to the downlink, which sends it.

    `deliver` adds the packets of a batch to the downlink. While clients have to wait, the downlink calls `read` in each
    of its turns, and the reactor does not watch the device.
    """

    def __init__(
        self,
        reactor: IReactorFDSet,
        device: PacketDevice,
        deliver: Callable[[Batch], object],
        lost: Callable[[OSError], None],
        downlink: Downlink,
    ) -> None:
        super().__init__(reactor, device, deliver, lost)
        self._downlink = downlink

    def start(self) -> None:
        """Begin or resume reading."""
        if not self._running:
            self._running = True
            self._downlink.attach(self)

    def stop(self) -> None:
        """Pause reading; packets wait in the kernel's queue of the device."""
        if self._running:
            self._running = False
            self._downlink.detach(self)

    def watch(self, *, readable: bool) -> None:
        """Have the reactor watch the device, or not."""
        (self._reactor.addReader if readable else self._reactor.removeReader)(self)

    def doRead(self) -> None:
        """Read the device, and serve the clients."""
        self.read()
        self._downlink.serve()

    def read(self) -> None:
        """Deliver what waits in the device, up to the limit."""
        self._busy = True
        for _ in range(MOST_READS):
            if (batch := self._batch()) is None:
                break
            self._deliver(batch)
        self._busy = False
