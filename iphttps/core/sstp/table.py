"""The table of addresses, which maps packets from the host's kernel to sessions."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar

from ..ip import ipv4 as ip4
from ..ip import ipv6 as ip6
from ..ip.batch import EMPTY, Batch

__all__ = ["FIRST_IPV6", "K", "Outward", "Table", "gathered", "is_multicast"]

FIRST_IPV6 = ip6.VERSION << 4
"""The first byte of a packet is below this if it is IPv4."""

K = TypeVar("K", bound=Hashable)
"""The type of a session's key."""


@dataclass(frozen=True, slots=True)
class Outward(Generic[K]):
    """Packets from the host's kernel by receiver: those of sessions, and multicast packets in `everyone`.

    A session may stand in `sessions` several times, with consecutive packets each time, in order. `unknown` has the
    packets whose destination no session holds.
    """

    sessions: tuple[tuple[K, Batch], ...] = ()
    everyone: Batch = EMPTY
    unknown: Batch = EMPTY


class Table(Generic[K]):
    """The sessions by address, 4 or 16 raw bytes."""

    def __init__(self) -> None:
        self._holders: dict[bytes, K] = {}

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
        data, bounds = batch.data, batch.bounds
        destinations = [
            data[start + ip4.DESTINATION : start + ip4.HEADER_LENGTH]
            if data[start] < FIRST_IPV6
            else data[start + ip6.DESTINATION : start + ip6.HEADER_LENGTH]
            for start in bounds[:-1]
        ]
        first = destinations[0]
        receiver = self._holders.get(first)
        if receiver is not None and destinations.count(first) == len(destinations):
            return Outward(((receiver, batch),))
        everyone: list[bytes] = []
        unknown: list[bytes] = []
        sessions: list[tuple[K, Batch]] = []
        start = 0
        for destination, run in groupby(destinations):
            end = start + len(list(run))
            receiver = self._holders.get(destination)
            if receiver is not None:
                sessions.append((receiver, batch.portion(start, end)))
            else:
                (everyone if is_multicast(destination) else unknown).extend(batch.portion(start, end))
            start = end
        return Outward(tuple(sessions), gathered(everyone), gathered(unknown))


def is_multicast(address: bytes) -> bool:
    """Tell whether an address of either family is a multicast address, or the limited broadcast of IPv4."""
    if len(address) == ip4.ADDRESS_LENGTH:
        return address[0] & 0xF0 == 0xE0 or address == b"\xff\xff\xff\xff"
    return ip6.is_multicast(address)


def gathered(packets: list[bytes]) -> Batch:
    """Return a batch of packets, possibly empty."""
    return Batch.of(packets) if packets else EMPTY
