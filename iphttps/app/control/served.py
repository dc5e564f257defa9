"""The protocols that a server serves: their clients, and their parts of the status."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from ...core.counters import Counters
from ...core.iphttps.clients import ClientEntry
from ...core.iphttps.link import ServerLink
from ...core.iphttps.neighbors import NeighborCache
from ...core.queues.rate import MaxRate
from ...core.sstp.sessions import SessionEntry
from ...net.interfaces import PacketDevice
from ...net.iphttps.service import IPHTTPSService
from ...net.sstp.service import SSTPService
from .rates import Rated
from .status import Now, Value, client_entry, counters

__all__ = ["Client", "Served", "ServedIPHTTPS", "ServedSSTP"]


@dataclass(frozen=True, slots=True)
class Client(Rated):
    """A client; `disconnect` ends its session for a reason, `told` returns its status without its rates."""

    disconnect: Callable[[str], None]
    told: Callable[[Now], Value]


class Served(Protocol):
    """A protocol that the server serves."""

    def clients(self) -> Iterable[Client]:
        """Return its clients, oldest first."""

    def status(self) -> Value:
        """Return its part of the status."""


class ServedIPHTTPS:
    """IP-HTTPS, served on the port."""

    def __init__(self, service: IPHTTPSService, link: ServerLink, cache: NeighborCache, device: PacketDevice) -> None:
        self._service = service
        self._link = link
        self._cache = cache
        self._device = device

    def clients(self) -> Iterable[Client]:
        """Return the clients, oldest first."""
        return [
            Client(entry.number, entry.counters, entry.since, entry.connection.disconnect, self._told(entry))
            for entry in self._service.table
        ]

    def _told(self, entry: ClientEntry) -> Callable[[Now], Value]:
        return lambda now: client_entry(
            entry, "iphttps", entry.identity, self._addresses(entry), self._limit(entry), now
        )

    def _limit(self, entry: ClientEntry) -> MaxRate:
        return self._service.rates.of(entry.connection)

    def _addresses(self, entry: ClientEntry) -> list[str]:
        return [str(IPv6Address(address)) for address in self._cache.addresses(entry)]

    def status(self) -> Value:
        """Return the number of clients, and the counters."""
        table, service = self._service.table, self._service
        link = _sum(self._link.counters, service.past, *(entry.counters for entry in table))
        return _status(len(table), table.seats.maximum, self._device.counters, link)


class ServedSSTP:
    """SSTP, served on the port; `settings` returns the part of its status that reflects the options in force."""

    def __init__(self, service: SSTPService, device: PacketDevice, settings: Callable[[], Value]) -> None:
        self._service = service
        self._device = device
        self._settings = settings

    def clients(self) -> Iterable[Client]:
        """Return the clients, oldest first, including those that are not authenticated yet."""
        return [
            Client(entry.number, entry.counters, entry.since, entry.connection.disconnect, self._told(entry))
            for entry in self._service.table
        ]

    def _told(self, entry: SessionEntry) -> Callable[[Now], Value]:
        limits = self._service.rates
        return lambda now: client_entry(
            entry, "sstp", entry.user or None, _addresses(entry), limits.of(entry.connection), now
        )

    def status(self) -> Value:
        """Return the settings, the number of authenticated clients, and the counters."""
        table, service = self._service.table, self._service
        link = _sum(service.counters, service.past, *(entry.counters for entry in table))
        return self._settings() | _status(table.seated, table.seats.maximum, self._device.counters, link)


def _addresses(entry: SessionEntry) -> list[str]:
    """Return the source addresses of an SSTP client: IPv4, then IPv6."""
    sources = entry.sources
    ipv4 = [str(IPv4Address(sources.ipv4))] if sources.ipv4 else []
    ipv6 = [*([sources.link_local] if sources.link_local else ()), *sources.bound]
    return [*ipv4, *(str(IPv6Address(address)) for address in dict.fromkeys(ipv6))]


def _status(number: int, maximum: int, device: Counters, link: Counters) -> Value:
    return {
        "clients": {"now": number, "maximum": maximum},
        "counters": {"device": counters(device), "link": counters(link)},
    }


def _sum(*parts: Counters) -> Counters:
    whole = Counters()
    for part in parts:
        whole.add(part)
    return whole
