"""The devices of the kernel's tun driver, opened, read and written in one way; TUN is the plain kind."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
from abc import ABC, abstractmethod
from itertools import pairwise
from typing import ClassVar

import pytun

from ...core.counters import Counters
from ...core.errors import ConfigError, DropReason
from ...core.ip.batch import EMPTY, Batch, malformed
from ...core.ip.ipv6 import MINIMUM_MTU

READS = 64
"""Packets taken in one turn of the reactor: more would make the other direction wait."""

LONGEST = 2048
"""Bytes asked of one read: more than the link's MTU, so that a longer packet shows as such."""

NAME_LENGTH = 15  # IFNAMSIZ less the terminating zero

_NOT_IN_NAMES = frozenset("/:%")  # the kernel would make a name of its own from one with % in it
_NOT_NAMES = frozenset((".", "..", "all", "default"))  # the last two mean something else in /proc/sys


def check_name(name: str) -> None:
    """Raise ConfigError if no interface can be made of this name, or if there is one already."""
    if not re.fullmatch(rf"[!-~]{{1,{NAME_LENGTH}}}", name) or set(name) & _NOT_IN_NAMES or name in _NOT_NAMES:
        raise ConfigError(
            f"{name!r} cannot name an interface: take 1 to {NAME_LENGTH} letters, digits and signs other than /:%"
        )
    if name in (other for _, other in socket.if_nameindex()):  # /sys may show another namespace's
        raise ConfigError(f"there is an interface {name} already: stop what made it, or take another --interface")


class KernelDevice(ABC):
    """A device which lives as long as it is open here.

    python-pytun opens it; what is read and written then goes straight through its descriptor.
    """

    kind: ClassVar[int]
    """Which of the driver's devices it is, and with what."""
    offload: tuple[str, ...] = ()
    """Of which protocols it gives and takes several packets at once."""

    def __init__(self, name: str, *, ipv4: bool = False) -> None:
        """Create the device, which carries IPv4 too if asked to; raises ConfigError if that cannot be."""
        check_name(name)
        self.ipv4 = ipv4
        try:
            self._device = pytun.TunTapDevice(name=name, flags=self.kind | pytun.IFF_NO_PI)
        except pytun.Error as error:
            raise ConfigError(f"cannot create the interface {name}: {mend(error)}") from error
        self.name = name
        self.counters = Counters()
        self.descriptor: int = self._device.fileno()
        os.set_blocking(self.descriptor, False)
        # pytun leaves it inheritable; no program that we start shall get the tunnel.
        flags = fcntl.fcntl(self.descriptor, fcntl.F_GETFD)
        fcntl.fcntl(self.descriptor, fcntl.F_SETFD, flags | fcntl.FD_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when packets wait."""
        return self.descriptor

    def read(self) -> Batch:
        """Return the packets that wait, at most READS; an empty batch if none does.

        What is not exactly one packet of a version carried is dropped and counted: local programs can put anything
        into a device. Raises OSError if the device is gone.
        """
        packets = []
        try:
            for _ in range(READS):
                packet = self.take(os.read(self.descriptor, LONGEST))
                if isinstance(packet, DropReason):
                    self.counters.dropped(packet)
                elif packet:
                    packets.append(packet)
        except BlockingIOError:
            pass
        if not packets:
            return EMPTY
        batch = Batch.of(packets)
        self.counters.received(len(batch), len(batch.data))
        return batch

    @abstractmethod
    def take(self, data: bytes) -> bytes | DropReason:
        """Return the packet in what one read gave, empty if there is no more to do, or why it is dropped."""

    def write(self, batch: Batch) -> None:
        """Hand each packet to the kernel whole, or drop and count it."""
        data, refused, size = memoryview(batch.data), 0, len(batch.data)
        for start, end in pairwise(batch.bounds):
            try:
                self.put(data[start:end])
            except OSError:
                refused += 1
                size -= end - start
        self.counters.sent(len(batch) - refused, size)
        if refused:
            self.counters.dropped(DropReason.DEVICE_REFUSED, refused)

    @abstractmethod
    def put(self, packet: memoryview) -> None:
        """Hand one packet to the kernel; raises OSError if it does not take it."""

    def close(self) -> None:
        """Close the device, which removes it, its addresses and its routes."""
        self.descriptor = -1  # another's before long
        self._device.close()


class TunDevice(KernelDevice):
    """A TUN device: whole packets, and no link-layer addresses, just as the link has none (section 3)."""

    kind = pytun.IFF_TUN

    def take(self, data: bytes) -> bytes | DropReason:
        """Return what was read, if it is a packet."""
        reason = unfit(data)
        if reason and self.ipv4:
            reason = unfit(data, ipv4=True)
        return reason or data

    def put(self, packet: memoryview) -> None:
        """Write the packet as it is."""
        os.write(self.descriptor, packet)


def unfit(packet: bytes, *, ipv4: bool = False) -> DropReason | None:
    """Say why what the kernel sent into the device may not enter the link, or None if it may.

    A packet is longer than the link's MTU (3.2.3.1) only when another program has raised the interface's.
    """
    reason = malformed(packet, ipv4=ipv4)
    if len(packet) > MINIMUM_MTU and reason in (None, DropReason.WRONG_LENGTH):
        return DropReason.OVERSIZE
    return reason


def mend(error: OSError) -> str:
    """Say why there can be no device, and what to do."""
    match error.errno:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return "/dev/net/tun is missing; load the module with `modprobe tun`, or pass the device to the container"
        case errno.EPERM:
            return "it takes root or CAP_NET_ADMIN"
        case errno.EACCES:
            return "/dev/net/tun cannot be opened; run as root, or allow it with `chmod 666 /dev/net/tun`"
        case errno.EBUSY | errno.EINVAL:
            return "the name is taken"
        case _:
            return os.strerror(error.errno or 0)
