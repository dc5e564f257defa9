"""The link shared by all SSTP clients: addresses, packets and Router Advertisements."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import random

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ...core.counters import Counters
from ...core.errors import DropReason
from ...core.ip import ipv4, ipv6
from ...core.ip.batch import Batch
from ...core.ip.router import Router
from ...core.sstp.host_errors import HostErrors
from ...core.sstp.policy import LINK_LOCAL_PREFIX, Policy
from ...core.sstp.ppp.frame import ProtocolNumber
from ...core.sstp.ppp.lcp import MRU
from ...core.sstp.ppp.server import IPv4Up, IPv6Up, NetworkDown
from ...core.sstp.reserved import Reserved
from ...core.sstp.sessions import SessionEntry, SessionTable
from ...core.sstp.table import Table
from ..downlink import Downlink
from ..interfaces import PacketDevice
from ..stream import compiled
from ..stream.fanout import Fanout
from .session import Up

__all__ = ["SSTPLink"]


class SSTPLink:
    """Forwards packets between clients and the host's kernel.

    `own` holds the server's addresses of both families, `prefix` is the first 8 bytes of the /64. Without a `router`
    clients get no IPv6.
    """

    def __init__(
        self,
        clock: IReactorTime,
        table: SessionTable,
        device: PacketDevice,
        own: frozenset[bytes],
        prefix: bytes,
        router: Router | None,
        downlink: Downlink | None = None,
    ) -> None:
        self.clock = clock
        self.downlink = downlink or Downlink(clock)
        """Sends the packets from the host to the clients."""
        self.table = table
        self.wrote: Callable[[int], None] = _nothing
        """Called with the number of packets written to the device."""
        self.counters = Counters()
        """Counts the packets dropped from the host."""
        self._device = device
        self._router = router
        self.reserved = Reserved(prefix, own)
        """The IPv6 addresses that are fixed for users."""
        self._addresses: Table[int] = Table(compiled.LOOPS)
        self._policy: Policy[int] = Policy(self._addresses, own, prefix, self._permits, compiled.LOOPS)
        self._errors = HostErrors(*map(_own_address(own).get, (ipv4.ADDRESS_LENGTH, ipv6.ADDRESS_LENGTH), (b"", b"")))
        self._advertising: Fanout[SessionEntry] = Fanout(clock, table, send)
        self._advertisement: IDelayedCall | None = None

    # The addresses of clients.

    def taken(self, number: int, identifier: bytes) -> bool:
        """Tell whether another client than the one with this number has an interface identifier, or will have it."""
        held = self._addresses.holder(LINK_LOCAL_PREFIX + identifier) not in (None, number)
        return held or not self.reserved.permits_identifier(self._user(number), identifier)

    def _permits(self, number: int, address: bytes) -> bool:
        return self.reserved.permits(self._user(number), address)

    def _user(self, number: int) -> str:
        entry = self.table.get(number)
        return entry.user if entry else ""

    def network(self, entry: SessionEntry, change: Up) -> str | None:
        """Apply a change of a client's network layer; return the reason to disconnect the client, if there is one."""
        match change:
            case IPv4Up(address):
                self._policy.assign_ipv4(entry.sources, address)
            case IPv6Up(identifier):
                if self.taken(entry.number, identifier):
                    return "another client has its interface identifier"
                self._policy.assign_interface_id(entry.sources, identifier)
                if self._router:
                    entry.advertised = self.clock.seconds()
                    send(entry, Batch.of([self._router.unsolicited(0.0)[0]]))
            case NetworkDown(ProtocolNumber.IPCP):
                self._policy.assign_ipv4(entry.sources, b"")
            case NetworkDown():
                self._policy.assign_interface_id(entry.sources, b"")
        return None

    def released(self, entry: SessionEntry) -> None:
        """Free the addresses of a client; a repeated call has no effect."""
        self._policy.release(entry.sources)
        self.downlink.remove(entry)

    # Packets.

    def from_client(self, entry: SessionEntry, batch: Batch) -> None:
        """Forward packets from a client."""
        entry.counters.received(len(batch), len(batch.data))
        forwarding = self._policy.from_client(entry.sources, batch)
        if forwarding.host:
            self._to_host(forwarding.host)
        for reason, number in forwarding.drops.items():
            entry.counters.dropped(reason, number)
        if forwarding.replies:
            entry.connection.send(forwarding.replies)
        if self._router:
            for solicitor in forwarding.solicitations:
                answer = self._router.answer(entry, solicitor, self.clock.seconds())
                if answer:
                    entry.connection.send(Batch.of([answer]))

    def _to_host(self, batch: Batch) -> None:
        self._device.write(batch)
        self.wrote(len(batch))

    def from_host(self, batch: Batch) -> None:
        """Forward packets from the host's kernel; those for clients wait in the downlink."""
        now = self.clock.seconds()
        outward = self._addresses.route(batch)
        for number, packets in outward.sessions:
            entry = self.table.get(number)
            if entry and entry.mtu < MRU:
                packets = self._fitting(entry, packets)
            if entry and packets:
                self.downlink.add(entry, packets, now)
        # Multicast from the kernel, such as MLD reports, is of no use to a client.
        if outward.everyone:
            self.counters.dropped(DropReason.MULTICAST, len(outward.everyone))
        if outward.unknown:
            self.counters.dropped(DropReason.NO_NEIGHBOR, len(outward.unknown))
            self._answer(self._errors.unreachable(outward.unknown, now))

    def _fitting(self, entry: SessionEntry, batch: Batch) -> Batch:
        """Return the packets that the client receives (RFC 1661 section 6.1), and tell the host about the others."""
        fitting, errors, missing = self._errors.fitting(batch, entry.mtu, self.clock.seconds())
        if missing:
            entry.counters.dropped(DropReason.OVERSIZE, missing)
            self._answer(errors)
        return fitting

    def _answer(self, errors: Batch) -> None:
        if errors:
            self._to_host(errors)

    # Advertisements.

    def advertise(self) -> None:
        """Advertise a change to all clients now, if advertising is started."""
        if self._advertisement:
            self._advertisement.cancel()
            self._advertise()

    def start_advertising(self) -> None:
        """Start advertising."""
        if self._router and not self._advertisement:
            self._advertise()

    def stop_advertising(self) -> None:
        """Send the final advertisement (RFC 4861 section 6.2.5) and stop advertising."""
        self._advertising.stop()
        if self._advertisement:
            self._advertisement.cancel()
            self._advertisement = None
        if self._router:
            for entry, final in self._with_ipv6(Batch.of([self._router.final_advertisement()])):
                send(entry, final)

    def _advertise(self) -> None:
        if self._router is None:
            return
        packet, interval = self._router.unsolicited(random())
        self._advertising.stop()
        self._advertising.send(self._with_ipv6(Batch.of([packet])))
        self._advertisement = self.clock.callLater(interval, self._advertise)

    def _with_ipv6(self, batch: Batch) -> Iterable[tuple[SessionEntry, Batch]]:
        return ((entry, batch) for entry in self.table if entry.sources.link_local)


def send(entry: SessionEntry, batch: Batch) -> None:
    """Send packets to a client."""
    entry.connection.send(batch)


def _own_address(own: Iterable[bytes]) -> dict[int, bytes]:
    """Return the server's address of each family by its length, without the link-local one."""
    return {len(each): each for each in own if not each.startswith(LINK_LOCAL_PREFIX)}


def _nothing(what: object) -> None:
    """Do nothing."""
