"""Packets of TCP and UDP flows, over both versions of IP, to be joined and cut by segmentation offload."""

from __future__ import annotations

import socket
from collections import Counter, defaultdict
from collections.abc import Iterable

from hypothesis import strategies as st

from iphttps.core.ip import ipv4, ipv6

NEAR, FAR = (socket.inet_pton(socket.AF_INET6, text) for text in ("2001:db8:aa::1", "2001:db8:aa::2"))
NEAR4, FAR4 = (socket.inet_pton(socket.AF_INET, text) for text in ("192.0.2.1", "192.0.2.2"))
VERSIONS = (6, 4)
MORE_FRAGMENTS = 0x2000
GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4 = 1, 4, 5  # linux/virtio_net.h
ACK, PSH, FIN, URG, ECE, CWR = 0x10, 0x08, 0x01, 0x20, 0x40, 0x80


def flow_of(packet: bytes) -> bytes:
    """Return what tells the flow of a packet: its version, protocol, addresses and ports."""
    if packet[0] >> 4 == 6:
        return b"6" + packet[6:7] + packet[8:44]
    ports = 4 * (packet[0] & 0x0F)
    return b"4" + packet[9:10] + packet[12:20] + packet[ports : ports + 4]


def by_flow(packets: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    """Return the packets of each flow, in their order; flows may overtake each other."""
    flows = defaultdict(list)
    for packet in packets:
        flows[flow_of(packet)].append(packet)
    return flows


def routed(packet: bytes) -> bytes:
    """Return the packet as it is after a router."""
    if packet[0] >> 4 == 6:
        return packet[:7] + bytes((packet[7] - 1,)) + packet[8:]
    return with_header(packet, ipv4.TIME_TO_LIVE, bytes((packet[ipv4.TIME_TO_LIVE] - 1,)))


def with_header(packet: bytes, at: int, field: bytes) -> bytes:
    """Return the IPv4 packet with another field in its header, and the header's checksum right."""
    header = 4 * (packet[0] & 0x0F)
    changed = packet[:at] + field + packet[at + len(field) :]
    bare = changed[:10] + b"\0\0" + changed[12:header]
    return bare[:10] + ipv6.internet_checksum(bare).to_bytes(2, "big") + bare[12:] + packet[header:]


def with_options(packet: bytes) -> bytes:
    """Return the IPv4 packet with options that do nothing (RFC 791 section 3.1)."""
    longer = bytes((0x46,)) + packet[1:20] + b"\1\1\1\0" + packet[20:]
    return with_header(longer, 2, len(longer).to_bytes(2, "big"))


def ip(
    version: int, protocol: int, transport: bytes, identification: int = 0, flags: int = ipv4.DONT_FRAGMENT
) -> bytes:
    """Build a packet; the last two arguments are of IPv4."""
    if version == 6:
        return ipv6.packet(NEAR, FAR, protocol, transport, 64)
    return ipv4.packet(NEAR4, FAR4, protocol, transport, identification=identification % 65536, flags=flags)


def checksum(version: int, protocol: int, transport: bytes) -> int:
    """Return the transport's checksum."""
    return ipv6.checksum(NEAR, FAR, protocol, transport) if version == 6 else ipv4.checksum(
        NEAR4, FAR4, protocol, transport
    )  # fmt: skip


def tcp(
    port: int, sequence: int, flags: int, payload: bytes, *, options: bytes = b"", acknowledged: int = 7,
    version: int = 6, identification: int = 0, fragment: int = ipv4.DONT_FRAGMENT,
) -> bytes:  # fmt: skip
    """Build a TCP packet with a right checksum."""
    head = port.to_bytes(2, "big") + b"\0\x50" + sequence.to_bytes(4, "big") + acknowledged.to_bytes(4, "big")
    head += bytes((20 + len(options) << 2, flags)) + b"\1\0"
    urgent = b"\0\1" if flags & URG else b"\0\0"
    total = checksum(version, 6, head + b"\0\0" + urgent + options + payload)
    segment = head + total.to_bytes(2, "big") + urgent + options + payload
    return ip(version, 6, segment, identification, fragment)


def udp(
    port: int, payload: bytes, *, version: int = 6, identification: int = 0, fragment: int = ipv4.DONT_FRAGMENT
) -> bytes:
    """Build a UDP packet with a right checksum."""
    head = port.to_bytes(2, "big") + b"\0\x51" + (8 + len(payload)).to_bytes(2, "big")
    total = checksum(version, 17, head + b"\0\0" + payload) or 0xFFFF
    return ip(version, 17, head + total.to_bytes(2, "big") + payload, identification, fragment)


def is_unicast(packet: bytes) -> bool:
    """Tell whether a packet is none of those that the kernel itself sends, to IPv6 multicast groups."""
    return packet[0] >> 4 == 4 or packet[24] != 0xFF


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Draw packets of several flows: mostly continuing each other, but each kind of exception among them."""
    following: dict[tuple[int, int], int] = defaultdict(lambda: 0xFFFFF000)  # so that sequence numbers wrap
    identifications: dict[tuple[int, int], int] = defaultdict(lambda: 0xFFF8)  # these, too
    packets: list[bytes] = []
    for _ in range(draw(st.integers(1, 60))):
        version = draw(st.sampled_from(VERSIONS))
        port = draw(st.integers(1, draw(st.sampled_from((1, 2, 10)))))
        flow = version, port
        identifications[flow] += draw(st.sampled_from((1,) * 8 + (0, 2)))
        fragment = draw(st.sampled_from((ipv4.DONT_FRAGMENT,) * 8 + (0, MORE_FRAGMENTS, 1)))
        size = draw(st.sampled_from((1000, 1000, 1000, 1000, 400, 1, 0)))
        payload = bytes((len(packets),)) * size
        kind = draw(st.sampled_from(("tcp", "tcp", "tcp", "tcp", "udp", "udp", "other")))
        if kind == "tcp":
            flags = draw(st.sampled_from((ACK,) * 8 + (ACK | PSH, ACK | FIN, ACK | URG, ACK | ECE, ACK | CWR, 4, 2)))
            jump = draw(st.sampled_from((0,) * 8 + (1000, 2**32 - 1000)))
            sequence = (following[flow] + jump) % 2**32
            following[flow] = (sequence + size) % 2**32
            options = draw(st.sampled_from((b"", b"", b"\1\1\x08\x0a" + bytes(8), b"\1\1\x08\x0a" + b"\1" * 8)))
            acknowledged = draw(st.sampled_from((7, 7, 7, 8)))
            packet = tcp(
                port, sequence, flags, payload, options=options, acknowledged=acknowledged, version=version,
                identification=identifications[flow], fragment=fragment,
            )  # fmt: skip
        elif kind == "udp":
            packet = udp(port, payload, version=version, identification=identifications[flow], fragment=fragment)
        else:  # nothing that anybody joins: an extension header, and a protocol without ports
            packet = ip(version, draw(st.sampled_from((59, 132))), payload)
        packets.append(damaged(packet, draw(st.sampled_from(("",) * 12 + DAMAGES)), size))
    return packets


DAMAGES = ("payload", "class", "hops", "checksum", "options")


def damaged(packet: bytes, damage: str, size: int) -> bytes:
    """Return the packet, of so many bytes of payload, as something that is not joined with others."""
    version = packet[0] >> 4
    match version, damage:
        case _, "payload" if size:
            return packet[:-1] + bytes((packet[-1] ^ 1,))
        case 6, "class":  # congestion experienced
            return packet[:1] + b"\x30" + packet[2:]
        case 6, "hops":
            return packet[:7] + b"\x3f" + packet[8:]
        case 6, "checksum" if len(packet) > 60:
            return packet[:46] + b"\0\0" + packet[48:]
        case 4, "class":
            return with_header(packet, 1, b"\x03")
        case 4, "hops":
            return with_header(packet, ipv4.TIME_TO_LIVE, b"\x3f")
        case 4, "checksum" if len(packet) > 40:  # with UDP: without
            return packet[:26] + b"\0\0" + packet[28:]
        case 4, "options":
            return with_options(packet)
        case _:
            return packet


def translated(packets: Iterable[bytes]) -> list[bytes]:
    """Return whole IPv6 packets of TCP and UDP between two hosts as IPv4 has them, numbered by flow."""
    found, numbers = [], Counter[bytes]()
    for packet in packets:
        source, destination = (NEAR4, FAR4) if packet[23] == NEAR[15] else (FAR4, NEAR4)
        protocol, at = packet[ipv6.NEXT_HEADER], 16 if packet[ipv6.NEXT_HEADER] == ipv6.TCP else 6
        before, after = packet[40 : 40 + at], packet[42 + at :]
        total = ipv4.checksum(source, destination, protocol, before + b"\0\0" + after)
        transport = before + total.to_bytes(2, "big") + after
        numbers[flow_of(packet)] += 1
        number = numbers[flow_of(packet)]
        found.append(ipv4.packet(source, destination, protocol, transport, identification=number))
    return found
