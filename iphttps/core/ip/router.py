"""The server as a router on the link: when it sends Router Advertisements (RFC 4861 section 6.2).

[MS-IPHTTPS] 3.2.3.1: "The server SHOULD then act as a router between its IP-HTTPS clients and other networks." The
host's kernel routes; this module announces the router and the prefix to clients.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from . import ipv6
from .router_advertisement import RouterAdvertisement

__all__ = [
    "BETWEEN_MULTICAST",
    "BETWEEN_UNICAST",
    "INITIAL_ADVERTISEMENTS",
    "INITIAL_INTERVAL",
    "MAXIMUM_INTERVAL",
    "MINIMUM_INTERVAL",
    "Advertise",
    "Router",
    "Solicitor",
]

MAXIMUM_INTERVAL = 600.0  # MaxRtrAdvInterval, seconds; these five: RFC 4861 sections 6.2.1 and 10
MINIMUM_INTERVAL = 200.0  # MinRtrAdvInterval
INITIAL_INTERVAL = 16.0  # MAX_INITIAL_RTR_ADVERT_INTERVAL
INITIAL_ADVERTISEMENTS = 3  # MAX_INITIAL_RTR_ADVERTISEMENTS
BETWEEN_MULTICAST = 3.0  # MIN_DELAY_BETWEEN_RAS

BETWEEN_UNICAST = 0.5
"""Minimum seconds between two unicast answers to one client: our own limit, against floods."""


class Advertise(Enum):
    """The sender of Router Advertisements: this server, a daemon on the host such as radvd, or none."""

    BUILTIN = "builtin"
    HOST = "host"
    OFF = "off"


class Solicitor(Protocol):
    """The state that the router keeps for each client: when it last answered it, in seconds."""

    advertised: float
    """The latest advertisement by multicast."""
    answered: float
    """The latest answer by unicast."""


class Router:
    """The sender of Router Advertisements on the link; `source` is its link-local address, 16 raw bytes."""

    def __init__(self, advertisement: RouterAdvertisement, source: bytes) -> None:
        self.advertisement = advertisement
        self._source = source
        self._sent = 0

    def answer(self, client: Solicitor, solicitor: bytes, now: float) -> bytes:
        """Return the answer to a Router Solicitation from the address `solicitor`, or b"" if it is too early for one.

        Send it over the soliciting connection only (3.2.5.2.2). It is unicast, or multicast if the solicitor has no
        address yet (RFC 4861 section 6.2.6), and not delayed: the random delay avoids collisions with other routers,
        and this link has only one. MIN_DELAY_BETWEEN_RAS applies to multicast advertisements alone, so a unicast
        answer does not delay the next multicast one.
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
        """Return an advertisement to all nodes, and the seconds until the next one is due (3.2.5.2.1).

        `chance`, from 0 to 1, randomizes the interval (RFC 4861 section 6.2.4); the first intervals are short.
        """
        self._sent += 1
        interval = MINIMUM_INTERVAL + chance * (MAXIMUM_INTERVAL - MINIMUM_INTERVAL)
        if self._sent <= INITIAL_ADVERTISEMENTS:
            interval = min(interval, INITIAL_INTERVAL)
        return self.advertisement.packet(self._source), interval

    def final_advertisement(self) -> bytes:
        """Return the last advertisement to all nodes before the server stops (RFC 4861 section 6.2.5)."""
        return self.advertisement.final().packet(self._source)
