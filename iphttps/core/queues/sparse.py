"""Flows that send little: their packets may pass those of flows that fill a queue (RFC 8290 section 4.2).

A ping, a name lookup or the acknowledgements of a download need almost nothing of a slow line, but would wait behind
the packets of a flow that takes all of it.
"""

from __future__ import annotations

from ..ip import ipv4, ipv6

__all__ = ["INTERVAL", "MOST_FLOWS", "QUANTUM", "SparseFlows", "flow"]

QUANTUM = 3000
"""Bytes that a sparse flow sends at most in an interval and that before; a new flow, as any other, begins as sparse."""

INTERVAL = 0.25
"""Seconds; longer than packets usually wait, so that no packet of a flow passes another."""

MOST_FLOWS = 1000
"""Flows in an interval beyond which further ones are not sparse, which bounds the memory."""

_PORTS = frozenset((ipv6.TCP, ipv6.UDP))
_FRAGMENT = 0x3FFF
"""The flag More Fragments and the Fragment Offset of IPv4."""


def flow(packet: bytes) -> bytes:
    """Return what the packets of a flow have in common: addresses, protocol, and the ports of TCP and UDP.

    `packet` is a whole packet of IPv4 or IPv6.
    """
    if packet[0] >> 4 == ipv6.VERSION:
        protocol = packet[ipv6.NEXT_HEADER]
        addresses = packet[ipv6.SOURCE : ipv6.HEADER_LENGTH]
        payload = ipv6.HEADER_LENGTH
    else:
        protocol = packet[ipv4.PROTOCOL]
        addresses = packet[ipv4.SOURCE : ipv4.HEADER_LENGTH]
        payload = (packet[0] & 0x0F) * 4
        if int.from_bytes(packet[ipv4.FLAGS : ipv4.FLAGS + 2]) & _FRAGMENT:
            payload = len(packet)  # only the first fragment has ports
    return addresses + bytes((protocol,)) + (packet[payload : payload + 4] if protocol in _PORTS else b"")


class SparseFlows:
    """The bytes that each flow has sent lately; times in seconds."""

    __slots__ = ("_before", "_now", "_since")

    def __init__(self) -> None:
        self._now: dict[bytes, int] = {}
        self._before: dict[bytes, int] = {}
        self._since = 0.0

    def has(self, packet: bytes, now: float) -> bool:
        """Count a packet that is sent at the time `now`, and tell whether its flow is sparse."""
        elapsed = now - self._since
        if elapsed >= INTERVAL:
            self._before = self._now if elapsed < 2 * INTERVAL else {}
            self._now, self._since = {}, now
        key = flow(packet)
        sent = self._now.get(key, 0) + len(packet)
        if len(self._now) >= MOST_FLOWS and key not in self._now:
            return False
        self._now[key] = sent
        return sent + self._before.get(key, 0) <= QUANTUM
