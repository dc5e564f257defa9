"""The TAP device: Ethernet frames to the kernel, IPv6 packets to the rest of this program."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

import pytun

from ...core.errors import DropReason
from ...core.ip.batch import Batch
from ...core.ip.ethernet import HEADER_LENGTH, Answer, Ethernet
from ...core.ip.ipv6 import MINIMUM_MTU
from .tun import KernelDevice

__all__ = ["SIOCGIFHWADDR", "TapDevice"]

SIOCGIFHWADDR = 0x8927  # linux/sockios.h
_REQUEST = struct.Struct("16s2x6s16x")  # struct ifreq: the name; a struct sockaddr with an Ethernet address


class TapDevice(KernelDevice):
    """A TAP device, with `core/ip/ethernet.py` converting between frames and packets.

    It is for local programs that require an Ethernet interface or the kernel's full Neighbor Discovery.
    """

    kind = pytun.IFF_TAP

    def __init__(self, name: str) -> None:
        """Create the device.

        Raises:
            ConfigError: The device cannot be created.
        """
        super().__init__(name)
        self._ethernet = Ethernet(self._device.hwaddr)
        # The request uses a socket, of any family: on the device's descriptor it would wait for the kernel's
        # network configuration lock.
        self._request = _REQUEST.pack(name.encode(), b"")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def answer_for(self, knows: Callable[[bytes], bool]) -> None:
        """Answer the kernel's address resolution only for addresses, 16 raw bytes, for which `knows` is true."""
        self._ethernet.knows = knows

    def take(self, data: bytes) -> bytes | DropReason:
        """Return the packet in a frame; the kernel's address resolution is answered at once."""
        packet = self._ethernet.outward(data)
        if isinstance(packet, Answer):
            with suppress(OSError):  # the link is down; or the device is gone, which the next read reports
                os.write(self.descriptor, packet.frame)
            return b""
        if len(data) > HEADER_LENGTH + MINIMUM_MTU and packet is not DropReason.NOT_IPV6:
            return DropReason.OVERSIZE  # another program has raised the interface's MTU (3.2.3.1)
        return packet

    def write(self, batch: Batch) -> None:
        """Write each packet to the kernel, or drop and count it."""
        # udev changes the device's address moments after its creation (systemd.link, MACAddressPolicy), and an
        # administrator may do so later. The kernel ignores frames for another address.
        with suppress(OSError, ValueError):  # renamed, then its address rarely changes as well; or closed
            answer = fcntl.ioctl(self._socket, SIOCGIFHWADDR, self._request)
            self._ethernet.station = _REQUEST.unpack(answer)[1]
        super().write(batch)

    def put(self, packet: memoryview) -> None:
        """Write the packet in a frame."""
        os.write(self.descriptor, self._ethernet.inward(bytes(packet)))

    def close(self) -> None:
        """Close the device, which removes it, its addresses and its routes."""
        self._socket.close()
        super().close()
