"""The devices of the kernel's tun driver: the common base, and the plain TUN device."""

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

__all__ = ["LONGEST", "NAME_LENGTH", "READS", "KernelDevice", "TunDevice", "check_name", "mend", "unfit"]

READS = 64
"""Maximum packets read per reactor turn: more would delay the other direction."""

LONGEST = 2048
"""Maximum bytes per read: more than the link's MTU, so that a longer packet is noticed."""

NAME_LENGTH = 15  # IFNAMSIZ less the terminating zero

_NOT_IN_NAMES = frozenset("/:%")  # the kernel takes % as a pattern for a new name
_NOT_NAMES = frozenset((".", "..", "all", "default"))  # the last two have a special meaning in /proc/sys


def check_name(name: str) -> None:
    """Check that an interface with this name can be created.

    Raises:
        ConfigError: The name is not valid, or an interface has it already.
    """
    if not re.fullmatch(rf"[!-~]{{1,{NAME_LENGTH}}}", name) or set(name) & _NOT_IN_NAMES or name in _NOT_NAMES:
        raise ConfigError(
            f"{name!r} is not a valid interface name: use 1 to {NAME_LENGTH} letters, digits and signs other than /:%"
        )
    if name in (other for _, other in socket.if_nameindex()):  # /sys may belong to another namespace
        raise ConfigError(
            f"interface {name} already exists: stop the program that created it, or choose another name with"
            " --interface"
        )


class KernelDevice(ABC):
    """A device that exists as long as this process keeps it open.

    python-pytun opens it; reads and writes then use its descriptor directly.
    """

    kind: ClassVar[int]
    """The driver's flags for this kind of device."""
    offload: tuple[str, ...] = ()
    """The protocols with segmentation offload: several packets per read and write."""

    def __init__(self, name: str, *, ipv4: bool = False, mtu: int = MINIMUM_MTU) -> None:
        """Create the device for packets of at most `mtu` bytes, of IPv4 too if asked to.

        Raises:
            ConfigError: The device cannot be created.
        """
        check_name(name)
        self.ipv4 = ipv4
        self.mtu = mtu
        try:
            self._device = pytun.TunTapDevice(name=name, flags=self.kind | pytun.IFF_NO_PI)
        except pytun.Error as error:
            raise ConfigError(f"cannot create the interface {name}: {mend(error)}") from error
        self.name = name
        self.counters = Counters()
        self.descriptor: int = self._device.fileno()
        os.set_blocking(self.descriptor, False)
        # pytun leaves it inheritable; child processes must not inherit the tunnel.
        flags = fcntl.fcntl(self.descriptor, fcntl.F_GETFD)
        fcntl.fcntl(self.descriptor, fcntl.F_SETFD, flags | fcntl.FD_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when packets wait."""
        return self.descriptor

    def read(self) -> Batch:
        """Return the waiting packets, at most READS; an empty batch if there are none.

        Data that is not exactly one packet of a version carried is dropped and counted: local programs can put anything
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
        """Return the packet in the data of one read, b"" if there is nothing to forward, or why it is dropped."""

    def write(self, batch: Batch) -> None:
        """Write each packet to the kernel, or drop and count it."""
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
        """Write one packet to the kernel.

        Raises:
            OSError: The kernel does not accept it.
        """

    def close(self) -> None:
        """Close the device, which removes it, its addresses and its routes."""
        self.descriptor = -1  # the number may be reused soon
        self._device.close()


class TunDevice(KernelDevice):
    """A TUN device: whole packets, and no link-layer addresses, just as the link has none (section 3)."""

    kind = pytun.IFF_TUN

    def take(self, data: bytes) -> bytes | DropReason:
        """Return the data read, if it is a packet."""
        return unfit(data, self.mtu, ipv4=self.ipv4) or data

    def put(self, packet: memoryview) -> None:
        """Write the packet unchanged."""
        os.write(self.descriptor, packet)


def unfit(packet: bytes, mtu: int = MINIMUM_MTU, *, ipv4: bool = False) -> DropReason | None:
    """Say why what the kernel sent into the device may not enter the link, or None if it may.

    A packet can exceed the link's MTU only if another program has raised the interface's MTU.
    """
    reason = malformed(packet, ipv4=ipv4)
    if len(packet) > mtu and reason in (None, DropReason.WRONG_LENGTH):
        return DropReason.OVERSIZE
    return reason


def mend(error: OSError) -> str:
    """Return why a device cannot be created, and what to do."""
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
