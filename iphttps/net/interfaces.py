"""Interfaces that net requires: the reactor, and a packet device."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IReactorCore, IReactorFDSet, IReactorFromThreads, IReactorSocket, IReactorTime

from ..core.counters import Counters
from ..core.ip.batch import Batch

__all__ = ["IReactor", "PacketDevice"]


class IReactor(IReactorCore, IReactorTime, IReactorFDSet, IReactorSocket, IReactorFromThreads):
    """The reactor interfaces that net uses; every Twisted reactor on Linux provides them."""


class PacketDevice(Protocol):
    """A non-blocking device that exchanges IPv6 packets with the kernel.

    `counters` counts packets from and to the kernel, and drops. `offload` lists the protocols for which the device uses
    segmentation offload, which is invisible to its users.
    """

    name: str
    counters: Counters
    offload: tuple[str, ...]

    def fileno(self) -> int:
        """Return the file descriptor, which is readable when packets are waiting."""

    def read(self) -> Batch:
        """Return waiting packets, up to the device's limit; an empty batch if there are none.

        Raises:
            OSError: The device is gone.
        """

    def write(self, batch: Batch) -> None:
        """Write each packet to the kernel whole, or drop and count it."""

    def close(self) -> None:
        """Close the device; the kernel removes it with its addresses and routes."""
