"""The cost of a packet at the server's link against the number of clients and addresses, as a curve."""

import time
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from statistics import median

from bench import svg
from bench.progress import say
from bench.rows import Group, Row, at_most
from iphttps.core.ip import ipv6
from iphttps.core.ip.batch import Batch
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.core.iphttps.clients import ClientEntry, ClientTable
from iphttps.core.iphttps.link import OwnAddresses, ServerLink
from iphttps.core.iphttps.neighbors import NeighborCache
from iphttps.core.iphttps.policy import Policy
from iphttps.core.seats import Seats

PAGE = Path(__file__).parents[2] / "docs" / "performance.svg"
SIZES = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000)
OUT, IN = "from the host", "from a client"

BUSY = 16  # clients spread over the table, or all there are
BATCH = 64
TURNS = 2000

PREFIX = IPv6Network("2001:db8:2::/64")
LINK_LOCAL, SERVER = IPv6Address("fe80::1").packed, IPv6Address("2001:db8:2::1").packed
PRIVATE_HOST = IPv6Address("2001:db8:1::80").packed


class Nobody:
    """The connection of a client that is only in the tables."""

    def send(self, batch: Batch) -> None:
        """Do nothing."""

    def send_urgent(self, batch: Batch) -> bool:
        """Do nothing."""
        return True

    def disconnect(self, sentence: str) -> None:
        """Do nothing."""


class Peopled:
    """A link with so many clients, each with an address."""

    def __init__(self, size: int) -> None:
        """Fill the tables, and have batches ready for those that are busy."""
        table, cache = ClientTable(Seats(size)), NeighborCache()
        policy = Policy(AuthenticationMode.CERTIFICATES, PREFIX, frozenset((LINK_LOCAL, SERVER)), cache)
        self._link = ServerLink(table, cache, policy, None, OwnAddresses(LINK_LOCAL, SERVER))
        self._batches: list[tuple[ClientEntry, Batch, Batch]] = []
        busy = range(0, size, max(size // BUSY, 1))
        for number in range(size):
            entry = table.add(Nobody(), "", None, 0.0)
            assert entry
            address = (PREFIX.network_address + 0x1000 + number).packed
            cache.bind(address, entry)
            if number in busy:
                self._batches.append((entry, _batch(PRIVATE_HOST, address), _batch(address, PRIVATE_HOST)))

    def microseconds(self) -> dict[str, float]:
        """Return what a packet costs in each direction."""
        return {OUT: self._each(self._out), IN: self._each(self._in)}

    def _out(self, entry: ClientEntry, out: Batch, into: Batch) -> bool:
        return self._link.from_host(out, 0.0).clients == [(entry, out)]

    def _in(self, entry: ClientEntry, out: Batch, into: Batch) -> bool:
        return self._link.from_client(entry, into, 0.0).host == into

    def _each(self, forward: Callable[[ClientEntry, Batch, Batch], bool]) -> float:
        assert all(forward(*each) for each in self._batches)  # which also makes the headers known
        turns = [self._batches[turn % len(self._batches)] for turn in range(TURNS)]
        begin = time.perf_counter()
        for each in turns:
            forward(*each)
        return (time.perf_counter() - begin) / (TURNS * BATCH) * 1e6


def _batch(source: bytes, destination: bytes) -> Batch:
    return Batch.of([ipv6.packet(source, destination, ipv6.UDP, bytes(1240), 64)] * BATCH)


def measure(rounds: int) -> list[Row]:
    """Measure links of all sizes in each round, and draw the medians."""
    links = {size: Peopled(size) for size in SIZES}
    found: dict[str, dict[int, list[float]]] = {way: {size: [] for size in SIZES} for way in (OUT, IN)}
    for _ in range(rounds):
        for size, link in links.items():
            for way, cost in link.microseconds().items():
                found[way][size].append(cost)
    lines = {way: [(size, median(costs)) for size, costs in of_way.items()] for way, of_way in found.items()}
    PAGE.write_text(svg.chart(lines, "clients, with an address each", "microseconds for a packet at the link"))
    say(f"  drawn: {PAGE}")
    least, most = min(SIZES), max(SIZES)
    return [
        Row(f"a packet {way} at the link of {most} clients", "µs", of_way[most], f"of {least}", of_way[least],
            at_most(1.25))
        for way, of_way in found.items()
    ]  # fmt: skip


GROUP = Group("curve", "what a packet costs at the link, against the number of clients", measure)
