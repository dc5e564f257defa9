"""Ethernet, which the kernel takes a TAP device for, on a link that is none (RFC 2464, 4861).

The link has no link-layer addresses: whom a packet is for decides the tunnel, from the IPv6 header alone
(section 3, static mapping). So here every neighbour has the same Ethernet address, NEIGHBORS.

- Outward is taken off what Ethernet alone needs: the frame's header and, from Neighbor Discovery messages,
  link-layer addresses and the nonce of enhanced Duplicate Address Detection.
- Inward it is put on again, so that the kernel believes what it is told.
- The kernel's question for a neighbour's Ethernet address is answered here, for there is but one answer, and
  in mode None no client would ever hear the question. The answer is not marked as solicited: where a
  neighbour is to be found is certain, whether it is there is not. A neighbour so learned is STALE (RFC 4861
  section 7.2.5), and the kernel asks it itself, by unicast, once it is used. These questions cross the
  link, and so do probes for duplicate addresses; a neighbour that is gone is found out by its silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..errors import DropReason
from . import icmpv6, ipv6
from .batch import malformed
from .ndp import OPTIONS_AT, ROUTER_FLAG, SOURCE_LINK_LAYER_ADDRESS, Kind, Message, neighbor_advertisement, recognise

#  0                       6                       12      14
# +-----------------------+-----------------------+-------+
# |      Destination      |        Source         | Type  |   RFC 2464 section 3
# +-----------------------+-----------------------+-------+
SOURCE = 6
TYPE = 12
HEADER_LENGTH = 14
ETHERTYPE = b"\x86\xdd"
MULTICAST = b"\x33\x33"  # RFC 2464 section 7; the last four bytes of the address follow

TARGET_LINK_LAYER_ADDRESS = 2  # RFC 4861 section 4.6
NONCE = 14  # RFC 3971 section 5.3.2; in Duplicate Address Detection by RFC 7527

NEIGHBORS = b"\x02IPHTT"
"""The Ethernet address of every neighbour: unicast, locally administered, ours."""

MAXIMUM_ROUTERS = 64
"""How many neighbours are remembered to be routers; there is one on the link, the server."""

_OPTIONS_OF_ETHERNET = frozenset((SOURCE_LINK_LAYER_ADDRESS, TARGET_LINK_LAYER_ADDRESS, NONCE))

_OPTION = {  # RFC 4861 section 4: which link-layer address a message tells
    Kind.ROUTER_SOLICITATION: SOURCE_LINK_LAYER_ADDRESS,
    Kind.ROUTER_ADVERTISEMENT: SOURCE_LINK_LAYER_ADDRESS,
    Kind.NEIGHBOR_SOLICITATION: SOURCE_LINK_LAYER_ADDRESS,
    Kind.NEIGHBOR_ADVERTISEMENT: TARGET_LINK_LAYER_ADDRESS,
    Kind.REDIRECT: TARGET_LINK_LAYER_ADDRESS,
}

_BODY = ipv6.HEADER_LENGTH + 4  # behind type, code and checksum


@dataclass(frozen=True, slots=True)
class Answer:
    """A frame for the kernel: what it sent was a question, and needs to go no further."""

    frame: bytes


class Ethernet:
    """The Ethernet between the kernel, whose own address is `station`, and the link.

    `knows` tells whether an address, 16 raw bytes, is a neighbour's. A question for another is not answered here, so
    that a scan of the prefix does not fill the kernel's table of neighbours; it crosses the link, for policy to judge.
    """

    def __init__(self, station: bytes) -> None:
        self.station = station
        self.knows: Callable[[bytes], bool] = _everybody
        self._routers: dict[bytes, None] = {}

    def outward(self, frame: bytes) -> bytes | Answer | DropReason:
        """Return the packet in a frame from the kernel, the answer to it, or why it is dropped."""
        if frame[TYPE:HEADER_LENGTH] != ETHERTYPE:
            return DropReason.NOT_IPV6
        packet = frame[HEADER_LENGTH:]
        if reason := malformed(packet):
            return reason
        message = _recognise(packet)
        if message is None:
            return packet
        if message.resolves and self.knows(message.target):
            # 3.2.5.2.2 has the same message for another purpose: unsolicited, to all nodes. The Router flag
            # must be right, or the kernel would give up a router as being none (RFC 4861 section 7.2.5).
            router = message.target in self._routers
            return Answer(self.inward(neighbor_advertisement(message.target, router=router)))
        return _with_options(packet, message)

    def inward(self, packet: bytes) -> bytes:
        """Return the frame in which the kernel gets a packet."""
        destination = packet[ipv6.DESTINATION : ipv6.HEADER_LENGTH]
        if message := _recognise(packet):
            self._learn(packet, message)
            # RFC 4861 sections 4.1, 4.3: no source link-layer address where the source is unspecified.
            option = b"" if message.source == ipv6.UNSPECIFIED else bytes((_OPTION[message.kind], 1)) + NEIGHBORS
            packet = _with_options(packet, message, option)
        receiver = MULTICAST + destination[-4:] if ipv6.is_multicast(destination) else self.station
        return receiver + NEIGHBORS + ETHERTYPE + packet

    def _learn(self, packet: bytes, message: Message) -> None:
        """Remember who is a router, which its advertisements of both kinds tell (RFC 4861 sections 6.3.4, 7.2.5)."""
        if message.kind is Kind.ROUTER_ADVERTISEMENT:
            neighbor, router = message.source, True
        elif message.kind is Kind.NEIGHBOR_ADVERTISEMENT:
            neighbor, router = message.target, bool(packet[_BODY] & ROUTER_FLAG)
        else:
            return
        self._routers.pop(neighbor, None)
        if router:
            self._routers[neighbor] = None
            if len(self._routers) > MAXIMUM_ROUTERS:
                del self._routers[next(iter(self._routers))]


def _everybody(address: bytes) -> bool:
    """Take any address for a neighbour's: a client cannot know who is on the link."""
    return True


def _recognise(packet: bytes) -> Message | None:
    """Return the Neighbor Discovery message right behind the header, if there is one and it is valid.

    An invalid one passes as it is, for its receiver to discard: with its checksum made anew it would be mended.
    So does one behind extension headers; what is missing or too much in it does no harm, only costs the
    receiver a question of its own.
    """
    if packet[ipv6.NEXT_HEADER] != ipv6.ICMPV6:
        return None
    message = recognise(packet)
    return message if isinstance(message, Message) else None


def _with_options(packet: bytes, message: Message, option: bytes = b"") -> bytes:
    """Return the packet with this option and without those that Ethernet alone needs."""
    at = ipv6.HEADER_LENGTH + OPTIONS_AT[message.kind]
    options = b"".join(kept for kept in _options(packet[at:]) if kept[0] not in _OPTIONS_OF_ETHERNET) + option
    if options == packet[at:]:
        return packet
    made = icmpv6.message(message.kind, 0, packet[_BODY:at] + options, message.source, message.destination)
    # Traffic Class and Flow Label, which stand before the length, remain.
    return packet[: ipv6.PAYLOAD_LENGTH] + made[ipv6.PAYLOAD_LENGTH :]


def _options(options: bytes) -> Iterator[bytes]:
    """Yield each option; their lengths have been checked."""
    while options:
        length = 8 * options[1]
        yield options[:length]
        options = options[length:]
