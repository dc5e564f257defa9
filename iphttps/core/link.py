"""The server's link: a batch in, a Forwarding out (3.2.5.2).

A batch passes whole while every packet's header was seen before from the same client and found good for the
host. Only packets with a new header are taken apart and shown to the policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from . import ipv6
from .clients import ClientEntry, ClientTable
from .counters import Counters
from .errors import DropReason
from .framing import EMPTY, Batch
from .neighbors import NeighborCache
from .policy import Policy, Verdict
from .router import Router

PROVEN_HEADERS = 1024
"""How many headers are remembered for a client; past it all are forgotten and learned again."""


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Where the packets of a batch go: to the host's kernel, and to clients, one write for each."""

    host: Batch = EMPTY
    clients: Sequence[tuple[ClientEntry, Batch]] = ()


class ServerLink:
    """Forwards between the clients in the Client Table and the host's kernel.

    `counters` counts the drops among packets from the host; a client's own are counted in its entry.
    """

    def __init__(self, table: ClientTable, cache: NeighborCache, policy: Policy, router: Router, mtu: int) -> None:
        self.counters = Counters()
        self._table = table
        self._cache = cache
        self._policy = policy
        self._router = router
        self._mtu = mtu

    def from_client(self, client: ClientEntry, batch: Batch, now: float) -> Forwarding:
        """Forward what a client sent; `now` in seconds (3.2.5.2.2)."""
        data, bounds, proven = batch.data, batch.bounds, client.proven
        client.counters.received(len(batch), len(data))
        # From Next Header to the destination: all that a lasting verdict depends on.
        for start in bounds[:-1]:
            if data[start + ipv6.NEXT_HEADER : start + ipv6.HEADER_LENGTH] not in proven:
                return self._look_closer(client, batch, now)
        return Forwarding(batch)

    def _look_closer(self, client: ClientEntry, batch: Batch, now: float) -> Forwarding:
        host: list[bytes] = []
        outgoing: dict[ClientEntry, list[bytes]] = {}
        for packet in batch:
            header = packet[ipv6.NEXT_HEADER : ipv6.HEADER_LENGTH]
            if header in client.proven:
                host.append(packet)
                continue
            verdict = self._policy.judge(packet, client, now)
            if verdict.lasting:
                if len(client.proven) >= PROVEN_HEADERS:
                    client.proven.clear()
                client.proven.add(header)
            if verdict.drop:
                client.counters.dropped(verdict.drop)
            if verdict.host:
                host.append(packet)
            if reply := verdict.reply or self._advertise(verdict, client, packet, now):
                outgoing.setdefault(client, []).append(reply)
            receivers = self._others(client) if verdict.others else verdict.clients
            if receivers and len(packet) > self._mtu:
                client.counters.dropped(DropReason.OVERSIZE)
                continue
            for receiver in receivers:
                outgoing.setdefault(receiver, []).append(packet)
        return Forwarding(Batch.of(host), _batches(outgoing))

    def _advertise(self, verdict: Verdict, client: ClientEntry, packet: bytes, now: float) -> bytes:
        if not verdict.solicits_router:
            return b""
        return self._router.answer(client, packet[ipv6.SOURCE : ipv6.DESTINATION], now)

    def _others(self, client: ClientEntry) -> Iterable[ClientEntry]:
        return [entry for entry in self._table if entry is not client]

    def from_host(self, batch: Batch) -> Forwarding:
        """Forward what the host's kernel sent into the link, its own packets and routed ones (3.2.5.2.1)."""
        data, bounds = batch.data, batch.bounds
        flows = [data[start + ipv6.SOURCE : start + ipv6.HEADER_LENGTH] for start in bounds[:-1]]
        receivers = {flow: self._receiver(flow) for flow in set(flows)}
        if len(receivers) == 1 and (receiver := receivers[flows[0]]):
            return Forwarding(clients=[(receiver, batch)])
        outgoing: dict[ClientEntry, list[bytes]] = {}
        for flow, (start, end) in zip(flows, pairwise(bounds), strict=True):
            packet = data[start:end]
            if receiver := receivers[flow]:
                outgoing.setdefault(receiver, []).append(packet)
                continue
            verdict = self._policy.judge_own(packet)
            if verdict.drop:
                self.counters.dropped(verdict.drop)
            for receiver in self._table if verdict.others else verdict.clients:
                outgoing.setdefault(receiver, []).append(packet)
        return Forwarding(clients=_batches(outgoing))

    def _receiver(self, flow: bytes) -> ClientEntry | None:
        """Return the holder of the destination, or None where the packets must be looked at singly."""
        source, destination = flow[: ipv6.ADDRESS_LENGTH], flow[ipv6.ADDRESS_LENGTH :]
        if ipv6.is_link_local(source):
            return None
        return self._cache.holders.get(destination)

    def advertise(self, chance: float, now: float) -> tuple[Forwarding, float]:
        """Return the periodic Router Advertisement to all clients, and the seconds until the next."""
        packet, interval = self._router.unsolicited(chance)
        batch = Batch.of([packet])
        for client in self._table:
            client.advertised = now
        return Forwarding(clients=[(client, batch) for client in self._table]), interval

    def remove(self, client: ClientEntry) -> None:
        """Tear down the state of a client whose connection has ended (3.2.5.3, 3.2.7.2)."""
        self._table.remove(client)
        self._cache.release(client)


def _batches(outgoing: dict[ClientEntry, list[bytes]]) -> Sequence[tuple[ClientEntry, Batch]]:
    return [(client, Batch.of(packets)) for client, packets in outgoing.items()]
