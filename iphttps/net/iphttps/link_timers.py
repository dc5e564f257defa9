"""The clocks of the server's link: Router Advertisements, and Neighbor Solicitations (RFC 4861)."""

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
"""Seconds between two looks at what is to be solicited: often enough to keep to RETRANS_TIMER."""


class LinkTimers:
    """Advertises and solicits on a link while it is started."""

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
        """Advertise at once, and both from now on."""
        self._advertise()
        self._solicitation.start(SOLICITATION_INTERVAL, now=False)

    def stop(self) -> None:
        """Send nothing more."""
        if self._advertisement:
            self._advertisement.cancel()
            self._advertisement = None
        for fanout in (self._advertising, self._soliciting, self._searching):
            fanout.stop()
        self._solicitation.stop()

    def advertise(self) -> None:
        """Tell all clients at once what has changed about the link, if it is started."""
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
    """Send Neighbor Discovery to one client, ahead of what waits."""
    entry.connection.send_urgent(batch)


def send_to_all(
    fanout: Fanout[ClientEntry], batch: Batch, counters: Counters, origin: ClientEntry | None = None
) -> None:
    """Send to all clients but the one from which it comes; what is too much is dropped, and counted there."""
    if batch and not fanout.send_to_all(batch, origin):
        counters.dropped(DropReason.TOO_MUCH, len(batch))
