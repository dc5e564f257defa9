"""The server's packet policy: a packet with a header not seen before in, a Verdict out.

3.2.5.2.2 has two sets of rules. In mode None clients are not authenticated, so they are kept apart: link-local unicast
is allowed only to the server, and multicast only in the two messages that a host needs to configure itself: a Router
Solicitation and a Duplicate Address Detection probe. In mode Certificates multicast reaches every other client. One
exception: Neighbor Discovery for an address that a client holds goes only to that client.

Four rules are additions, on in both modes. [MS-IPHTTPS] neither requires nor forbids them, except the second:

- A client sends only from addresses bound to it, so that no client can spoof another (RFC 7039).
- Router Advertisements and Redirects from clients are dropped (RFC 6105): otherwise one client could become the
  router of all. In mode Certificates the specification forwards them; `strict` restores that.
- DHCPv6 server messages from clients are dropped (RFC 7610): only the gateway configures clients.
- Global unicast passes through the host's kernel even between two clients, so that its firewall sees it.

With `isolate`, on by default in mode None, no client reaches another: link-local and global unicast between clients is
dropped, and multicast from a client goes to the host alone. The server then defends addresses itself, as in mode None.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv6Network

from ..errors import DropReason
from ..ip import ipv6
from ..ip.dhcpv6 import is_server_message
from ..ip.mld import is_listener_report
from ..ip.ndp import Kind, Message, neighbor_advertisement, recognise
from ..ip.router import Advertise
from .authentication import AuthenticationMode
from .clients import ClientEntry
from .neighbors import NeighborCache

__all__ = ["Policy", "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about a packet from a client.

    A packet with neither `drop` nor a receiver needs no further action. `host`: to the host's kernel; `others`: to all
    other clients; `clients`: to these clients; `reply`: a packet for the sender; `solicits_router`: the sender is owed
    a Router Advertisement. `lasting`: the same verdict holds for every packet with the same Next Header, Hop Limit,
    source and destination.
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

    `prefix` is the link's prefix, and `own` holds the server's addresses on it, 16 raw bytes each. `advertise` says who
    sends Router Advertisements to clients. `strict` follows the letter of 3.2.5.2.2: in mode Certificates, Router
    Advertisements and Redirects from clients are forwarded.
    """

    def __init__(
        self,
        mode: AuthenticationMode,
        prefix: IPv6Network,
        own: frozenset[bytes],
        cache: NeighborCache,
        advertise: Advertise = Advertise.BUILTIN,
        *,
        strict: bool = False,
        isolate: bool | None = None,
    ) -> None:
        """Apply the rules of a mode; with `isolate` None the mode decides about isolation."""
        self.mode = mode
        self.isolate = isolate
        self.own = own
        self._cache = cache
        self._advertise = advertise
        self._strict = strict
        self._prefix = prefix.network_address.packed[: prefix.prefixlen // 8]

    @property
    def isolates(self) -> bool:
        """True if clients are isolated from each other."""
        return self.mode is AuthenticationMode.NONE if self.isolate is None else self.isolate

    def isolated(self, source: bytes) -> bool:
        """Tell whether routed packets from this source, 16 raw bytes, come from an isolated client."""
        return self.isolates and source.startswith(self._prefix) and source not in self.own

    def judge(self, packet: bytes, client: ClientEntry, now: float) -> Verdict:
        """Decide about one packet from a client, and learn its sender's addresses from it."""
        source = packet[ipv6.SOURCE : ipv6.DESTINATION]
        destination = packet[ipv6.DESTINATION : ipv6.HEADER_LENGTH]
        # Even a dropped packet proves its sender alive: others can push a client over its limits, and must not be
        # able to take its address that way.
        self._cache.heard(source, client)
        message = recognise(packet)
        if isinstance(message, DropReason):
            return Verdict(message)
        if message is None and is_server_message(packet):
            return Verdict(DropReason.DHCP_SERVER)
        if self._is_rate_limited(message, destination) and not client.link_traffic.take(now):
            return Verdict(DropReason.TOO_MUCH)
        # Look this up before the packet itself binds the target to its sender.
        known = message is not None and self._cache.holder(message.target) is not None
        refusal = _check_destination(destination) or self._check_source(packet, message, client)
        if refusal:
            return Verdict(refusal)
        if message:
            refusal = self._check_message(message, client, now)
            if refusal:
                return Verdict(refusal)
        if ipv6.is_multicast(destination):
            return self._multicast(message, known, client, now)
        return self._unicast(packet[ipv6.NEXT_HEADER], source, destination, message, client)

    def _is_rate_limited(self, message: Message | None, destination: bytes) -> bool:
        """Tell whether the packet counts towards the client's limit for multicast and Neighbor Discovery."""
        if message and message.kind is Kind.ROUTER_SOLICITATION and self.mode is AuthenticationMode.NONE:
            return False  # 3.2.5.2.2: MUST NOT be dropped; the answers have their own rate limit
        if message and message.solicited:
            return False  # an answer to another node, which can ask as often as it likes
        return message is not None or ipv6.is_multicast(destination)

    def _check_source(self, packet: bytes, message: Message | None, client: ClientEntry) -> DropReason | None:
        source = packet[ipv6.SOURCE : ipv6.DESTINATION]
        if source == ipv6.UNSPECIFIED:
            return None if _may_be_unspecified(packet, message) else DropReason.SOURCE_INVALID
        if ipv6.is_multicast(source) or source == ipv6.LOOPBACK or source.startswith(ipv6.V4_MAPPED_PREFIX):
            return DropReason.SOURCE_INVALID
        if source in self.own:
            return DropReason.SOURCE_HELD
        if not self._is_on_link(source):
            return DropReason.SOURCE_FOREIGN
        if not self._cache.bind(source, client):
            return DropReason.SOURCE_HELD
        return None

    def _is_on_link(self, address: bytes) -> bool:
        return ipv6.is_link_local(address) or address.startswith(self._prefix)

    def _check_message(self, message: Message, client: ClientEntry, now: float) -> DropReason | None:
        to_the_letter = self._strict and self.mode is AuthenticationMode.CERTIFICATES
        match message.kind:
            case Kind.ROUTER_ADVERTISEMENT:
                return None if to_the_letter else DropReason.ROUTER_ADVERTISEMENT
            case Kind.REDIRECT:
                return None if to_the_letter else DropReason.REDIRECT
            case Kind.NEIGHBOR_ADVERTISEMENT:
                return self._check_advertisement(message, client, now)
        return None

    def _check_advertisement(self, message: Message, client: ClientEntry, now: float) -> DropReason | None:
        on_link = self._is_on_link(message.target) and message.target not in self.own
        if not on_link or not self._cache.bind(message.target, client):
            return DropReason.ND_TARGET_HELD
        if message.solicited:
            self._cache.confirm(message.target, client, now)
        return None

    def _multicast(self, message: Message | None, known: bool, client: ClientEntry, now: float) -> Verdict:
        certificates = self.mode is AuthenticationMode.CERTIFICATES
        if message and message.kind is Kind.ROUTER_SOLICITATION:
            # 3.2.5.2.2, mode None: "Router Solicitation packets MUST NOT be dropped".
            return replace(self._solicitation(), others=certificates and not self.isolates)
        if message and message.is_probe:
            return self._probe(message.target, known, client, now)
        if not certificates:
            return Verdict(DropReason.MULTICAST)  # 3.2.5.2.2, mode None: MUST drop all other multicast
        if self.isolates:
            return _HOST
        if message and message.kind is Kind.NEIGHBOR_ADVERTISEMENT and known:
            # 3.2.5.2.2: an advertisement for a target in the cache goes only to clients with an entry for it.
            return Verdict(host=True, clients=self._cache.clients_with_entry(message.target, now) - {client})
        return _HOST_AND_OTHERS  # 3.2.5.2.2, mode Certificates: MUST forward to all other clients

    def _probe(self, target: bytes, known: bool, client: ClientEntry, now: float) -> Verdict:
        """Answer a Duplicate Address Detection probe, or forward it to the clients with an entry (3.2.5.2.2)."""
        if target in (ipv6.UNSPECIFIED, ipv6.LOOPBACK) or target.startswith(ipv6.V4_MAPPED_PREFIX):
            return Verdict(DropReason.ND_INVALID)  # never a node's address on a link: RFC 4291 section 2.5
        own = target in self.own
        if own or not self._is_on_link(target):
            # In both modes the server defends its own addresses over the prober's connection only: its kernel would
            # answer to all nodes, which mode None forbids. Addresses that cannot be bound are rejected the same way.
            return Verdict(reply=neighbor_advertisement(target, router=own))
        if self._cache.bind(target, client):
            # In mode Certificates a client that has not sent anything yet may use an address new to the cache, so all
            # are asked. Once the address is known, and bound to the prober, no other client needs to be.
            asks = self.mode is AuthenticationMode.CERTIFICATES and not known and not self.isolates
            return Verdict(others=True) if asks else _SETTLED
        held = self._cache.holder(target) is not None
        if held:
            self._cache.claim(target, client, now)  # a dead holder thereby loses the address
        if self.mode is AuthenticationMode.NONE or self.isolates or not held:
            # An address without a holder is assigned to another client, which may not be connected to defend it; so in
            # mode Certificates, too, the server answers.
            return Verdict(reply=neighbor_advertisement(target, router=False))
        return Verdict(clients=self._cache.clients_with_entry(target, now) - {client})

    def _solicitation(self) -> Verdict:
        """Have a Router Solicitation answered by this server, or pass it to the host for its own daemon to answer."""
        if self._advertise is Advertise.BUILTIN:
            return Verdict(solicits_router=True)
        return _HOST

    def _unicast(
        self, next_header: int, source: bytes, destination: bytes, message: Message | None, client: ClientEntry
    ) -> Verdict:
        if destination in self.own:
            if message and message.kind is Kind.ROUTER_SOLICITATION:
                return self._solicitation()
            return _HOST
        if ipv6.is_link_local(destination):
            # 3.2.5.2.2, mode None: link-local unicast MUST be dropped unless for the server itself.
            if self.mode is AuthenticationMode.NONE:
                return Verdict(DropReason.LINK_LOCAL)
            return self._to_holder(destination, client)
        on_link = self._is_on_link(destination)
        if message:
            # Hop Limit 255 proves that a message was not routed, so it must not pass through the kernel's forwarding.
            if self.mode is AuthenticationMode.CERTIFICATES and on_link:
                return self._to_holder(destination, client)
            return Verdict(DropReason.ND_OFF_LINK)
        if ipv6.is_link_local(source):
            return Verdict(DropReason.BEYOND_SCOPE)
        if on_link and self.isolates:
            return Verdict(DropReason.ISOLATED)
        # Neighbor Discovery may follow these headers, so each such packet is inspected.
        if next_header == ipv6.ICMPV6 or next_header in ipv6.EXTENSION_HEADERS:
            return _HOST
        # Between clients, each UDP datagram may be a DHCPv6 server message.
        if on_link and next_header == ipv6.UDP:
            return _HOST
        return _HOST_LASTING

    def _to_holder(self, destination: bytes, client: ClientEntry) -> Verdict:
        if self.isolates:
            return Verdict(DropReason.ISOLATED)
        holder = self._cache.holder(destination)
        if holder is None or holder is client:
            return Verdict(DropReason.NO_NEIGHBOR)
        return Verdict(clients=frozenset((holder,)))

    def judge_own(self, packet: bytes, now: float) -> Verdict:
        """Decide about a packet from the server's kernel that is multicast or has a link-local source.

        With isolation also about packets that the kernel routes from one client to another. On a TAP device the kernel
        itself solicits addresses; a solicitation for an address without a holder is replaced by one of the link's own,
        because an address scan would make the kernel solicit all clients without limit.
        """
        if self.isolated(packet[ipv6.SOURCE : ipv6.DESTINATION]):
            return Verdict(DropReason.ISOLATED)
        destination = packet[ipv6.DESTINATION : ipv6.HEADER_LENGTH]
        message = recognise(packet)
        kind = message.kind if isinstance(message, Message) else None
        if kind is Kind.REDIRECT:
            # The kernel sends one for packets between two clients, which leave through the interface they arrived on.
            # But there is no better first hop than the server.
            return Verdict(DropReason.REDIRECT)
        advertises = kind is Kind.ROUTER_ADVERTISEMENT
        if advertises and self._advertise is not Advertise.HOST:
            return Verdict(DropReason.ROUTER_ADVERTISEMENT)
        if not ipv6.is_multicast(destination):
            holder = self._cache.holder(destination)
            return Verdict(clients=frozenset((holder,))) if holder else Verdict(DropReason.NO_NEIGHBOR)
        if self.mode is AuthenticationMode.NONE and not advertises:
            return Verdict(DropReason.MULTICAST)  # 3.2.5.2.1: MUST NOT send or forward any but RAs
        if isinstance(message, Message) and message.resolves and self._cache.holder(message.target) is None:
            return _SETTLED if self._cache.seek(message.target, now) else Verdict(DropReason.TOO_MUCH)
        return Verdict(others=True)


def _may_be_unspecified(packet: bytes, message: Message | None) -> bool:
    """Tell whether a packet may have the source `::`, which a node uses before it has an address.

    Only three messages may, each to a multicast address: a Duplicate Address Detection probe (RFC 4862 section 5.4.2),
    a Router Solicitation (RFC 4861 section 4.1) and a multicast listener report (RFC 3590).
    """
    if not ipv6.is_multicast(packet[ipv6.DESTINATION : ipv6.HEADER_LENGTH]):
        return False
    if message:
        return message.is_probe or message.kind is Kind.ROUTER_SOLICITATION
    return is_listener_report(packet)


def _check_destination(destination: bytes) -> DropReason | None:
    if (
        destination == ipv6.UNSPECIFIED
        or destination == ipv6.LOOPBACK
        or (ipv6.is_multicast(destination) and ipv6.multicast_scope(destination) < 2)
    ):
        return DropReason.DESTINATION_INVALID
    return None
