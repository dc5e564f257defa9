"""The table of addresses, which maps packets from the host's kernel to sessions."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..ip import ipv4 as ip4
from ..ip import ipv6 as ip6
from ..ip.batch import EMPTY, Batch
from ..ip.flows import FIRST_IPV6, sort
from ..loops import Loops

__all__ = ["FIRST_IPV6", "K", "Outward", "Table", "gathered", "is_multicast"]

K = TypeVar("K", bound=Hashable)
"""The type of a session's key."""


@dataclass(frozen=True, slots=True)
class Outward(Generic[K]):
    """Packets from the host's kernel by receiver: those of sessions, and multicast packets in `everyone`.

    Those of a session are in order. `unknown` has the packets whose destination no session holds.
    """

    sessions: tuple[tuple[K, Batch], ...] = ()
    everyone: Batch = EMPTY
    unknown: Batch = EMPTY


class Table(Generic[K]):
    """The sessions by address, 4 or 16 raw bytes. `loops` is a compiled module, if there is one."""

    def __init__(self, loops: Loops | None = None) -> None:
        self._holders: dict[bytes, K] = {}
        self._sort = loops.sort if loops else sort

    def add(self, address: bytes, key: K) -> None:
        """Note that a session holds the address."""
        self._holders[address] = key

    def remove(self, address: bytes) -> None:
        """Note that no session holds the address any more."""
        self._holders.pop(address, None)

    def holder(self, address: bytes) -> K | None:
        """Return the session that holds the address, None if there is none."""
        return self._holders.get(address)

    def route(self, batch: Batch) -> Outward[K]:
        """Sort the packets of a batch, at least one, by the sessions that hold their destinations."""
        found, rest = self._sort(batch.data, batch.bounds, False, self._holders.get)
        everyone: list[bytes] = []
        unknown: list[bytes] = []
        for packet in rest:
            destination = (
                packet[ip4.DESTINATION : ip4.HEADER_LENGTH]
                if packet[0] < FIRST_IPV6
                else packet[ip6.DESTINATION : ip6.HEADER_LENGTH]
            )
            (everyone if is_multicast(destination) else unknown).append(packet)
        sessions = tuple([(key, batch if data is batch.data else Batch(data, bounds)) for key, data, bounds in found])
        return Outward(sessions, gathered(everyone), gathered(unknown))


def is_multicast(address: bytes) -> bool:
    """Tell whether an address of either family is a multicast address, or the limited broadcast of IPv4."""
    if len(address) == ip4.ADDRESS_LENGTH:
        return address[0] & 0xF0 == 0xE0 or address == b"\xff\xff\xff\xff"
    return ip6.is_multicast(address)


def gathered(packets: list[bytes]) -> Batch:
    """Return a batch of packets, possibly empty."""
    return Batch.of(packets) if packets else EMPTY
