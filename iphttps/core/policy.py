"""What the server does with a packet that it has not seen the like of: a marked packet in, a Verdict out.

3.2.5.2.2 has two sets of rules. In mode None nobody knows who the clients are, so they are kept apart: no
link-local unicast but to the server, no multicast but the two kinds that a host needs to come up, a Router
Solicitation and a probe for a duplicate address. In mode Certificates the link is a link: multicast reaches
every other client, except that a question about an address which somebody holds only concerns its holder.

Three rules are ours, on in both modes; the clauses neither ask for them nor forbid them, except the second:

- A client sends only from addresses bound to it, so that nobody speaks for another (RFC 7039).
- Router Advertisements and Redirects from clients are dropped (RFC 6105), though in mode Certificates
  the letter would forward the first; one client could otherwise become the router of all.
- Global unicast goes through the host's kernel even between two clients, so that its firewall sees it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv6Network

from . import ipv6
from .clients import ClientEntry
from .errors import DropReason
from .ndp import Kind, Message, neighbor_advertisement, recognise
from .neighbors import NeighborCache


class AuthenticationMode(Enum):
    """Whether the server authenticates clients (3.2.1)."""

    CERTIFICATES = "certificates"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a packet from a client goes.

    A packet with no `drop` and no receiver has done its work here. `lasting`: the same verdict holds for
    every packet with the same Next Header, Hop Limit, source and destination.
    """

    drop: DropReason | None = None
    host: bool = False
    others: bool = False
    clients: frozenset[ClientEntry] = field(default=frozenset())
    reply: bytes = b""
    solicits_router: bool = False
    lasting: bool = False


_HOST = Verdict(host=True)
_HOST_LASTING = Verdict(host=True, lasting=True)
_HOST_AND_OTHERS = Verdict(host=True, others=True)
_SETTLED = Verdict()


class Policy:
    """The rules of 3.2.5.2 for one link.

    `prefix` is the link's; `own` are the server's addresses on it.
    """

    def __init__(
        self, mode: AuthenticationMode, prefix: IPv6Network, own: frozenset[bytes], cache: NeighborCache
    ) -> None:
        self.mode = mode
        self.own = own
        self._cache = cache
        self._prefix = prefix.network_address.packed[: prefix.prefixlen // 8]

    def judge(self, packet: bytes, client: ClientEntry, now: float) -> Verdict:
        """Decide about one packet from a client, and learn from it who holds what."""
        source = packet[ipv6.SOURCE : ipv6.DESTINATION]
        destination = packet[ipv6.DESTINATION : ipv6.HEADER_LENGTH]
        message = recognise(packet)
        if isinstance(message, DropReason):
            return Verdict(message)
        # Asked before this very packet teaches the cache that its sender holds the target.
        known = message is not None and message.target in self._cache.holders
        refusal = self._check_source(source, destination, message, client) or _check_destination(destination)
        if refusal:
            return Verdict(refusal)
        if message:
            refusal = self._check_message(message, client)
            if refusal:
                return Verdict(refusal)
        if ipv6.is_multicast(destination):
            return self._multicast(message, known, client, now)
        return self._unicast(packet[ipv6.NEXT_HEADER], source, destination, message, client)

    def _check_source(
        self, source: bytes, destination: bytes, message: Message | None, client: ClientEntry
    ) -> DropReason | None:
        if source == ipv6.UNSPECIFIED:
            # Who has no address yet may ask for one, and report listeners (RFC 3590); all of it on the link.
            speechless = message is None and ipv6.multicast_scope(destination) != 2
            return DropReason.SOURCE_INVALID if speechless or not ipv6.is_multicast(destination) else None
        if ipv6.is_multicast(source) or source == ipv6.LOOPBACK or source.startswith(ipv6.V4_MAPPED_PREFIX):
            return DropReason.SOURCE_INVALID
        if source in self.own:
            return DropReason.SOURCE_HELD
        if not self._is_on_link(source):
            return DropReason.SOURCE_FOREIGN
        return None if self._cache.bind(source, client) else DropReason.SOURCE_HELD

    def _is_on_link(self, address: bytes) -> bool:
        return ipv6.is_link_local(address) or address.startswith(self._prefix)

    def _check_message(self, message: Message, client: ClientEntry) -> DropReason | None:
        match message.kind:
            case Kind.ROUTER_ADVERTISEMENT:
                return DropReason.ROUTER_ADVERTISEMENT
            case Kind.REDIRECT:
                return DropReason.REDIRECT
            case Kind.NEIGHBOR_ADVERTISEMENT:
                if message.target in self.own or not self._is_on_link(message.target):
                    return DropReason.ND_TARGET_HELD
                return None if self._cache.bind(message.target, client) else DropReason.ND_TARGET_HELD
        return None

    def _multicast(self, message: Message | None, known: bool, client: ClientEntry, now: float) -> Verdict:
        certificates = self.mode is AuthenticationMode.CERTIFICATES
        if message and message.kind is Kind.ROUTER_SOLICITATION:
            # 3.2.5.2.2, mode None: "Router Solicitation packets MUST NOT be dropped". The server's own
            # router answers, so its kernel need not see them.
            return Verdict(solicits_router=True, others=certificates)
        if message and message.is_probe:
            return self._probe(message.target, client, now)
        if not certificates:
            return Verdict(DropReason.MULTICAST)  # 3.2.5.2.2, mode None: MUST drop all other multicast
        if message and message.kind is Kind.NEIGHBOR_ADVERTISEMENT and known:
            # 3.2.5.2.2: of a target in the cache only those are told who have an entry for it.
            return Verdict(host=True, clients=self._cache.concerned(message.target, now) - {client})
        return _HOST_AND_OTHERS  # 3.2.5.2.2, mode Certificates: MUST forward to all other clients

    def _probe(self, target: bytes, client: ClientEntry, now: float) -> Verdict:
        """Answer a Duplicate Address Detection probe, or pass it to whom it concerns (3.2.5.2.2)."""
        own = target in self.own
        if own or not self._is_on_link(target):
            # The server defends its own addresses over the asking connection in both modes: its kernel
            # would answer all nodes, which mode None forbids. An address that cannot be bound is refused.
            return Verdict(reply=neighbor_advertisement(target, router=own))
        if self._cache.bind(target, client):
            # Free until now, or the prober's own. In mode Certificates an address new to the link could
            # still be in use by a client that has not spoken yet.
            certificates = self.mode is AuthenticationMode.CERTIFICATES
            return Verdict(others=True) if certificates else _SETTLED
        if self.mode is AuthenticationMode.NONE:
            return Verdict(reply=neighbor_advertisement(target, router=False))
        self._cache.claim(target, client, now)
        return Verdict(clients=self._cache.concerned(target, now) - {client})

    def _unicast(
        self, next_header: int, source: bytes, destination: bytes, message: Message | None, client: ClientEntry
    ) -> Verdict:
        if destination in self.own:
            if message and message.kind is Kind.ROUTER_SOLICITATION:
                return Verdict(solicits_router=True)
            return _HOST
        if ipv6.is_link_local(destination):
            # 3.2.5.2.2, mode None: link-local unicast MUST be dropped unless for the server itself.
            if self.mode is AuthenticationMode.NONE:
                return Verdict(DropReason.LINK_LOCAL)
            return self._to_holder(destination, client)
        if message:
            # Hop Limit 255 is the proof of not having been routed: never through the kernel's forwarding.
            if self.mode is AuthenticationMode.CERTIFICATES and self._is_on_link(destination):
                return self._to_holder(destination, client)
            return Verdict(DropReason.ND_OFF_LINK)
        if ipv6.is_link_local(source):
            return Verdict(DropReason.BEYOND_SCOPE)
        # Behind these headers Neighbor Discovery could be found, so each such packet is looked at.
        if next_header == ipv6.ICMPV6 or next_header in ipv6.EXTENSION_HEADERS:
            return _HOST
        return _HOST_LASTING

    def _to_holder(self, destination: bytes, client: ClientEntry) -> Verdict:
        holder = self._cache.holders.get(destination)
        if holder is None or holder is client:
            return Verdict(DropReason.NO_NEIGHBOR)
        return Verdict(clients=frozenset((holder,)))

    def judge_own(self, packet: bytes) -> Verdict:
        """Decide about a packet of the server's own kernel, multicast or from a link-local address."""
        destination = packet[ipv6.DESTINATION : ipv6.HEADER_LENGTH]
        message = recognise(packet)
        if isinstance(message, Message) and message.kind is Kind.REDIRECT:
            # Sent for packets between two clients, which indeed leave through the interface they came in
            # by; but there is no shorter way for them to take.
            return Verdict(DropReason.REDIRECT)
        if not ipv6.is_multicast(destination):
            holder = self._cache.holders.get(destination)
            return Verdict(clients=frozenset((holder,))) if holder else Verdict(DropReason.NO_NEIGHBOR)
        advertises = isinstance(message, Message) and message.kind is Kind.ROUTER_ADVERTISEMENT
        if self.mode is AuthenticationMode.NONE and not advertises:
            return Verdict(DropReason.MULTICAST)  # 3.2.5.2.1: MUST NOT send or forward any but RAs
        return Verdict(others=True)


def _check_destination(destination: bytes) -> DropReason | None:
    if (
        destination == ipv6.UNSPECIFIED
        or destination == ipv6.LOOPBACK
        or (ipv6.is_multicast(destination) and ipv6.multicast_scope(destination) < 2)
    ):
        return DropReason.DESTINATION_INVALID
    return None
