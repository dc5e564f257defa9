"""The parts of a server that its services share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..core.seats import Seats
from .downlink import Downlink
from .stream.read_scheduler import ReadScheduler

__all__ = ["Shared"]


@dataclass(frozen=True, slots=True)
class Shared:
    """The parts shared by the clients of all protocols.

    `seats` limits their number, and `numbers` yields their numbers. `reads` reads their connections in turn, and
    `downlink` sends their packets in turn.
    """

    seats: Seats
    numbers: Iterator[int]
    reads: ReadScheduler
    downlink: Downlink
