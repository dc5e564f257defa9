"""What the shell needs of its surroundings: a reactor, a packet device."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IReactorCore, IReactorFDSet, IReactorFromThreads, IReactorSocket, IReactorTime

from ..core.counters import Counters
from ..core.ip.batch import Batch


class IReactor(IReactorCore, IReactorTime, IReactorFDSet, IReactorSocket, IReactorFromThreads):
    """What the shell needs of the reactor: any on Linux has it."""


class PacketDevice(Protocol):
    """A device through which the kernel and this program exchange IPv6 packets, never blocking.

    `counters` counts packets in from the kernel and out to it, and what was dropped on the way. `offload` says of
    which protocols the kernel gives and takes several packets at once, which nobody here sees.
    """

    name: str
    counters: Counters
    offload: tuple[str, ...]

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when packets wait."""

    def read(self) -> Batch:
        """Return the packets that wait, up to a bound; an empty batch if none does.

        Raises:
            OSError: If the device is gone.
        """

    def write(self, batch: Batch) -> None:
        """Hand each packet to the kernel whole, or drop and count it."""

    def close(self) -> None:
        """Give the device back; what the kernel knew about it goes with it."""
