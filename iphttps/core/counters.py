"""Counters: packets and bytes each way, drops by reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .errors import DropReason


@dataclass(slots=True)
class Counters:
    """What passed through a device or a connection; `in` is what arrived from the peer or the kernel."""

    packets_in: int = 0
    bytes_in: int = 0
    packets_out: int = 0
    bytes_out: int = 0
    drops: Counter[DropReason] = field(default_factory=Counter)

    def received(self, packets: int, size: int) -> None:
        """Count packets that arrived, `size` bytes in all."""
        self.packets_in += packets
        self.bytes_in += size

    def sent(self, packets: int, size: int) -> None:
        """Count packets that left, `size` bytes in all."""
        self.packets_out += packets
        self.bytes_out += size

    def add(self, other: Counters) -> None:
        """Count what another has counted."""
        self.received(other.packets_in, other.bytes_in)
        self.sent(other.packets_out, other.bytes_out)
        self.drops.update(other.drops)

    def dropped(self, reason: DropReason, packets: int = 1) -> None:
        """Count packets that went no further."""
        self.drops[reason] += packets
