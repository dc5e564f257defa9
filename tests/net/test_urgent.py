"""The link's own Neighbor Discovery on a connection that is full of data."""

from __future__ import annotations

from typing import cast

from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import DropReason
from iphttps.core.ip.batch import Batch
from iphttps.core.ip.ndp import neighbor_solicitation
from iphttps.core.iphttps.neighbors import DELAY_FIRST_PROBE_TIME, MAX_UNICAST_SOLICIT, RETRANS_TIMER
from iphttps.net.iphttps.link_timers import SOLICITATION_INTERVAL
from iphttps.net.iphttps.server_session import ServerSession

from .support import PRIVATE_HOST, SERVER_LINK_LOCAL, ServerEnd, client_address, packet

REQUEST = b"POST /IPHTTPS HTTP/1.1\r\nHost: vpn.example.org\r\nContent-Length: 18446744073709551615\r\n\r\n"
HOLDER = client_address(1)
DATA = packet(PRIVATE_HOST, HOLDER, bytes(1200))
SOLICITATION = neighbor_solicitation(HOLDER.packed, SERVER_LINK_LOCAL.packed, unicast=True)
SILENT = DELAY_FIRST_PROBE_TIME + (MAX_UNICAST_SOLICIT + 2) * RETRANS_TIMER
"""Seconds after which a holder that was asked and has said nothing is forgotten."""


class UrgentTests(SynchronousTestCase):
    """A client whose connection takes nothing more, and to whose address packets go."""

    def setUp(self) -> None:
        """Have its backlog full."""
        self.clock = MemoryReactorClock()
        self.end = ServerEnd(self.clock)
        self.addCleanup(self.end.device.close)
        self.transport = StringTransport()
        self.end.accept(self.transport).dataReceived(REQUEST + packet(HOLDER, PRIVATE_HOST))
        (entry,) = self.end.table
        self.tunnel = cast(ServerSession, entry.connection)
        self.transport.clear()
        self.tunnel.pauseProducing()
        while not self.tunnel.counters.drops:
            self.end.from_host(*[DATA] * 50)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.pump([SOLICITATION_INTERVAL] * round(seconds / SOLICITATION_INTERVAL))

    @property
    def held(self) -> bool:
        """True if the client has its address still."""
        assert self.tunnel.entry
        return self.end.link._cache.holder(HOLDER.packed) is self.tunnel.entry

    def test_ahead_of_data(self) -> None:
        """A solicitation of the holder finds room where data finds none, and leaves before it."""
        self.wait(DELAY_FIRST_PROBE_TIME + RETRANS_TIMER / 2)
        self.tunnel.resumeProducing()
        self.assertEqual(SOLICITATION + DATA, self.transport.value()[: len(SOLICITATION + DATA)])

    def test_waits(self) -> None:
        """A holder that could not be asked yet keeps its address; one that was asked in vain loses it."""
        self.wait(3 * SILENT)
        self.assertTrue(self.held)
        self.tunnel.resumeProducing()
        self.assertEqual(1, self.transport.value().count(SOLICITATION))
        self.wait(SILENT)
        self.assertFalse(self.held)

    def test_dropped(self) -> None:
        """The same where its solicitations found no room."""
        before = self.tunnel.counters.drops[DropReason.CONGESTED]
        others = (client_address(number) for number in range(2, 1000))
        while self.tunnel.counters.drops[DropReason.CONGESTED] == before:
            solicitation = neighbor_solicitation(next(others).packed, SERVER_LINK_LOCAL.packed, unicast=True)
            self.assertFalse(self.tunnel.send_urgent(Batch.of([solicitation])))
        self.wait(3 * SILENT)
        self.assertGreater(self.tunnel.counters.drops[DropReason.CONGESTED], before + 1)
        self.assertTrue(self.held)

    def test_sign_of_life(self) -> None:
        """Any packet from the holder keeps its address, be it no answer."""
        self.tunnel.resumeProducing()
        self.wait(DELAY_FIRST_PROBE_TIME + 1.5 * RETRANS_TIMER)
        self.tunnel.dataReceived(packet(HOLDER, PRIVATE_HOST))
        self.wait(2 * SILENT)
        self.assertTrue(self.held)
