"""DHCPv6 server messages, which only the gateway may send on the link (RFC 7610)."""

from __future__ import annotations

from . import ipv6

CLIENT_PORT = (546).to_bytes(2)
"""The UDP port on which clients listen (RFC 8415 section 7.2), in network byte order."""


def is_server_message(packet: bytes) -> bool:
    """Tell whether a packet goes to the DHCPv6 client port, so comes from a server or a relay (RFC 7610 section 5).

    The header chain is walked to its end, as for Neighbor Discovery. The port is in the first fragment, and without it
    the other fragments are useless (RFC 7112).
    """
    next_header, offset = packet[ipv6.NEXT_HEADER], ipv6.HEADER_LENGTH
    while next_header in ipv6.EXTENSION_HEADERS and offset + 8 <= len(packet):
        if next_header == ipv6.FRAGMENT:
            if packet[offset + 2] or packet[offset + 3] & 0xF8:
                return False
            length = 8
        elif next_header == ipv6.AUTHENTICATION:
            length = 4 * packet[offset + 1] + 8
        else:
            length = 8 * packet[offset + 1] + 8
        next_header, offset = packet[offset], offset + length
    return next_header == ipv6.UDP and packet[offset + 2 : offset + 4] == CLIENT_PORT
