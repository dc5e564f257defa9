"""ICMP errors to the host for packets that cannot be delivered: to unassigned addresses, or longer than the MTU.

Both families share one rate limit (RFC 4443 section 2.4 (f), RFC 1812 section 4.3.2.8).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from ..ip import icmpv4, icmpv6
from ..ip.batch import EMPTY, Batch
from ..ip.ipv4_fragments import fragments, may_be_fragmented
from ..limits import TokenBucket
from .table import FIRST_IPV6, gathered

__all__ = ["ERROR_BURST", "ERROR_RATE", "HostErrors"]

ERROR_RATE = 10.0
ERROR_BURST = 10.0
"""Errors per second, and the burst allowed."""


class HostErrors:
    """Builds ICMP errors from the server's address of each family; a family without an address gets none."""

    def __init__(self, ipv4: bytes, ipv6: bytes) -> None:
        self._ipv4 = ipv4
        self._ipv6 = ipv6
        self._errors = TokenBucket(ERROR_RATE, ERROR_BURST)

    def unreachable(self, packets: Iterable[bytes], now: float) -> Batch:
        """Return the Destination Unreachable errors for packets to unassigned addresses."""
        return self._limited((self._unreachable(packet) for packet in packets), now)

    def fitting(self, batch: Batch, mtu: int, now: float) -> tuple[Batch, Batch, int]:
        """Return the packets for a client with this MTU, the ICMP errors for the host, and the number of drops.

        IPv4 packets without DF are fragmented (RFC 791 section 3.2); longer packets of both families are dropped.
        """
        if all(end - start <= mtu for start, end in pairwise(batch.bounds)):
            return batch, EMPTY, 0
        found: list[bytes] = []
        longer: list[bytes] = []
        for packet in batch:
            if len(packet) <= mtu:
                found.append(packet)
            elif packet[0] < FIRST_IPV6 and may_be_fragmented(packet):
                found += fragments(packet, mtu)
            else:
                longer.append(packet)
        return gathered(found), self._limited((self._too_long(packet, mtu) for packet in longer), now), len(longer)

    def _unreachable(self, packet: bytes) -> bytes | None:
        if packet[0] < FIRST_IPV6:
            return icmpv4.host_unreachable(packet, self._ipv4) if self._ipv4 else None
        return icmpv6.address_unreachable(packet, self._ipv6) if self._ipv6 else None

    def _too_long(self, packet: bytes, mtu: int) -> bytes | None:
        if packet[0] < FIRST_IPV6:
            return icmpv4.fragmentation_needed(packet, self._ipv4, mtu) if self._ipv4 else None
        return icmpv6.packet_too_big(packet, self._ipv6, mtu) if self._ipv6 else None

    def _limited(self, errors: Iterable[bytes | None], now: float) -> Batch:
        return gathered([error for error in errors if error and self._errors.take(now)])
