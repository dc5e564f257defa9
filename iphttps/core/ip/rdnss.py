"""The DNS servers and search domains that a router announces, for their lifetimes (RFC 8106)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

from .router_advertisement import DNS_SEARCH_LIST, INFINITE_LIFETIME, RECURSIVE_DNS_SERVER

MAXIMUM_ENTRIES = 8
"""Maximum number of servers, and of domains, kept; RFC 8106 section 5.3.1 requires at least three."""

_HEAD = struct.Struct("!BBHI")  # RFC 8106 section 5: Type, Length in units of 8 octets, Reserved, Lifetime
_LABEL = re.compile(rb"[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?")
_LONGEST_NAME = 253

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Names:
    """The link's DNS servers and search domains."""

    servers: tuple[IPv4Address | IPv6Address, ...] = ()
    domains: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is a server or a domain."""
        return bool(self.servers or self.domains)


NO_NAMES = Names()


class Resolvers:
    """The announced servers and domains that have not expired; times are in seconds, of one clock."""

    def __init__(self) -> None:
        self._servers: dict[IPv4Address | IPv6Address, float] = {}
        self._domains: dict[str, float] = {}

    def heard(self, option: bytes, now: float) -> None:
        """Learn from one option of a Router Advertisement; other and malformed options are ignored."""
        if len(option) < _HEAD.size:
            return
        kind, length, _, lifetime = _HEAD.unpack_from(option)
        body = option[_HEAD.size :]
        if len(option) != 8 * length:
            return
        until = float("inf") if lifetime == INFINITE_LIFETIME else now + lifetime
        if kind == RECURSIVE_DNS_SERVER and len(body) % 16 == 0:
            for server in _servers(body):
                _note(self._servers, server, until, now)
        elif kind == DNS_SEARCH_LIST:
            for domain in _domains(body):
                _note(self._domains, domain, until, now)

    def current(self, now: float) -> Names:
        """Return the servers and domains valid now, in the order in which they were announced."""
        return Names(tuple(_holding(self._servers, now)), tuple(_holding(self._domains, now)))

    def next_expiry(self, now: float) -> float | None:
        """Return the time at which the next server or domain expires, or None if none ever does."""
        ahead = [until for held in (self._servers, self._domains) for until in held.values() if until > now]
        soonest = min(ahead, default=float("inf"))
        return soonest if soonest < float("inf") else None

    def clear(self) -> None:
        """Remove all servers and domains: the link is down."""
        self._servers.clear()
        self._domains.clear()


def _note(held: dict[T, float], value: T, until: float, now: float) -> None:
    for expired in [other for other, end in held.items() if end <= now]:
        del held[expired]
    if until <= now:  # RFC 8106 section 5: a lifetime of zero withdraws
        held.pop(value, None)
    elif value in held or len(held) < MAXIMUM_ENTRIES:
        held[value] = until


def _holding(held: dict[T, float], now: float) -> Iterator[T]:
    return (value for value, until in held.items() if until > now)


def _servers(body: bytes) -> Iterator[IPv6Address]:
    for start in range(0, len(body), 16):
        server = IPv6Address(body[start : start + 16])
        if not (server.is_multicast or server.is_unspecified or server.is_loopback or server.ipv4_mapped):
            yield server


def _domains(body: bytes) -> Iterator[str]:
    """Yield the names, each ended by a zero label (RFC 8106 section 5.2), up to the first malformed one.

    Other programs receive them, so each label consists of letters, digits, hyphens and underscores, and no name begins
    with a hyphen.
    """
    labels: list[bytes] = []
    while body and body[0] < 64:
        label, body = body[1 : 1 + body[0]], body[1 + body[0] :]
        if label:
            labels.append(label)
            continue
        name = b".".join(labels)
        if labels and len(name) <= _LONGEST_NAME and all(map(_LABEL.fullmatch, labels)):
            yield name.decode("ascii").lower()
        labels.clear()
