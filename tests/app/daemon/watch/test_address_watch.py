"""What is said where the host makes no address of a Router Advertisement."""

from __future__ import annotations

from ipaddress import IPv6Interface
from typing import cast

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.daemon.watch import address_watch
from iphttps.app.daemon.watch.address_watch import PATIENCE, AddressWatch
from iphttps.net.interfaces import IReactor

LINK_LOCAL, ADDRESS = IPv6Interface("fe80::2/64"), IPv6Interface("2001:db8:2::2/64")


class AddressWatchTests(SynchronousTestCase):
    """A watch on a host that is made of what is patched in."""

    def setUp(self) -> None:
        """Make a host on which the packet filter drops everything."""
        super().setUp()
        self.addresses = [LINK_LOCAL]
        self.received: int | None = 3
        self.wrong: dict[str, tuple[str, int]] = {}
        self.advertised = True
        self.patch(address_watch, "addresses", lambda interface: self.addresses)
        self.patch(address_watch, "advertisements", lambda interface: self.received)
        self.patch(address_watch, "unsettled", lambda interface, settings: self.wrong)
        self.clock = MemoryReactorClock()
        self.watch = AddressWatch(cast(IReactor, self.clock), "iphttps0", {}, lambda: self.advertised)
        self.watch.start()

    def said(self, seconds: float = PATIENCE) -> list[str]:
        """Return what is logged in so many seconds."""
        with capturedLogs() as events:
            self.clock.advance(seconds)
        return [str(formatEvent(event)) for event in events]

    def test_packet_filter(self) -> None:
        """What has come through the tunnel and never reached ICMPv6 was dropped here; it is said once."""
        self.assertEqual([], self.said(PATIENCE - 1))
        (sentence,) = self.said(1)
        self.assertIn("this host's packet filter (firewall) drops input on iphttps0", sentence)
        self.assertEqual((sentence, []), (self.watch.obstacle, self.said()))

    def test_settings(self) -> None:
        """A setting that somebody has changed is named, and what replaces it is said as well."""
        self.wrong = {"autoconf": ("0", 1)}
        self.assertIn("net.ipv6.conf.iphttps0.autoconf is 0 instead of 1", self.said()[0])
        self.wrong = {"accept_ra": ("0", 2)}
        self.assertIn("net.ipv6.conf.iphttps0.accept_ra is 0 instead of 2", self.said()[0])

    def test_received(self) -> None:
        """What the kernel has received, or does not count, is not blamed on the packet filter."""
        for received in (4, None):
            self.received = 3
            self.watch.start()
            self.received = received
            (sentence,) = self.said()
            self.assertIn("the router advertises no prefix", sentence)

    def test_gone(self) -> None:
        """An interface that has lost IPv6 is named."""

        def missing(interface: str, settings: object) -> dict[str, tuple[str, int]]:
            raise FileNotFoundError

        self.patch(address_watch, "unsettled", missing)
        self.assertIn("IPv6 has been disabled on iphttps0", self.said()[0])

    def test_not_advertised(self) -> None:
        """As long as no router has advertised itself, it is not this host's doing."""
        self.advertised = False
        self.assertEqual(([], None), (self.said(), self.watch.obstacle))
        self.advertised = True
        self.assertEqual(1, len(self.said()))

    def test_address(self) -> None:
        """With an address there is no obstacle, nor any more."""
        self.addresses = [ADDRESS, LINK_LOCAL]
        self.assertEqual(([], None), (self.said(), self.watch.obstacle))
        self.addresses = [LINK_LOCAL]
        self.said()
        self.addresses = [ADDRESS, LINK_LOCAL]
        self.assertIsNone(self.watch.obstacle)

    def test_stop(self) -> None:
        """With the link the watch ends."""
        self.said()
        self.watch.stop()
        self.assertEqual(([], None), (self.clock.getDelayedCalls(), self.watch.obstacle))
