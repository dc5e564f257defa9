"""Common parts of the tests: packets built by scapy, an independent witness, and a small link."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from scapy.layers.inet import UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    IPv6,
)
from scapy.packet import Packet
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import DropReason
from iphttps.core.identity import Identity
from iphttps.core.ip.batch import Batch
from iphttps.core.ip.router import Advertise, Router
from iphttps.core.ip.router_advertisement import RouterAdvertisement
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.core.iphttps.clients import ClientEntry, ClientTable
from iphttps.core.iphttps.link import Forwarding, OwnAddresses, ServerLink
from iphttps.core.iphttps.neighbors import NeighborCache, Reachability
from iphttps.core.iphttps.policy import Policy, Verdict
from iphttps.core.seats import Seats

NO_NEXT_HEADER = 59
"""A Next Header behind which nothing comes (RFC 8200 section 4.7)."""

UNSPECIFIED = "::"
ALL_NODES = "ff02::1"
ALL_ROUTERS = "ff02::2"
ROUTER = "fe80::1"
"""The server's link-local address on the small link; `SERVER` is its global one."""
SERVER = "2001:db8:2::1"
PREFIX = IPv6Network("2001:db8:2::/64")
PRIVATE_HOST = "2001:db8:1::5"
"""A host in the private network behind the server."""


def address(text: str) -> bytes:
    """Return an address as the core has it, 16 raw bytes."""
    return IPv6Address(text).packed


def neighbor_state(cache: NeighborCache, address: bytes, now: float) -> Reachability | None:
    """Return the state of the cache's entry for an address, or None if there is none."""
    if entry := cache._entries.get(address):
        expired = entry.state is Reachability.REACHABLE and now >= entry.until
        return Reachability.STALE if expired else entry.state
    return Reachability.INCOMPLETE if address in cache._searches else None


# Packets; addresses are text, and `message` is whatever scapy puts behind the IPv6 header.


def packet(source: str, destination: str, message: Packet, **header: Any) -> bytes:
    """Build a packet; scapy fills in the lengths and checksums, and Hop Limit 255 for Neighbor Discovery."""
    return bytes(IPv6(src=source, dst=destination, **header) / message)


def udp(source: str, destination: str, size: int = 4) -> bytes:
    """Build a UDP datagram with so many bytes of payload."""
    return packet(source, destination, UDP(sport=40000, dport=40001) / bytes(size))


def echo(source: str, destination: str) -> bytes:
    """Build an Echo Request."""
    return packet(source, destination, ICMPv6EchoRequest(data=b"ping"))


def router_solicitation(source: str = UNSPECIFIED, destination: str = ALL_ROUTERS) -> bytes:
    """Build a Router Solicitation, without options."""
    return packet(source, destination, ICMPv6ND_RS())


def router_advertisement(source: str, destination: str = ALL_NODES) -> bytes:
    """Build a Router Advertisement, without options."""
    return packet(source, destination, ICMPv6ND_RA())


def solicited_node(target: str) -> str:
    """Return the solicited-node multicast address of a unicast address."""
    return str(IPv6Address(address("ff02::1:ff00:0")[:13] + address(target)[13:]))


def solicitation(source: str, target: str, destination: str | None = None) -> bytes:
    """Build a Neighbor Solicitation, to the target's solicited-node address if nothing else is said."""
    return packet(source, destination or solicited_node(target), ICMPv6ND_NS(tgt=target))


def probe(target: str) -> bytes:
    """Build the Neighbor Solicitation of Duplicate Address Detection (RFC 4862 section 5.4.2)."""
    return solicitation(UNSPECIFIED, target)


def advertisement(source: str, target: str, destination: str = ALL_NODES, *, solicited: bool = False) -> bytes:
    """Build a Neighbor Advertisement of a host, without options."""
    return packet(source, destination, ICMPv6ND_NA(tgt=target, R=0, S=int(solicited), O=1))


def redirect(source: str, destination: str, target: str, redirected: str) -> bytes:
    """Build a Redirect: `redirected` is to be reached through `target`."""
    return packet(source, destination, ICMPv6ND_Redirect(tgt=target, dst=redirected))


def listener_report(source: str, group: str = "ff02::16") -> bytes:
    """Build a report of multicast listeners, behind the Hop-by-Hop header it must have (RFC 3810 section 5)."""
    bare = packet(source, group, ICMPv6MLReport2(), hlim=1)
    return behind(bare, (0, bytes((0, 5, 2, 0, 0, 1, 0))))


def behind(bare: bytes, *headers: tuple[int, bytes]) -> bytes:
    """Put extension headers, each a protocol number and the bytes after its Next Header, before the payload."""
    following = bare[6]
    chain = b""
    for number, body in reversed(headers):
        chain = bytes((following,)) + body + chain
        following = number
    payload = chain + bare[40:]
    return bare[:4] + struct.pack("!HB", len(payload), following) + bare[7:40] + payload


# Streams.


def every_cut(stream: bytes) -> Iterator[tuple[bytes, ...]]:
    """Yield the stream whole, byte by byte, and cut in two at every point."""
    yield (stream,)
    yield tuple(stream[at : at + 1] for at in range(len(stream)))
    for at in range(1, len(stream)):
        yield stream[:at], stream[at:]


# The small link.


class RecordingConnection:
    """A client's connection that notes what it is given, in order."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def send(self, batch: Batch) -> None:
        """Note the packets."""
        self.events.append(list(batch))

    def send_urgent(self, batch: Batch) -> bool:
        """Note the packets."""
        self.events.append(list(batch))
        return True

    def disconnect(self, sentence: str) -> None:
        """Note the end, and its reason."""
        self.events.append(sentence)


class SmallLink:
    """A server's link with three clients: `a` has just come, `b` and `c` hold the addresses that end in b and c."""

    def __init__(
        self, mode: AuthenticationMode, advertise: Advertise = Advertise.BUILTIN, *, strict: bool = False
    ) -> None:
        self.table = ClientTable(Seats(3))
        self.cache = NeighborCache()
        own = OwnAddresses(address(ROUTER), address(SERVER))
        addresses = frozenset((own.link_local, own.unicast))
        self.policy = Policy(mode, PREFIX, addresses, self.cache, advertise, strict=strict)
        self.router = Router(RouterAdvertisement(PREFIX), own.link_local)
        router = self.router if advertise is Advertise.BUILTIN else None
        self.link = ServerLink(self.table, self.cache, self.policy, router, own, mtu=1280)
        self.a, self.b, self.c = (self._join(f"192.0.2.{number}") for number in (1, 2, 3))
        for text, client in (("::b", self.b), ("::c", self.c)):
            self.cache.bind(address("fe80" + text), client)
            self.cache.bind(address("2001:db8:2" + text), client)

    def holder(self, text: str) -> ClientEntry | None:
        """Return who holds an address."""
        return holders(self.cache, *self.table).get(address(text))

    def _join(self, peer: str) -> ClientEntry:
        entry = self.table.add(RecordingConnection(), peer, None, 0.0)
        assert entry is not None
        return entry


def client(number: int, identity: Identity | None = None) -> ClientEntry:
    """Make a client that is in no table."""
    return ClientEntry(number, RecordingConnection(), "192.0.2.1", identity, 0.0)


def holders(cache: NeighborCache, *clients: ClientEntry) -> dict[bytes, ClientEntry]:
    """Return who holds which address, as the clients' addresses tell."""
    return {held: client for client in clients for held in cache.addresses(client)}


Delivered = tuple[list[bytes], dict[ClientEntry, list[bytes]]]


def delivered(forwarding: Forwarding, *everyone: ClientEntry) -> Delivered:
    """Return the packets for the host, and those for each client, where these are all others."""
    clients: dict[ClientEntry, list[bytes]] = {}
    for client, batch in (*forwarding.own, *forwarding.clients):
        clients.setdefault(client, []).extend(batch)
    assert everyone or not forwarding.everyone, "nothing for everyone"
    for client in everyone:
        if forwarding.everyone:
            clients.setdefault(client, []).extend(forwarding.everyone)
    return list(forwarding.host), clients


class PolicyTestCase(SynchronousTestCase):
    """A test of what becomes of packets."""

    def both(self) -> Iterator[SmallLink]:
        """Go through a link in each Authentication Mode."""
        for mode in AuthenticationMode:
            yield SmallLink(mode)

    def assert_verdict(
        self, expected: Verdict | DropReason, link: SmallLink, sent: bytes, client: ClientEntry | None = None
    ) -> None:
        """Assert what becomes of a packet, from `a` if nobody else is named."""
        if isinstance(expected, DropReason):
            expected = Verdict(expected)
        self.assertEqual(expected, link.policy.judge(sent, client or link.a, 0.0), link.policy.mode)


class LinkTestCase(SynchronousTestCase):
    """A test of a whole link, to which `a` and the host send."""

    mode = AuthenticationMode.CERTIFICATES

    def setUp(self) -> None:
        """Make a link."""
        self.small = SmallLink(self.mode)
        self.link = self.small.link
        self.a, self.b, self.c = self.small.a, self.small.b, self.small.c

    def from_a(self, *packets: bytes, now: float = 0.0) -> Delivered:
        """Let `a` send the packets in one batch."""
        return delivered(
            self.link.from_client(self.a, Batch.of(packets), now),
            *[one for one in self.small.table if one is not self.a],
        )

    def from_host(self, *packets: bytes, now: float = 0.0) -> Delivered:
        """Let the host's kernel send the packets in one batch."""
        return delivered(self.link.from_host(Batch.of(packets), now), *self.small.table)

    def drops(self, client: ClientEntry) -> dict[DropReason, int]:
        """Return what was dropped of a client's packets."""
        return dict(client.counters.drops)
