"""When the server advertises itself as a router on the link (3.2.3.1, RFC 4861 section 6.2).

"The server SHOULD then act as a router between its IP-HTTPS clients and other networks." Its kernel routes;
that there is a router, and the prefix, the clients hear from here.
"""

from __future__ import annotations

from enum import Enum

from ..ip import ipv6
from ..ip.router_advertisement import RouterAdvertisement
from .clients import ClientEntry

MAXIMUM_INTERVAL = 600.0  # MaxRtrAdvInterval, seconds; these five: RFC 4861 sections 6.2.1 and 10
MINIMUM_INTERVAL = 200.0  # MinRtrAdvInterval
INITIAL_INTERVAL = 16.0  # MAX_INITIAL_RTR_ADVERT_INTERVAL
INITIAL_ADVERTISEMENTS = 3  # MAX_INITIAL_RTR_ADVERTISEMENTS
BETWEEN_MULTICAST = 3.0  # MIN_DELAY_BETWEEN_RAS

BETWEEN_UNICAST = 0.5
"""Least time between two unicast answers to one client, in seconds: ours, against floods."""


class Advertise(Enum):
    """Who sends Router Advertisements: this program, a program of the host's such as radvd, or nobody."""

    BUILTIN = "builtin"
    HOST = "host"
    OFF = "off"


class Router:
    """Makes Router Advertisements, and says when the next one is due."""

    def __init__(self, advertisement: RouterAdvertisement, source: bytes) -> None:
        self.advertisement = advertisement
        self._source = source
        self._sent = 0

    def answer(self, client: ClientEntry, solicitor: bytes, now: float) -> bytes:
        """Return the answer to a Router Solicitation from the address `solicitor`, empty if it is too early.

        It goes over the asking connection only (3.2.5.2.2). A solicitor with an address is answered at it, one
        without by multicast (RFC 4861 section 6.2.6), at once: other routers with whom to collide, the
        reason for a random delay, cannot be on this link. Only multicast advertisements are limited to one in
        MIN_DELAY_BETWEEN_RAS, so one sent by unicast does not hold the next multicast one back.
        """
        by_multicast = solicitor == ipv6.UNSPECIFIED
        if by_multicast:
            if now - client.advertised < BETWEEN_MULTICAST:
                return b""
            client.advertised = now
        else:
            if now - max(client.advertised, client.answered) < BETWEEN_UNICAST:
                return b""
            client.answered = now
        return self.advertisement.packet(self._source, ipv6.ALL_NODES if by_multicast else solicitor)

    def unsolicited(self, chance: float) -> tuple[bytes, float]:
        """Return an advertisement for all nodes, and the seconds until the next is due (3.2.5.2.1).

        `chance`, from 0 to 1, spreads the intervals (RFC 4861 section 6.2.4); the first few are short.
        """
        self._sent += 1
        interval = MINIMUM_INTERVAL + chance * (MAXIMUM_INTERVAL - MINIMUM_INTERVAL)
        if self._sent <= INITIAL_ADVERTISEMENTS:
            interval = min(interval, INITIAL_INTERVAL)
        return self.advertisement.packet(self._source), interval

    def farewell(self) -> bytes:
        """Return the advertisement for all nodes with which the server takes its leave (RFC 4861 section 6.2.5)."""
        return self.advertisement.farewell().packet(self._source)
