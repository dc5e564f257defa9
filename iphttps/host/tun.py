"""The TUN device: whole IPv6 packets between the kernel and this program."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
from itertools import pairwise

import pytun

from ..core.counters import Counters
from ..core.errors import ConfigError, DropReason
from ..core.framing import EMPTY, Batch, malformed

READS = 64
"""Packets taken in one turn of the reactor: more would make the other direction wait."""

LONGEST = 2048
"""Bytes asked of one read: more than the link's MTU, so that a longer packet shows as such."""

NAME_LENGTH = 15  # IFNAMSIZ less the terminating zero


class TunDevice:
    """A TUN device, which lives as long as it is open here.

    The link has no link-layer addresses (section 3), which is what TUN is. python-pytun opens it; packets
    then go straight through its descriptor.
    """

    def __init__(self, name: str) -> None:
        """Create the device; raises ConfigError if that cannot be."""
        # The kernel would make a name of its own from one with % in it.
        if not re.fullmatch(rf"[!-~]{{1,{NAME_LENGTH}}}", name) or set(name) & set("/:%") or name in (".", ".."):
            raise ConfigError(
                f"{name!r} cannot name an interface: take 1 to {NAME_LENGTH} letters, digits and signs other than / : %"
            )
        if name in (other for _, other in socket.if_nameindex()):  # /sys may show another namespace's
            raise ConfigError(f"there is an interface {name} already: stop what made it, or take another --interface")
        try:
            self._device = pytun.TunTapDevice(name=name, flags=pytun.IFF_TUN | pytun.IFF_NO_PI)
        except pytun.Error as error:
            raise ConfigError(f"cannot create the interface {name}: {_mend(error)}") from error
        self.name = name
        self.counters = Counters()
        self._descriptor: int = self._device.fileno()
        os.set_blocking(self._descriptor, False)
        # pytun leaves it inheritable; no program that we start shall get the tunnel.
        flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFD)
        fcntl.fcntl(self._descriptor, fcntl.F_SETFD, flags | fcntl.FD_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when packets wait."""
        return self._descriptor

    def read(self) -> Batch:
        """Return the packets that wait, at most READS; an empty batch if none does.

        What is not exactly one IPv6 packet is dropped and counted: local programs can put anything into a
        TUN. Raises OSError if the device is gone.
        """
        packets = []
        try:
            for _ in range(READS):
                packet = os.read(self._descriptor, LONGEST)
                if reason := malformed(packet):
                    self.counters.dropped(reason)
                else:
                    packets.append(packet)
        except BlockingIOError:
            pass
        if not packets:
            return EMPTY
        batch = Batch.of(packets)
        self.counters.received(len(batch), len(batch.data))
        return batch

    def write(self, batch: Batch) -> None:
        """Hand each packet to the kernel whole, or drop and count it."""
        data, refused, size = memoryview(batch.data), 0, len(batch.data)
        for start, end in pairwise(batch.bounds):
            try:
                os.write(self._descriptor, data[start:end])
            except OSError:
                refused += 1
                size -= end - start
        self.counters.sent(len(batch) - refused, size)
        if refused:
            self.counters.dropped(DropReason.DEVICE_REFUSED, refused)

    def close(self) -> None:
        """Close the device, which removes it, its addresses and its routes."""
        self._device.close()


def _mend(error: OSError) -> str:
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
