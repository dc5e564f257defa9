"""Ethernet between the kernel and a TAP device, on a link that is not Ethernet (RFC 2464, 4861).

The link has no link-layer addresses: the tunnel forwards by the IPv6 header alone (section 3, static mapping). So all
neighbours share one Ethernet address, NEIGHBORS.

- Outward, everything that only Ethernet needs is removed: the frame header and, from Neighbor Discovery messages, the
  link-layer addresses and the nonce of Enhanced Duplicate Address Detection.
- Inward it is added again, so that the kernel accepts the messages.
- The kernel's address resolution is answered here: every answer is the same, and in mode None the solicitation would
  never reach a client. The answer does not have the Solicited flag, because it proves nothing about reachability. The
  neighbour is then STALE (RFC 4861 section 7.2.5), and the kernel probes it by unicast once it sends to it. These
  probes cross the link, as do Duplicate Address Detection probes, so the kernel detects a neighbour that is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..errors import DropReason
from ..recent import RecentlyUsed
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
"""Maximum number of routers remembered; the link has one, the server."""

_OPTIONS_OF_ETHERNET = frozenset((SOURCE_LINK_LAYER_ADDRESS, TARGET_LINK_LAYER_ADDRESS, NONCE))

_OPTION = {  # RFC 4861 section 4: the link-layer address option of each message
    Kind.ROUTER_SOLICITATION: SOURCE_LINK_LAYER_ADDRESS,
    Kind.ROUTER_ADVERTISEMENT: SOURCE_LINK_LAYER_ADDRESS,
    Kind.NEIGHBOR_SOLICITATION: SOURCE_LINK_LAYER_ADDRESS,
    Kind.NEIGHBOR_ADVERTISEMENT: TARGET_LINK_LAYER_ADDRESS,
    Kind.REDIRECT: TARGET_LINK_LAYER_ADDRESS,
}

_BODY = ipv6.HEADER_LENGTH + 4  # after type, code and checksum


@dataclass(frozen=True, slots=True)
class Answer:
    """The frame that answers the kernel's address resolution, which then does not cross the link."""

    frame: bytes


class Ethernet:
    """The Ethernet between the kernel and the link; `station` is the kernel's Ethernet address, 6 raw bytes.

    `knows` tells whether an address, 16 raw bytes, is a neighbour's. Solicitations for other addresses are not answered
    here, so that a scan of the prefix does not fill the kernel's neighbour table; they cross the link, under policy.
    """

    def __init__(self, station: bytes) -> None:
        self.station = station
        self.knows: Callable[[bytes], bool] = _any_address
        self._routers: RecentlyUsed[bytes] = RecentlyUsed(MAXIMUM_ROUTERS)

    def outward(self, frame: bytes) -> bytes | Answer | DropReason:
        """Return the packet in a frame from the kernel, or the answer to the kernel, or why the frame is dropped."""
        if frame[TYPE:HEADER_LENGTH] != ETHERTYPE:
            return DropReason.NOT_IPV6
        packet = frame[HEADER_LENGTH:]
        if reason := malformed(packet):
            return reason
        message = _recognise(packet)
        if message is None:
            return packet
        if message.resolves and self.knows(message.target):
            # The same message as in 3.2.5.2.2: unsolicited, to all nodes. Without the right Router flag the kernel
            # would remove the router from its list (RFC 4861 section 7.2.5).
            router = message.target in self._routers
            return Answer(self.inward(neighbor_advertisement(message.target, router=router)))
        return _with_options(packet, message)

    def inward(self, packet: bytes) -> bytes:
        """Return the frame that carries a packet to the kernel."""
        destination = packet[ipv6.DESTINATION : ipv6.HEADER_LENGTH]
        if message := _recognise(packet):
            self._learn(packet, message)
            # RFC 4861 sections 4.1, 4.3: no source link-layer address if the source is unspecified.
            option = b"" if message.source == ipv6.UNSPECIFIED else bytes((_OPTION[message.kind], 1)) + NEIGHBORS
            packet = _with_options(packet, message, option)
        receiver = MULTICAST + destination[-4:] if ipv6.is_multicast(destination) else self.station
        return receiver + NEIGHBORS + ETHERTYPE + packet

    def _learn(self, packet: bytes, message: Message) -> None:
        """Learn the routers from Router and Neighbor Advertisements (RFC 4861 sections 6.3.4, 7.2.5)."""
        if message.kind is Kind.ROUTER_ADVERTISEMENT:
            neighbor, router = message.source, True
        elif message.kind is Kind.NEIGHBOR_ADVERTISEMENT:
            neighbor, router = message.target, bool(packet[_BODY] & ROUTER_FLAG)
        else:
            return
        if router:
            self._routers.use(neighbor)
        else:
            self._routers.discard(neighbor)


def _any_address(address: bytes) -> bool:
    """Take any address for a neighbour's: a client does not know the other nodes."""
    return True


def _recognise(packet: bytes) -> Message | None:
    """Return the Neighbor Discovery message that directly follows the IPv6 header, or None without a valid one.

    An invalid message passes unchanged for its receiver to discard: with a new checksum it would become valid. So does
    a message behind extension headers: missing or superfluous options do no harm and only cost the receiver a
    solicitation of its own.
    """
    if packet[ipv6.NEXT_HEADER] != ipv6.ICMPV6:
        return None
    message = recognise(packet)
    return message if isinstance(message, Message) else None


def _with_options(packet: bytes, message: Message, option: bytes = b"") -> bytes:
    """Return the packet with `option` added and all options that only Ethernet needs removed."""
    at = ipv6.HEADER_LENGTH + OPTIONS_AT[message.kind]
    options = b"".join(kept for kept in _options(packet[at:]) if kept[0] not in _OPTIONS_OF_ETHERNET) + option
    if options == packet[at:]:
        return packet
    made = icmpv6.message(message.kind, 0, packet[_BODY:at] + options, message.source, message.destination)
    # Keep Traffic Class and Flow Label, which precede the length.
    return packet[: ipv6.PAYLOAD_LENGTH] + made[ipv6.PAYLOAD_LENGTH :]


def _options(options: bytes) -> Iterator[bytes]:
    """Yield each option; the lengths have been checked before."""
    while options:
        length = 8 * options[1]
        yield options[:length]
        options = options[length:]
