"""Neighbor Discovery messages: found behind any header chain, validated, built (RFC 4861, 7113).

`recognise` makes all the checks that RFC 4861 demands of a receiver (sections 6.1, 7.1, 8.1), so a message that only a
careless node would accept never reaches another client or the cache.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from ..errors import DropReason
from . import icmpv6, ipv6

SOURCE_LINK_LAYER_ADDRESS = 1  # option type: RFC 4861 section 4.6

ROUTER_FLAG = 0x80  # Neighbor Advertisement, RFC 4861 section 4.4
SOLICITED_FLAG = 0x40
OVERRIDE_FLAG = 0x20

_ICMP_HEADER = 4
_TARGET = 8  # offset from the start of ICMPv6, in NS, NA and Redirect
_REDIRECTED = 24  # offset of a Redirect's Destination Address


class Kind(IntEnum):
    """The ICMPv6 types of Neighbor Discovery (RFC 4861 section 4)."""

    ROUTER_SOLICITATION = 133
    ROUTER_ADVERTISEMENT = 134
    NEIGHBOR_SOLICITATION = 135
    NEIGHBOR_ADVERTISEMENT = 136
    REDIRECT = 137


OPTIONS_AT = {  # length of the fixed part, which the options follow
    Kind.ROUTER_SOLICITATION: 8,
    Kind.ROUTER_ADVERTISEMENT: 16,
    Kind.NEIGHBOR_SOLICITATION: 24,
    Kind.NEIGHBOR_ADVERTISEMENT: 24,
    Kind.REDIRECT: 40,
}


@dataclass(frozen=True, slots=True)
class Message:
    """A valid Neighbor Discovery message; `target` is empty if the kind has none.

    `solicited` is a Neighbor Advertisement's Solicited flag: it answers a node's solicitation.
    """

    kind: Kind
    source: bytes
    destination: bytes
    target: bytes = b""
    solicited: bool = False

    @property
    def is_probe(self) -> bool:
        """True if this is a Duplicate Address Detection probe (RFC 4862 section 5.4.2).

        3.2.5.2.2 describes it as a Neighbor Solicitation "with an unspecified source address and a
        solicited-node multicast destination address"; the second half is already part of being valid.
        """
        return self.kind is Kind.NEIGHBOR_SOLICITATION and self.source == ipv6.UNSPECIFIED

    @property
    def resolves(self) -> bool:
        """True if this is address resolution (RFC 4861 section 7.2.2).

        A unicast solicitation verifies that a known neighbour is still reachable (section 7.3.3). A node does not
        resolve its own address, and an answer would look like a conflict.
        """
        return (
            self.kind is Kind.NEIGHBOR_SOLICITATION
            and ipv6.is_multicast(self.destination)
            and not self.is_probe
            and self.target != self.source
        )


def recognise(packet: bytes) -> Message | DropReason | None:
    """Find the Neighbor Discovery message in a packet.

    Returns None for any other packet, and a DropReason for a packet that must not be forwarded: the message is invalid
    or fragmented, or the header chain runs past the end of the packet and could hide one.
    """
    next_header, offset, fragmented = packet[ipv6.NEXT_HEADER], ipv6.HEADER_LENGTH, False
    while next_header in ipv6.EXTENSION_HEADERS:  # RFC 7113: walk the whole chain
        if offset + 8 > len(packet):
            return DropReason.HEADER_CHAIN
        if next_header == ipv6.FRAGMENT:
            if struct.unpack_from("!H", packet, offset + 2)[0] & 0xFFF8:
                return None  # not the first fragment; useless without the first
            fragmented, length = True, 8
        elif next_header == ipv6.AUTHENTICATION:
            length = 4 * packet[offset + 1] + 8
        else:
            length = 8 * packet[offset + 1] + 8
        next_header, offset = packet[offset], offset + length
    if offset >= len(packet) and (fragmented or next_header == ipv6.ICMPV6) and next_header != ipv6.NO_NEXT_HEADER:
        return DropReason.HEADER_CHAIN  # the next fragment could continue with anything (RFC 7112 section 5)
    if next_header != ipv6.ICMPV6:
        return None
    if packet[offset] not in OPTIONS_AT:
        return None
    if fragmented:
        return DropReason.ND_FRAGMENTED  # RFC 6980 section 5
    return _check(packet, packet[offset:])


def _check(packet: bytes, icmp: bytes) -> Message | DropReason:
    """Apply RFC 4861 sections 6.1.1, 6.1.2, 7.1.1, 7.1.2 and 8.1."""
    kind = Kind(icmp[0])
    source = packet[ipv6.SOURCE : ipv6.DESTINATION]
    destination = packet[ipv6.DESTINATION : ipv6.HEADER_LENGTH]
    options_at = OPTIONS_AT[kind]
    if (
        packet[ipv6.HOP_LIMIT] != 255
        or len(icmp) < options_at
        or icmp[1] != 0
        or ipv6.checksum(source, destination, ipv6.ICMPV6, icmp) != 0
    ):
        return DropReason.ND_INVALID
    options = _option_types(icmp[options_at:])
    if options is None:
        return DropReason.ND_INVALID
    has_target = options_at >= _TARGET + ipv6.ADDRESS_LENGTH
    target = icmp[_TARGET : _TARGET + ipv6.ADDRESS_LENGTH] if has_target else b""
    solicited = kind is Kind.NEIGHBOR_ADVERTISEMENT and bool(icmp[_ICMP_HEADER] & SOLICITED_FLAG)
    unspecified = source == ipv6.UNSPECIFIED
    match kind:
        case Kind.ROUTER_SOLICITATION:
            valid = not (unspecified and SOURCE_LINK_LAYER_ADDRESS in options)
        case Kind.ROUTER_ADVERTISEMENT:
            valid = ipv6.is_link_local(source)
        case Kind.REDIRECT:
            redirected = icmp[_REDIRECTED:options_at]
            valid = (
                ipv6.is_link_local(source)
                and not ipv6.is_multicast(redirected)
                and (ipv6.is_link_local(target) or target == redirected)
            )
        case Kind.NEIGHBOR_SOLICITATION:
            valid = not ipv6.is_multicast(target) and not (
                unspecified and (not ipv6.is_solicited_node(destination) or SOURCE_LINK_LAYER_ADDRESS in options)
            )
        case _:  # a Neighbor Advertisement
            valid = not ipv6.is_multicast(target) and not (ipv6.is_multicast(destination) and solicited)
    return Message(kind, source, destination, target, solicited) if valid else DropReason.ND_INVALID


def _option_types(options: bytes) -> set[int] | None:
    """Return the types of the options, or None if a length is zero or exceeds the message (section 4.6)."""
    types = set()
    offset = 0
    while offset < len(options):
        if offset + 2 > len(options) or options[offset + 1] == 0:
            return None
        types.add(options[offset])
        offset += 8 * options[offset + 1]
    return types if offset == len(options) else None


def neighbor_advertisement(target: bytes, *, router: bool) -> bytes:
    """Build the answer to a Duplicate Address Detection probe for an address in use (3.2.5.2.2).

    It is a multicast Neighbor Advertisement with the holder's address as its source.
    """
    # 3.2.5.2.2: made "as if the IP-HTTPS server were the client", so the Router flag MUST NOT be set
    # unless the target is the server's own. Solicited is clear: the prober has no address to send the answer
    # to (RFC 4861 section 7.2.4). 3.2.5.2.2: it MUST NOT contain a Target Link-Layer option.
    flags = OVERRIDE_FLAG | (ROUTER_FLAG if router else 0)
    body = struct.pack("!I", flags << 24) + target
    return icmpv6.message(Kind.NEIGHBOR_ADVERTISEMENT, 0, body, target, ipv6.ALL_NODES)


def router_solicitation(source: bytes) -> bytes:
    """Build a Router Solicitation (RFC 4861 section 4.1), without a link-layer address option."""
    return icmpv6.message(Kind.ROUTER_SOLICITATION, 0, bytes(4), source, ipv6.ALL_ROUTERS)


def neighbor_solicitation(target: bytes, source: bytes, *, unicast: bool) -> bytes:
    """Build a Neighbor Solicitation, to the target itself or to its solicited-node group (RFC 4861 section 4.3).

    The link has no link-layer addresses ([MS-IPHTTPS] section 3), so there is no Source Link-Layer Address option.
    """
    destination = target if unicast else ipv6.solicited_node(target)
    return icmpv6.message(Kind.NEIGHBOR_SOLICITATION, 0, bytes(4) + target, source, destination)
