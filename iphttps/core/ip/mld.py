"""Multicast Listener Discovery: recognises reports, for the link's policy (RFC 2710, 3810)."""

from __future__ import annotations

from . import ipv6

_REPORTS = frozenset((131, 132, 143))  # Report and Done: RFC 2710 section 3; Version 2 Report: RFC 3810 section 5.2


def is_listener_report(packet: bytes) -> bool:
    """Tell whether a packet is a multicast listener report: Hop Limit 1, behind a Hop-by-Hop header.

    RFC 2710 section 3 and RFC 3810 section 5 require both. The destination is a multicast address of link-local scope.
    """
    if packet[ipv6.NEXT_HEADER] != ipv6.HOP_BY_HOP or packet[ipv6.HOP_LIMIT] != 1:
        return False
    if ipv6.multicast_scope(packet[ipv6.DESTINATION : ipv6.HEADER_LENGTH]) != 2:
        return False
    begin = ipv6.HEADER_LENGTH
    if len(packet) < begin + 2 or packet[begin] != ipv6.ICMPV6:
        return False
    message = begin + 8 * packet[begin + 1] + 8
    return message < len(packet) and packet[message] in _REPORTS
