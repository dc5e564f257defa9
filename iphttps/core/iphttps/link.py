"""The server's link: a batch in, a Forwarding out (3.2.5.2).

A batch is forwarded to the host unsplit if the link has seen every packet's header from this client before and the
policy accepted it. Otherwise the batch is split, and the policy judges each packet that has a new header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..counters import Counters
from ..errors import DropReason
from ..ip import ipv6
from ..ip.batch import EMPTY, Batch
from ..ip.flows import sort
from ..ip.icmpv6 import address_unreachable
from ..ip.ndp import neighbor_solicitation
from ..ip.router import MAXIMUM_INTERVAL, Router
from ..limits import TokenBucket
from ..loops import Loops
from .authentication import AuthenticationMode
from .clients import ClientEntry, ClientTable
from .neighbors import NeighborCache
from .policy import Policy, Verdict

__all__ = ["ERROR_BURST", "ERROR_RATE", "PROVEN_HEADERS", "Forwarding", "OwnAddresses", "ServerLink"]

PROVEN_HEADERS = 1024
"""Maximum number of accepted headers remembered per client; a full set is cleared and learned again."""


ERROR_RATE = 10.0
ERROR_BURST = 10.0
"""ICMPv6 errors per second, and the burst allowed (RFC 4443 section 2.4 (f))."""


@dataclass(frozen=True, slots=True)
class Forwarding:
    """The receivers of a batch: the host's kernel, single clients, or all clients.

    A client may stand in `clients` several times, with consecutive packets each time, in order.
    Every client except the sender receives `everyone`. Delivery is spread over time, since there may be thousands of
    clients. `own` is the server's own Neighbor Discovery, which does not queue behind data.
    """

    host: Batch = EMPTY
    own: Sequence[tuple[ClientEntry, Batch]] = ()
    clients: Sequence[tuple[ClientEntry, Batch]] = ()
    everyone: Batch = EMPTY


@dataclass(frozen=True, slots=True)
class OwnAddresses:
    """The server's addresses on the link, 16 raw bytes each."""

    link_local: bytes
    unicast: bytes


class ServerLink:
    """Forwards between the clients in the Client Table and the host's kernel.

    `counters` counts drops of packets from the host; drops of packets from a client are counted in its entry. `loops`
    is a compiled module, if there is one.
    """

    def __init__(
        self,
        table: ClientTable,
        cache: NeighborCache,
        policy: Policy,
        router: Router | None,
        addresses: OwnAddresses,
        mtu: int = ipv6.MINIMUM_MTU,
        loops: Loops | None = None,
    ) -> None:
        self.counters = Counters()
        self._proven = loops.proven if loops else _proven
        self._sort = loops.sort if loops else sort
        self._table = table
        self._cache = cache
        self._policy = policy
        self._router = router
        self._addresses = addresses
        self._mtu = mtu
        self._errors = TokenBucket(ERROR_RATE, ERROR_BURST)

    def from_client(self, client: ClientEntry, batch: Batch, now: float) -> Forwarding:
        """Forward packets from a client; `now` is in seconds (3.2.5.2.2)."""
        client.counters.received(len(batch), len(batch.data))
        # A lasting verdict depends only on the header from Next Header to the destination address.
        if self._proven(batch.data, batch.bounds, client.proven):
            return Forwarding(batch)
        return self._forward_each(client, batch, now)

    def _forward_each(self, client: ClientEntry, batch: Batch, now: float) -> Forwarding:
        host: list[bytes] = []
        replies: list[bytes] = []
        everyone: list[bytes] = []
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
                replies.append(reply)
            others = verdict.others and len(self._table) > 1
            if (others or verdict.clients) and len(packet) > self._mtu:
                client.counters.dropped(DropReason.OVERSIZE)
                continue
            if others and not client.multiplied.take(now, len(packet) * (len(self._table) - 1)):
                client.counters.dropped(DropReason.TOO_MUCH)
                continue
            if others:
                everyone.append(packet)
            for receiver in verdict.clients:
                outgoing.setdefault(receiver, []).append(packet)
        own = [(client, Batch.of(replies))] if replies else ()
        return Forwarding(Batch.of(host), own, _batches(outgoing), Batch.of(everyone))

    def _advertise(self, verdict: Verdict, client: ClientEntry, packet: bytes, now: float) -> bytes:
        if not verdict.solicits_router or self._router is None:
            return b""
        return self._router.answer(client, packet[ipv6.SOURCE : ipv6.DESTINATION], now)

    def from_host(self, batch: Batch, now: float) -> Forwarding:
        """Forward packets from the host's kernel, its own and those it routes (3.2.5.2.1)."""
        found, rest = self._sort(batch.data, batch.bounds, True, lambda flow: self._receiver(flow, now))
        clients = [(receiver, batch if data is batch.data else Batch(data, bounds)) for receiver, data, bounds in found]
        if not rest:
            return Forwarding(clients=clients)
        errors: list[bytes] = []
        everyone: list[bytes] = []
        outgoing = {receiver: [packets] for receiver, packets in clients}
        for packet in rest:
            verdict = self._policy.judge_own(packet, now)
            if verdict.drop:
                self.counters.dropped(verdict.drop)
            if verdict.drop is DropReason.NO_NEIGHBOR:
                errors += self._miss(packet, now)
            if verdict.others:
                everyone.append(packet)
            for receiver in verdict.clients:
                outgoing.setdefault(receiver, []).append(Batch.of([packet]))
        clients = [(receiver, Batch.joined(batches)) for receiver, batches in outgoing.items()]
        return Forwarding(Batch.of(errors), (), clients, Batch.of(everyone))

    def _receiver(self, flow: bytes, now: float) -> ClientEntry | None:
        """Return the client that holds the destination, or None if each packet needs its own decision."""
        source, destination = flow[: ipv6.ADDRESS_LENGTH], flow[ipv6.ADDRESS_LENGTH :]
        if ipv6.is_link_local(source) or self._policy.isolated(source):
            return None
        return self._cache.use(destination, now)

    def _miss(self, packet: bytes, now: float) -> list[bytes]:
        """Search for a destination that no client holds, or return an ICMPv6 error for the packet's sender.

        In mode None there is no search: it takes multicast, which 3.2.5.2.1 forbids.
        """
        destination = packet[ipv6.DESTINATION : ipv6.HEADER_LENGTH]
        searching = self._policy.mode is AuthenticationMode.CERTIFICATES and self._cache.seek(destination, now)
        if searching:
            return []
        error = address_unreachable(packet, self._addresses.unicast)
        # RFC 4443 section 2.4 (f): the rate of errors MUST be limited.
        return [error] if error and self._errors.take(now) else []

    def solicit(self, now: float) -> Forwarding:
        """Return the Neighbor Solicitations that are due; call this about once a second."""
        everyone: list[bytes] = []
        outgoing: dict[ClientEntry, list[bytes]] = {}
        for target, holder in self._cache.solicitations(now):
            if holder is None and self._policy.mode is AuthenticationMode.NONE:
                continue  # left from before a mode change; 3.2.5.2.1: no multicast except RAs
            packet = neighbor_solicitation(target, self._addresses.link_local, unicast=holder is not None)
            if holder is None:
                everyone.append(packet)
            else:
                outgoing.setdefault(holder, []).append(packet)
        return Forwarding(own=_batches(outgoing), everyone=Batch.of(everyone))

    def not_solicited(self, batch: Batch) -> None:
        """Note that a batch of unicast Neighbor Solicitations was dropped or is still queued."""
        for packet in batch:
            self._cache.not_solicited(packet[ipv6.DESTINATION : ipv6.HEADER_LENGTH])

    def advertise(self, chance: float, now: float) -> tuple[Forwarding, float]:
        """Return the periodic Router Advertisement to all clients, and the seconds until the next.

        `chance`, from 0 to 1, randomizes the interval (RFC 4861 section 6.2.4).
        """
        if self._router is None:
            return Forwarding(), MAXIMUM_INTERVAL
        packet, interval = self._router.unsolicited(chance)
        for client in self._table:
            client.advertised = now
        return Forwarding(everyone=Batch.of([packet])), interval

    def final_advertisement(self) -> Forwarding:
        """Return the last Router Advertisement before the server stops (RFC 4861 section 6.2.5)."""
        return Forwarding(everyone=Batch.of([self._router.final_advertisement()])) if self._router else Forwarding()

    def change_mode(self, mode: AuthenticationMode) -> None:
        """Change the Authentication Mode; the caller must end all existing sessions (3.2.7.1)."""
        self._policy.mode = mode
        if self._router:
            self._router.advertisement = self._router.advertisement.with_prefix(on_link=mode.on_link)

    def isolate(self, wanted: bool | None) -> None:
        """Turn the isolation of clients from each other on or off; None: the Authentication Mode decides."""
        self._policy.isolate = wanted
        for client in self._table:
            client.proven.clear()  # these verdicts follow the old rule

    def remove(self, client: ClientEntry) -> None:
        """Remove all state of a client whose connection has ended (3.2.5.3, 3.2.7.2)."""
        self._table.remove(client)
        self._cache.release(client)


def _proven(data: bytes, bounds: Sequence[int], headers: set[bytes]) -> bool:
    """Tell whether the headers of all packets are in the set."""
    for start in bounds[:-1]:  # a generator for `all` takes longer
        header = data[start + ipv6.NEXT_HEADER : start + ipv6.HEADER_LENGTH]
        if header not in headers:
            return False
    return True


def _batches(outgoing: dict[ClientEntry, list[bytes]]) -> Sequence[tuple[ClientEntry, Batch]]:
    return [(client, Batch.of(packets)) for client, packets in outgoing.items()]
