"""Counters: packets and bytes each way, drops by reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .errors import DropReason


@dataclass(slots=True)
class Counters:
    """The counters of a device or a connection; `in` is the direction from the peer or the kernel to this program.

    `marked` counts packets sent with the ECN codepoint CE, which would have been dropped otherwise (RFC 3168).
    """

    packets_in: int = 0
    bytes_in: int = 0
    packets_out: int = 0
    bytes_out: int = 0
    drops: Counter[DropReason] = field(default_factory=Counter)
    marked: int = 0

    def received(self, packets: int, size: int) -> None:
        """Count received packets, `size` bytes in total."""
        self.packets_in += packets
        self.bytes_in += size

    def sent(self, packets: int, size: int) -> None:
        """Count sent packets, `size` bytes in total."""
        self.packets_out += packets
        self.bytes_out += size

    def add(self, other: Counters) -> None:
        """Add the values of another set of counters."""
        self.received(other.packets_in, other.bytes_in)
        self.sent(other.packets_out, other.bytes_out)
        self.marked += other.marked
        self.drops.update(other.drops)

    def dropped(self, reason: DropReason, packets: int = 1) -> None:
        """Count dropped packets."""
        self.drops[reason] += packets
