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

SIOCGIFHWADDR = 0x8927  # linux/sockios.h
_REQUEST = struct.Struct("16s2x6s16x")  # struct ifreq: the name; a struct sockaddr with an Ethernet address


class TapDevice(KernelDevice):
    """A TAP device, with an Ethernet (`core/ip/ethernet.py`) between it and the packets.

    For where a local program insists on an Ethernet interface, or on the kernel's whole Neighbor Discovery.
    """

    kind = pytun.IFF_TAP

    def __init__(self, name: str) -> None:
        """Create the device; raises ConfigError if that cannot be."""
        super().__init__(name)
        self._ethernet = Ethernet(self._device.hwaddr)
        # The request goes through a socket, of any family: through the device's descriptor it would wait for
        # whoever is configuring the network.
        self._request = _REQUEST.pack(name.encode(), b"")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def answer_for(self, knows: Callable[[bytes], bool]) -> None:
        """Answer the kernel's questions for a neighbour only for addresses, 16 raw bytes, of which `knows` is true."""
        self._ethernet.knows = knows

    def take(self, data: bytes) -> bytes | DropReason:
        """Return the packet in a frame; a question of the Ethernet's own is answered at once."""
        packet = self._ethernet.outward(data)
        if isinstance(packet, Answer):
            with suppress(OSError):  # the link went down; or the device is gone, as the next read will tell
                os.write(self.descriptor, packet.frame)
            return b""
        if len(data) > HEADER_LENGTH + MINIMUM_MTU and packet is not DropReason.NOT_IPV6:
            return DropReason.OVERSIZE  # another program has raised the interface's MTU (3.2.3.1)
        return packet

    def write(self, batch: Batch) -> None:
        """Hand each packet to the kernel whole, or drop and count it."""
        # udev gives the device another address moments after it was made (systemd.link, MACAddressPolicy), an
        # administrator perhaps later. What is not addressed to it the kernel takes for somebody else's.
        with suppress(OSError, ValueError):  # renamed, and then most likely not given another address; or closed
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
