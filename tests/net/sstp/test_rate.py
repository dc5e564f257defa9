"""The maximum rates of SSTP's users."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed

from iphttps.core.errors import DropReason
from iphttps.core.ip import ipv4, ipv6
from iphttps.core.ip.address import IPAddress
from iphttps.core.ip.batch import Batch
from iphttps.core.queues.rate import UNLIMITED, GrantedRate, MaxRate, RateSettings
from iphttps.core.sstp.ppp.server import Credentials
from iphttps.net.sstp.login import Denied, Granted
from tests.net.sstp.support import FAR, Caller, SSTPCase, from_far, leave
from tests.sstp_client import CALL_DISCONNECT, packet

RATE = 20_000_000


class UserRateTests(SSTPCase):
    """A user's limit, from the settings or from the login."""

    def limit(self, **named: int) -> None:
        """Put limits in force."""
        self.service.rates.change(RateSettings(UNLIMITED, {name: MaxRate(rate, rate) for name, rate in named.items()}))

    def upload(self, caller: Caller, number: int) -> None:
        """Send so many packets of 1000 bytes at once."""
        one = ipv4.packet(caller.ipcp.address, FAR, ipv6.UDP, bytes(1000 - ipv4.HEADER_LENGTH))
        caller.session.dataReceived(packet(one) * number)

    def test_down(self) -> None:
        """Packets to a user over the rate wait, or are dropped and counted; others are not affected."""
        self.limit(alice=RATE)
        alice, bob = self.connected(), self.connected("bob")
        for caller in (alice, bob):
            self.service.from_host(Batch.of([from_far(caller, 1000)] * 300))
            self.service.downlink.serve()
            caller.take()
        self.assertEqual((50, 300), (len(alice.packets), len(bob.packets)))
        self.clock.pump([0.005] * 10)
        alice.take()
        self.assertEqual(100, len(alice.packets))
        self.assertEqual({DropReason.OVER_RATE: 200}, alice.entry.counters.drops)
        self.assertEqual(0, self.service.memory.held)

    def test_up(self) -> None:
        """The connection of a user over the rate is not read for the time of the debt; all packets pass."""
        self.limit(alice=RATE)
        alice, bob = self.connected(), self.connected("bob")
        for caller in (alice, bob):
            self.upload(caller, 200)
        self.assertEqual(400, len(self.device.taken))
        self.assertEqual(["paused", "producing"], [each.transport.producerState for each in (alice, bob)])
        self.clock.pump([0.01] * 5)
        self.assertEqual("paused", alice.transport.producerState)
        self.clock.pump([0.01] * 3)
        self.assertEqual("producing", alice.transport.producerState)

    def test_shared(self) -> None:
        """The sessions of a user have one limit."""
        self.limit(alice=RATE)
        first, second = self.connected(), self.connected()
        for caller in (first, second):
            self.service.from_host(Batch.of([from_far(caller, 1000)] * 300))
            self.service.downlink.serve()
            caller.take()
        self.assertEqual((50, 0), (len(first.packets), len(second.packets)))
        self.clock.pump([0.005] * 20)
        second.take()
        self.assertEqual(25, len(second.packets))

    def test_ended(self) -> None:
        """When a call ends, its connection is read again, and what waits for the client is discarded."""
        self.limit(alice=RATE)
        alice = self.connected()
        entry = alice.entry
        self.upload(alice, 200)
        self.service.from_host(Batch.of([from_far(alice, 1000)] * 300))
        self.service.downlink.serve()
        entry.connection.disconnect("enough")
        self.clock.advance(0)
        self.assertEqual("producing", alice.transport.producerState)
        self.clock.pump([0.005] * 10)
        alice.take()
        self.assertEqual((50, CALL_DISCONNECT, 0), (len(alice.packets), alice.kinds[-1], self.service.memory.held))
        leave(alice)
        self.assertEqual(UNLIMITED, self.service.rates.of(alice.session))

    def test_granted(self) -> None:
        """A login can grant another rate than that of the settings."""
        self.limit(alice=RATE)
        check = self.users.check

        def granting(credentials: Credentials, address: IPAddress | None) -> Deferred[Granted | Denied]:
            found = self.successResultOf(check(credentials, address))
            assert isinstance(found, Granted)
            granted = GrantedRate(down=5_000_000)
            return succeed(Granted(found.user, found.success, found.hlak, max_rate=granted))

        self.patch(self.users, "check", granting)
        alice = self.connected()
        self.assertEqual(MaxRate(RATE, 5_000_000), self.service.rates.of(alice.session))
