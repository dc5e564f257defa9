"""The TUN device with segmentation offload: up to 64 kB of one flow per read or write.

For the rest of the program it is a TUN device like any other, with packets in and out. A small C extension (offload.c)
splits and joins the packets; it may be missing.
"""

from __future__ import annotations

import fcntl
from array import array
from typing import Literal

import pytun

from ...core.errors import DropReason
from ...core.ip.batch import EMPTY, Batch
from ...core.ip.ipv6 import MINIMUM_MTU
from .tun import READS, KernelDevice, TunDevice

try:
    from . import _offload
except ImportError:
    COMPILED = False
else:
    COMPILED = True
"""True if the C extension is available."""

IFF_VNET_HDR = 0x4000  # these seven: linux/if_tun.h
TUNSETOFFLOAD = 0x400454D0
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6, TUN_F_USO4, TUN_F_USO6 = 0x01, 0x02, 0x04, 0x20, 0x40

_BOUND: Literal["I"] = "I"
assert array(_BOUND).itemsize == 4  # as in offload.c


def open_tun(name: str, *, ipv4: bool = False, mtu: int = MINIMUM_MTU) -> KernelDevice:
    """Create a TUN device, with segmentation offload if it is to be had; raises ConfigError if that cannot be."""
    return (OffloadTunDevice if COMPILED else TunDevice)(name, ipv4=ipv4, mtu=mtu)


class OffloadTunDevice(TunDevice):
    """A TUN device that reads and writes superpackets; it needs the C extension."""

    kind = pytun.IFF_TUN | IFF_VNET_HDR
    offload: tuple[str, ...] = ("tcp",)

    def __init__(self, name: str, *, ipv4: bool = False, mtu: int = MINIMUM_MTU) -> None:
        """Create the device; raises ConfigError if that cannot be."""
        super().__init__(name, ipv4=ipv4, mtu=mtu)
        tcp = TUN_F_CSUM | TUN_F_TSO6 | (TUN_F_TSO4 if ipv4 else 0)
        try:  # the kernel takes UDP for both versions of IP or for none
            fcntl.ioctl(self.descriptor, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6)
            self.offload = ("tcp", "udp")
        except OSError:  # Linux before 6.2
            fcntl.ioctl(self.descriptor, TUNSETOFFLOAD, tcp)

    def read(self) -> Batch:
        """Return the waiting packets, those of at most READS superpackets; an empty batch if there are none.

        Data that is not packets of the versions carried is dropped and counted. Raises OSError if the device is gone.
        """
        data, bounds, foreign, wrong, long = _offload.read(self.descriptor, READS, self.ipv4, self.mtu)
        if foreign:
            self.counters.dropped(DropReason.NOT_IP if self.ipv4 else DropReason.NOT_IPV6, foreign)
        if wrong:
            self.counters.dropped(DropReason.WRONG_LENGTH, wrong)
        if long:
            self.counters.dropped(DropReason.OVERSIZE, long)
        if not data:
            return EMPTY
        batch = Batch(data, memoryview(bounds).cast(_BOUND).tolist())
        self.counters.received(len(batch), len(data))
        return batch

    def write(self, batch: Batch) -> None:
        """Write the packets to the kernel, each flow in order, or drop and count those that it does not accept."""
        bounds = batch.bounds if isinstance(batch.bounds, memoryview) else array(_BOUND, batch.bounds)
        refused, size = _offload.write(self.descriptor, batch.data, bounds, "udp" in self.offload)
        self.counters.sent(len(batch) - refused, len(batch.data) - size)
        if refused:
            self.counters.dropped(DropReason.DEVICE_REFUSED, refused)
