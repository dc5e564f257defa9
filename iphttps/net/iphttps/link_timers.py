"""The timers of the server's link: Router Advertisements and Neighbor Solicitations (RFC 4861)."""

from __future__ import annotations

from random import random

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall

from ...core.counters import Counters
from ...core.errors import DropReason
from ...core.ip.batch import Batch
from ...core.iphttps.clients import ClientEntry, ClientTable
from ...core.iphttps.link import ServerLink
from ...core.iphttps.neighbors import RETRANS_TIMER
from ..stream.fanout import Fanout

SOLICITATION_INTERVAL = RETRANS_TIMER / 4
"""Seconds between two checks for due solicitations: short enough to meet RETRANS_TIMER."""


class LinkTimers:
    """Sends Router Advertisements and Neighbor Solicitations on a link, from `start` to `stop`."""

    def __init__(self, clock: IReactorTime, table: ClientTable, link: ServerLink) -> None:
        self._clock = clock
        self._link = link
        self._advertisement: IDelayedCall | None = None
        self._advertising = Fanout(clock, table, send_urgent)
        self._soliciting = Fanout(clock, table, self._solicit_holder)
        self._searching = Fanout(clock, table, send)
        self._solicitation = LoopingCall(self._solicit)
        self._solicitation.clock = clock

    def start(self) -> None:
        """Send an advertisement now, and start both timers."""
        self._advertise()
        self._solicitation.start(SOLICITATION_INTERVAL, now=False)

    def stop(self) -> None:
        """Stop sending."""
        if self._advertisement:
            self._advertisement.cancel()
            self._advertisement = None
        for fanout in (self._advertising, self._soliciting, self._searching):
            fanout.stop()
        self._solicitation.stop()

    def advertise(self) -> None:
        """Send an advertisement now, after a change of its content, if started."""
        if self._advertisement:
            self._advertisement.cancel()
            self._advertise()

    def _advertise(self) -> None:
        forwarding, interval = self._link.advertise(random(), self._clock.seconds())
        self._advertising.stop()
        send_to_all(self._advertising, forwarding.everyone, self._link.counters)
        self._advertisement = self._clock.callLater(interval, self._advertise)

    def _solicit(self) -> None:
        forwarding = self._link.solicit(self._clock.seconds())
        self._soliciting.send(forwarding.own)
        send_to_all(self._searching, forwarding.everyone, self._link.counters)

    def _solicit_holder(self, entry: ClientEntry, batch: Batch) -> None:
        if not entry.connection.send_urgent(batch):
            self._link.not_solicited(batch)


def send(entry: ClientEntry, batch: Batch) -> None:
    """Send to one client."""
    entry.connection.send(batch)


def send_urgent(entry: ClientEntry, batch: Batch) -> None:
    """Send Neighbor Discovery to one client, ahead of queued data."""
    entry.connection.send_urgent(batch)


def send_to_all(
    fanout: Fanout[ClientEntry], batch: Batch, counters: Counters, origin: ClientEntry | None = None
) -> None:
    """Send to all clients except the origin; packets beyond the limit are dropped, and counted in `counters`."""
    if batch and not fanout.send_to_all(batch, origin):
        counters.dropped(DropReason.TOO_MUCH, len(batch))
