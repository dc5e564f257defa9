"""Packets from the host sorted by their receivers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import TypeVar

from . import ipv4 as ip4
from . import ipv6 as ip6

__all__ = ["FIRST_IPV6", "sort"]

FIRST_IPV6 = ip6.VERSION << 4
"""The first byte of a packet is below this if it is IPv4."""

R = TypeVar("R")
"""The type of a receiver."""


def sort(
    data: bytes, bounds: Sequence[int], sources: bool, receiver: Callable[[bytes], R | None]
) -> tuple[list[tuple[R, bytes, Sequence[int]]], list[bytes]]:
    """Return the packets of each receiver, in order, with their bounds, and the packets that have no receiver.

    `receiver` tells the receiver of a destination address, or None; with `sources` it is asked for a source address
    with the destination behind it. `Loops` has the same function.
    """
    ipv4, ipv6 = (ip4.SOURCE, ip6.SOURCE) if sources else (ip4.DESTINATION, ip6.DESTINATION)
    to_ipv4, to_ipv6 = ip4.HEADER_LENGTH, ip6.HEADER_LENGTH
    flows = [
        data[start + ipv6 : start + to_ipv6] if data[start] >= FIRST_IPV6 else data[start + ipv4 : start + to_ipv4]
        for start in bounds[:-1]
    ]
    receivers = {flow: receiver(flow) for flow in dict.fromkeys(flows)}
    if len(receivers) == 1 and (only := receivers[flows[0]]) is not None:
        return [(only, data, bounds)], []
    outgoing: dict[R, list[bytes]] = {}
    rest: list[bytes] = []
    for flow, (start, end) in zip(flows, pairwise(bounds), strict=True):
        holder = receivers[flow]
        (rest if holder is None else outgoing.setdefault(holder, [])).append(data[start:end])
    found: list[tuple[R, bytes, Sequence[int]]] = [
        (each, b"".join(packets), list(accumulate(map(len, packets), initial=0))) for each, packets in outgoing.items()
    ]
    return found, rest
