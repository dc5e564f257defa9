"""The errors that the host hears of packets that no client can get: none holds the address, or they are too long.

Their rate is limited, that of both families together (RFC 4443 section 2.4 (f), RFC 1812 section 4.3.2.8).
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
    """Builds errors, sent from the server's address of each family; a family without an address has none."""

    def __init__(self, ipv4: bytes, ipv6: bytes) -> None:
        self._ipv4 = ipv4
        self._ipv6 = ipv6
        self._errors = TokenBucket(ERROR_RATE, ERROR_BURST)

    def unreachable(self, packets: Iterable[bytes], now: float) -> Batch:
        """Return the errors for packets whose destinations no client holds."""
        return self._limited((self._unreachable(packet) for packet in packets), now)

    def fitting(self, batch: Batch, mtu: int, now: float) -> tuple[Batch, Batch, int]:
        """Return what a client with this MTU gets of a batch, the errors for the host, and how many packets it misses.

        Packets of IPv4 that may be fragmented are (RFC 791 section 3.2); longer ones of both families are errors.
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
