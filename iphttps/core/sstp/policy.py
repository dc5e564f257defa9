"""The packet policy of the SSTP link: source validation, filtering and address binding for client packets.

A client sends from its own addresses only (RFC 2827, RFC 7039): the IPv4 address assigned by IPCP, and the link-local
address of the interface identifier negotiated by IPV6CP (RFC 5072 section 5). All clients share one /64; an address in
it is bound to the session that first sends from it, or probes for it, until the session ends (RFC 6620). The server
answers a Duplicate Address Detection probe for an address bound to another client.

Each client is alone with the server on its link, so no link-local traffic passes between clients. Other traffic between
clients passes through the host's kernel, so that its firewall sees it. Of a client's multicast the server needs only
Router Solicitations and the probes. Router Advertisements, Redirects and DHCPv6 server messages from clients are
dropped (RFC 6105, RFC 7610).

A batch passes unsplit if each of its packets has a header that was accepted from this client before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

from ..errors import DropReason
from ..ip import ipv4 as ip4
from ..ip import ipv6 as ip6
from ..ip.batch import EMPTY, Batch
from ..ip.dhcpv6 import is_server_message
from ..ip.ndp import Kind, Message, neighbor_advertisement, recognise
from ..loops import Loops
from .table import FIRST_IPV6, K, Table, gathered, is_multicast

__all__ = ["MAXIMUM_ADDRESSES", "PROVEN_HEADERS", "Forwarding", "Policy", "Sources", "Verdict"]

MAXIMUM_ADDRESSES = 16
"""Maximum IPv6 addresses of a session besides the link-local one; the next one replaces the oldest."""

PROVEN_HEADERS = 1024
"""Maximum number of accepted headers remembered per session; a full set is cleared and learned again."""

LINK_LOCAL_PREFIX = bytes.fromhex("fe80000000000000")

_IPV4_ICMP = 1
_ICMP_REDIRECT, _ICMP_ROUTER_ADVERTISEMENT = 5, 9  # RFC 792, RFC 1256
_NO_HOSTS = (0, 127)  # first bytes of 0.0.0.0/8 and 127.0.0.0/8 (RFC 1122 section 3.2.1.3)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about a packet from a client.

    `host`: to the host's kernel; `reply`: a packet for the sender; `solicits_router`: answer the sender with a Router
    Advertisement. `lasting`: the same verdict holds for every packet with the same addresses and, of IPv6, the same
    Next Header and Hop Limit, but for ICMP of IPv4.
    """

    drop: DropReason | None = None
    host: bool = False
    reply: bytes = b""
    solicits_router: bool = False
    lasting: bool = False


_HOST = Verdict(host=True)
_HOST_LASTING = Verdict(host=True, lasting=True)
_SETTLED = Verdict()


@dataclass(frozen=True, slots=True)
class Forwarding:
    """The decisions about a batch from a client.

    `host` goes to the host's kernel, `replies` back to the client. `solicitations` are the source addresses of Router
    Solicitations, 16 raw bytes each. `drops` counts the dropped packets by reason.
    """

    host: Batch = EMPTY
    replies: Batch = EMPTY
    solicitations: tuple[bytes, ...] = ()
    drops: Mapping[DropReason, int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Sources(Generic[K]):
    """The addresses of one session, as raw bytes: assigned ones, empty if absent, and bound ones."""

    key: K
    ipv4: bytes = b""
    link_local: bytes = b""
    bound: dict[bytes, None] = field(default_factory=dict)
    proven: set[bytes] = field(default_factory=set)


class Policy(Generic[K]):
    """The rules for one link.

    `own` holds the server's addresses of both families; `prefix` is the first 8 bytes of the /64, empty if clients get
    none. `permits` tells whether a session may bind a free address of the prefix; some may be reserved. `loops` is a
    compiled module, if there is one.
    """

    def __init__(
        self,
        table: Table[K],
        own: frozenset[bytes],
        prefix: bytes = b"",
        permits: Callable[[K, bytes], bool] = lambda _key, _address: True,
        loops: Loops | None = None,
    ) -> None:
        self.own = own
        self._proven = loops.proven if loops else _proven
        self._table = table
        self._prefix = prefix
        self._permits = permits

    def assign_ipv4(self, sources: Sources[K], address: bytes) -> None:
        """Assign the IPv4 address of a session when IPCP is up; empty when IPCP is down."""
        self._replace(sources, sources.ipv4, address)
        sources.ipv4 = address

    def assign_interface_id(self, sources: Sources[K], interface_id: bytes) -> None:
        """Assign the interface identifier of a session, 8 bytes, unique among sessions (RFC 5072 section 4.1).

        An empty one removes all IPv6 addresses of the session: IPV6CP is down.
        """
        address = LINK_LOCAL_PREFIX + interface_id if interface_id else b""
        self._replace(sources, sources.link_local, address)
        sources.link_local = address
        if not address:
            for each in tuple(sources.bound):
                self._forget(sources, each)

    def release(self, sources: Sources[K]) -> None:
        """Free all addresses of a session that has ended."""
        self.assign_ipv4(sources, b"")
        self.assign_interface_id(sources, b"")

    def _replace(self, sources: Sources[K], before: bytes, after: bytes) -> None:
        sources.proven.clear()
        if before:
            self._table.remove(before)
        if after:
            self._table.add(after, sources.key)

    def from_client(self, sources: Sources[K], batch: Batch) -> Forwarding:
        """Forward a batch from a client."""
        if self._proven(batch.data, batch.bounds, sources.proven):
            return Forwarding(batch)
        return self._forward_each(sources, batch)

    def _forward_each(self, sources: Sources[K], batch: Batch) -> Forwarding:
        host: list[bytes] = []
        replies: list[bytes] = []
        solicitations: list[bytes] = []
        drops: Counter[DropReason] = Counter()
        for packet in batch:
            ipv4 = packet[0] < FIRST_IPV6
            header = packet[ip4.SOURCE : ip4.HEADER_LENGTH] if ipv4 else packet[ip6.NEXT_HEADER : ip6.HEADER_LENGTH]
            if header in sources.proven and not (ipv4 and packet[ip4.PROTOCOL] == _IPV4_ICMP):
                host.append(packet)
                continue
            verdict = self.judge(packet, sources)
            if verdict.lasting:
                if len(sources.proven) >= PROVEN_HEADERS:
                    sources.proven.clear()
                sources.proven.add(header)
            if verdict.drop:
                drops[verdict.drop] += 1
            if verdict.host:
                host.append(packet)
            if verdict.reply:
                replies.append(verdict.reply)
            if verdict.solicits_router:
                solicitations.append(packet[ip6.SOURCE : ip6.DESTINATION])
        return Forwarding(gathered(host), gathered(replies), tuple(solicitations), drops)

    def judge(self, packet: bytes, sources: Sources[K]) -> Verdict:
        """Decide about one packet from a client, and bind its source address."""
        return self._judge_ipv4(packet, sources) if packet[0] < FIRST_IPV6 else self._judge_ipv6(packet, sources)

    def _judge_ipv4(self, packet: bytes, sources: Sources[K]) -> Verdict:
        if packet[ip4.SOURCE : ip4.DESTINATION] != sources.ipv4:
            return Verdict(DropReason.SOURCE_FOREIGN)
        destination = packet[ip4.DESTINATION : ip4.HEADER_LENGTH]
        if is_multicast(destination):
            return Verdict(DropReason.MULTICAST)
        if destination[0] in _NO_HOSTS or destination[0] >= 0xF0:
            return Verdict(DropReason.DESTINATION_INVALID)
        if packet[ip4.PROTOCOL] != _IPV4_ICMP:
            return _HOST_LASTING
        # Only the first fragment of a fragmented redirect is recognized, which suffices: the kernel needs all of them.
        kind = packet[(packet[0] & 0x0F) * 4 :][:1]
        if kind == bytes((_ICMP_REDIRECT,)):
            return Verdict(DropReason.REDIRECT)
        if kind == bytes((_ICMP_ROUTER_ADVERTISEMENT,)):
            return Verdict(DropReason.ROUTER_ADVERTISEMENT)
        return _HOST

    def _judge_ipv6(self, packet: bytes, sources: Sources[K]) -> Verdict:
        source = packet[ip6.SOURCE : ip6.DESTINATION]
        destination = packet[ip6.DESTINATION : ip6.HEADER_LENGTH]
        message = recognise(packet)
        if isinstance(message, DropReason):
            return Verdict(message)
        if message is None and is_server_message(packet):
            return Verdict(DropReason.DHCP_SERVER)
        multicast = ip6.is_multicast(destination)
        if destination in (ip6.UNSPECIFIED, ip6.LOOPBACK) or (multicast and ip6.multicast_scope(destination) < 2):
            return Verdict(DropReason.DESTINATION_INVALID)
        if message and message.kind is Kind.ROUTER_ADVERTISEMENT:
            return Verdict(DropReason.ROUTER_ADVERTISEMENT)
        if message and message.kind is Kind.REDIRECT:
            return Verdict(DropReason.REDIRECT)
        if source == ip6.UNSPECIFIED:
            searching = message and (message.is_probe or message.kind is Kind.ROUTER_SOLICITATION)
            if not (searching and multicast):  # RFC 4291 section 2.5.2
                return Verdict(DropReason.SOURCE_INVALID)
        elif refusal := self._check_source(source, sources):
            return Verdict(refusal)
        if message and message.kind is Kind.ROUTER_SOLICITATION and (multicast or destination in self.own):
            return Verdict(solicits_router=True)
        if (
            message
            and message.kind is Kind.NEIGHBOR_ADVERTISEMENT
            and self._table.holder(message.target) != sources.key
        ):
            return Verdict(DropReason.ND_TARGET_HELD)
        if multicast:
            if message and message.is_probe:
                return self._probe(message.target, sources)
            return Verdict(DropReason.MULTICAST)
        return self._unicast(packet[ip6.NEXT_HEADER], source, destination, message)

    def _check_source(self, source: bytes, sources: Sources[K]) -> DropReason | None:
        if ip6.is_multicast(source) or source == ip6.LOOPBACK or source.startswith(ip6.V4_MAPPED_PREFIX):
            return DropReason.SOURCE_INVALID
        if source in self.own:
            return DropReason.SOURCE_HELD
        if source == sources.link_local:
            return None
        if not self._is_on_link(source):
            return DropReason.SOURCE_FOREIGN
        return None if self._bind(source, sources) else DropReason.SOURCE_HELD

    def _is_on_link(self, address: bytes) -> bool:
        return bool(self._prefix) and address.startswith(self._prefix)

    def _bind(self, address: bytes, sources: Sources[K]) -> bool:
        """Bind an address of the prefix to a session unless another one holds it; return whether it is bound."""
        if address in sources.bound:
            return True
        anycast = self._prefix + bytes(8)  # Subnet-Router anycast: RFC 4291 section 2.6.1
        if not sources.link_local or address == anycast or self._table.holder(address) is not None:
            return False
        if not self._permits(sources.key, address):
            return False
        if len(sources.bound) >= MAXIMUM_ADDRESSES:
            self._forget(sources, next(iter(sources.bound)))
        sources.bound[address] = None
        self._table.add(address, sources.key)
        return True

    def _forget(self, sources: Sources[K], address: bytes) -> None:
        del sources.bound[address]
        self._table.remove(address)
        sources.proven.clear()  # an accepted header may contain the address

    def _probe(self, target: bytes, sources: Sources[K]) -> Verdict:
        """Answer a Duplicate Address Detection probe for an address in use, or bind a free address to the prober."""
        if target in self.own:
            return Verdict(reply=neighbor_advertisement(target, router=True))
        if target == sources.link_local:
            return _SETTLED
        if not self._is_on_link(target):
            return Verdict(DropReason.SOURCE_FOREIGN)
        if self._bind(target, sources):
            return _SETTLED
        return Verdict(reply=neighbor_advertisement(target, router=False))

    def _unicast(self, next_header: int, source: bytes, destination: bytes, message: Message | None) -> Verdict:
        own = destination in self.own
        if not own and ip6.is_link_local(destination):
            return Verdict(DropReason.LINK_LOCAL)
        if not own and message:
            # Hop Limit 255 proves that a message was not routed, so it must not pass through the kernel's forwarding.
            return Verdict(DropReason.ND_OFF_LINK)
        if not own and ip6.is_link_local(source):
            return Verdict(DropReason.BEYOND_SCOPE)  # RFC 4007 section 9
        # Neighbor Discovery may follow these headers, and any on-link datagram may be a DHCPv6 server message.
        if next_header == ip6.ICMPV6 or next_header in ip6.EXTENSION_HEADERS:
            return _HOST
        if next_header == ip6.UDP and (own or self._is_on_link(destination)):
            return _HOST
        return _HOST_LASTING


def _proven(data: bytes, bounds: Sequence[int], headers: set[bytes]) -> bool:
    """Tell whether the headers of all packets are in the set, and no packet is ICMP of IPv4."""
    protocol, ipv4_from, ipv4_to = ip4.PROTOCOL, ip4.SOURCE, ip4.HEADER_LENGTH
    ipv6_from, ipv6_to = ip6.NEXT_HEADER, ip6.HEADER_LENGTH
    for start in bounds[:-1]:
        if data[start] < FIRST_IPV6:
            if data[start + protocol] == _IPV4_ICMP or data[start + ipv4_from : start + ipv4_to] not in headers:
                return False
        elif data[start + ipv6_from : start + ipv6_to] not in headers:
            return False
    return True
