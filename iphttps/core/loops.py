"""The loops over the packets of a batch that a compiled module may do instead of Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

__all__ = ["Loops"]

R = TypeVar("R")
"""The type of a receiver."""


class Loops(Protocol):
    """A compiled module's loops.

    The parts of core that take one have a loop in Python too: for what the compiled one leaves, and for the case that
    there is none. Results and counters are the same either way. Bounds are as in a Batch.
    """

    def scan(self, data: bytes, /) -> Sequence[int]:
        """Return the bounds of the whole IPv6 packets at the start of the data, [0] if there are none.

        It may stop before any packet.
        """

    def proven(self, data: bytes, bounds: Sequence[int], headers: set[bytes], /) -> bool:
        """Tell whether the headers of all packets are in the set.

        They are, of IPv6, the bytes from Next Header to the destination, and of IPv4 the addresses. False if a packet
        is ICMP of IPv4.
        """

    def sort(
        self, data: bytes, bounds: Sequence[int], sources: bool, receiver: Callable[[bytes], R | None], /
    ) -> tuple[list[tuple[R, bytes, Sequence[int]]], list[bytes]]:
        """Return the packets of each receiver, in order, with their bounds, and the packets that have no receiver.

        `receiver` tells the receiver of a destination address, or None; with `sources` it is asked for a source address
        with the destination behind it.
        """

    def decode(self, data: bytes, offset: int, frame: bytes, /) -> tuple[bytes, Sequence[int], int]:
        """Return the IP packets in the SSTP data packets from `offset` on, their bounds, and the offset of the rest.

        `frame` is the PPP header of these packets, with the protocol number of either version of IP. It stops before a
        packet that is incomplete or unusual, and may stop before any.
        """

    def encode(self, data: bytes, bounds: Sequence[int], ipv4: bytes, ipv6: bytes, /) -> bytes:
        """Return the SSTP data packets of these IP packets, with the PPP headers for the two versions.

        Raises:
            IndexError: A packet is too long.
        """
