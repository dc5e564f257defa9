"""The rate limits of sessions, in virtual time: the sessions of one identity share a limit in each direction."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.counters import Counters
from iphttps.core.errors import DropReason
from iphttps.core.identity import Identity
from iphttps.core.ip.batch import Batch
from iphttps.core.queues.memory import SharedMemory
from iphttps.core.queues.rate import UNLIMITED, GrantedRate, MaxRate, RateSettings
from iphttps.net.iphttps.server_session import ServerSession
from iphttps.net.paced import MAXIMUM_READ
from iphttps.net.rate import SMALLEST_READ, RateLimits, SessionRate

from .iphttps.test_server import ServerCase
from .support import PRIVATE_HOST, client_address, packet

RATE = 20_000_000
"""Bits per second."""

SECONDS = 5.0
EXACT = 0.05

PACKET = bytes(1250)


class FakeSession:
    """A session that takes everything, and notes whether its connection is read."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.rate: SessionRate | None = None
        self.sent: list[bytes] = []
        self.paused = False
        self.bound: int | None = None

    def send(self, batch: Batch) -> None:
        """Send packets as a session does."""
        if self.rate is not None:
            batch = self.rate.admit(batch)
        self.sent += batch

    def receive(self, size: int) -> None:
        """Receive packets, unless the connection is not read."""
        if not self.paused:
            self.counters.received(1, size)
            if self.rate is not None:
                self.rate.received(size)

    def bound_reads(self, size: int | None) -> None:
        """Note it."""
        self.bound = size

    def pause_reading(self) -> None:
        """Note it."""
        self.paused = True

    def resume_reading(self) -> None:
        """Note it."""
        self.paused = False

    @property
    def bytes_sent(self) -> int:
        """The bytes sent so far."""
        return sum(map(len, self.sent))


class RateCase(SynchronousTestCase):
    """Limits in virtual time."""

    def setUp(self) -> None:
        """Begin without limits."""
        self.clock = Clock()
        self.clock.advance(100)
        self.memory = SharedMemory()
        self.limits = RateLimits(self.clock, self.memory)

    def limit(self, default: MaxRate = UNLIMITED, **named: MaxRate) -> None:
        """Put limits in force."""
        self.limits.change(RateSettings(default, named))

    def session(self, user: str | None) -> FakeSession:
        """Begin a session."""
        session = FakeSession()
        self.limits.join(session, user, (user,) if user else ())
        return session

    def run_for(self, seconds: float, *sessions: FakeSession) -> None:
        """Have these sessions overwhelmed in both directions, each turn of 3 ms."""
        batch = Batch.of([PACKET] * 40)
        for _ in range(round(seconds / 0.003)):
            for session in sessions:
                session.send(batch)
                session.receive(48_000)
            self.clock.advance(0.003)

    def assert_rate(self, expected: float, size: int, seconds: float = SECONDS) -> None:
        """Check that so many bytes in so much time are a rate, in bits per second, within 5 %."""
        self.assertApproximates(1.0, 8 * size / seconds / expected, EXACT)


class LimitTests(RateCase):
    """The shares of sessions."""

    def test_both_directions(self) -> None:
        """The rate of each direction is exact to 5 %; an identity without a limit is not affected."""
        self.limit(MaxRate(RATE // 2, RATE), bob=UNLIMITED)
        alice, bob = self.session("alice"), self.session("bob")
        self.run_for(SECONDS, alice, bob)
        self.assert_rate(RATE, alice.bytes_sent)
        self.assert_rate(RATE // 2, alice.counters.bytes_in)
        self.assertEqual((None, None, 0), (bob.rate, bob.bound, sum(bob.counters.drops.values())))
        turns = round(SECONDS / 0.003)
        self.assertEqual((turns * 40 * len(PACKET), turns * 48_000), (bob.bytes_sent, bob.counters.bytes_in))

    def test_one_direction(self) -> None:
        """A limit can be on one direction only."""
        self.limit(up=MaxRate(RATE, 0), down=MaxRate(0, RATE))
        up, down = self.session("up"), self.session("down")
        self.run_for(SECONDS, up, down)
        self.assert_rate(RATE, up.counters.bytes_in)
        self.assert_rate(RATE, down.bytes_sent)
        self.assertEqual(
            (0, 40 * len(PACKET) * round(SECONDS / 0.003)), (sum(up.counters.drops.values()), up.bytes_sent)
        )
        self.assertEqual(48_000 * round(SECONDS / 0.003), down.counters.bytes_in)

    def test_shared(self) -> None:
        """Two sessions of one identity have the rate together, in about equal parts; those of another do not count."""
        self.limit(MaxRate(RATE, RATE))
        first, second, other = self.session("alice"), self.session("alice"), self.session("bob")
        self.run_for(SECONDS, first, second, other)
        self.assert_rate(RATE, first.bytes_sent + second.bytes_sent)
        self.assert_rate(RATE, first.counters.bytes_in + second.counters.bytes_in)
        self.assert_rate(RATE / 2, first.bytes_sent)
        self.assertApproximates(
            0.5, first.counters.bytes_in / (first.counters.bytes_in + second.counters.bytes_in), 0.1
        )
        self.assert_rate(RATE, other.bytes_sent)
        self.assert_rate(RATE, other.counters.bytes_in)

    def test_without_identity(self) -> None:
        """Sessions without an identity have a limit each."""
        self.limit(MaxRate(RATE, RATE))
        first, second = self.session(None), self.session(None)
        self.run_for(SECONDS, first, second)
        for session in (first, second):
            self.assert_rate(RATE, session.bytes_sent)
            self.assert_rate(RATE, session.counters.bytes_in)

    def test_drops(self) -> None:
        """Packets to a client that do not pass are counted as dropped."""
        self.limit(MaxRate(RATE, RATE))
        session = self.session("alice")
        self.run_for(1.0, session)
        self.clock.advance(1.0)
        dropped = session.counters.drops[DropReason.OVER_RATE]
        self.assertEqual(40 * round(1.0 / 0.003), len(session.sent) + dropped)
        self.assertEqual(0, self.memory.held)

    def test_granted(self) -> None:
        """The rate that a login has granted precedes that of the settings, and the newest login counts."""
        self.limit(MaxRate(RATE, RATE))
        partly = FakeSession()
        self.limits.join(partly, "bob", ("bob",), GrantedRate(down=0))
        self.assertEqual(MaxRate(RATE, 0), self.limits.of(partly))
        session, newer = FakeSession(), FakeSession()
        self.limits.join(session, "alice", ("alice",), GrantedRate(RATE // 4, RATE // 2))
        self.assertEqual(MaxRate(RATE // 4, RATE // 2), self.limits.of(session))
        self.limits.join(newer, "alice", ("alice",), GrantedRate(0, 0))
        self.assertEqual((None, None, UNLIMITED), (session.rate, newer.rate, self.limits.of(newer)))

    def test_reads(self) -> None:
        """A read of a limited connection brings little, so that its packets come evenly."""
        self.limit(MaxRate(RATE, 0), slow=MaxRate(1_000_000, 0), down=MaxRate(0, RATE))
        sessions = [self.session(user) for user in ("alice", "slow", "down")]
        self.assertEqual([50_000, SMALLEST_READ, None], [session.bound for session in sessions])


class LifeTests(RateCase):
    """Limits that change, and sessions that end."""

    def test_change(self) -> None:
        """Other settings are in force at once for the sessions that exist."""
        session = self.session("alice")
        self.assertIsNone(session.rate)
        for rate in (RATE, 3 * RATE, RATE // 2):
            self.limit(alice=MaxRate(rate, rate))
            sent, received = session.bytes_sent, session.counters.bytes_in
            self.run_for(SECONDS, session)
            self.assert_rate(rate, session.bytes_sent - sent)
            self.assert_rate(rate, session.counters.bytes_in - received)
            self.assertEqual(MaxRate(rate, rate), self.limits.of(session))

    def test_no_more(self) -> None:
        """When a limit ends, what waits is sent, and the connection is read again."""
        self.limit(MaxRate(RATE, RATE))
        session = self.session("alice")
        session.send(Batch.of([PACKET] * 70))
        session.receive(200_000)
        self.assertEqual((40, True), (len(session.sent), session.paused))
        self.limit()
        self.assertEqual((70, False, None), (len(session.sent), session.paused, session.rate))
        self.assertEqual((0, []), (self.memory.held, self.clock.getDelayedCalls()))

    def test_leave(self) -> None:
        """A session that ends leaves no timer and no memory behind; its connection is read to the end."""
        self.limit(MaxRate(RATE, RATE))
        for user in ("alice", None):
            session = self.session(user)
            session.send(Batch.of([PACKET] * 70))
            session.receive(200_000)
            self.assertNotEqual(0, self.memory.held)
            self.limits.leave(session)
            self.limits.leave(session)
            self.assertEqual((False, None), (session.paused, session.rate))
            self.assertEqual((0, []), (self.memory.held, self.clock.getDelayedCalls()))
            self.assertEqual(UNLIMITED, self.limits.of(session))

    def test_other_stays(self) -> None:
        """The other sessions of an identity go on when one ends."""
        self.limit(MaxRate(RATE, RATE))
        first, second = self.session("alice"), self.session("alice")
        self.run_for(1.0, first, second)
        self.limits.leave(first)
        sent, received = second.bytes_sent, second.counters.bytes_in
        self.run_for(SECONDS, second)
        self.assert_rate(RATE, second.bytes_sent - sent)
        self.assert_rate(RATE, second.counters.bytes_in - received)

    def test_late(self) -> None:
        """A read that comes late after a pause loses nothing of the rate; one after a long silence saves up little."""
        self.limit(MaxRate(RATE, RATE))
        session = self.session("alice")
        for seconds, paused in ((0.1, False), (5.0, True)):
            session.receive(RATE // 8 // 2)
            self.assertTrue(session.paused)
            self.clock.advance(0.52)
            self.assertFalse(session.paused)
            self.clock.advance(seconds)
            session.receive(int(RATE / 8 * 0.05))
            session.receive(int(RATE / 8 * 0.25) if paused else 1)
            self.assertEqual(paused, session.paused)
            self.clock.advance(1.0)

    def test_reconnecting(self) -> None:
        """A client gains nothing by connecting again: its identity's debt stays until it is paid."""
        self.limit(MaxRate(RATE, RATE))
        before = self.session("alice")
        before.receive(2_500_000)
        self.limits.leave(before)
        after = self.session("alice")
        after.receive(1)
        for paused, seconds in ((True, 0.5), (True, 0.4), (False, 0.2)):
            self.clock.advance(seconds)
            self.assertEqual(paused, after.paused)
        self.limits.leave(after)
        self.assertEqual(({}, set()), (self.limits._limits, self.limits._left))


class SessionTests(ServerCase):
    """An IP-HTTPS session with a limit."""

    def setUp(self) -> None:
        """Open a session."""
        super().setUp()
        protocol, self.transport = self.session(1)
        assert isinstance(protocol, ServerSession)
        self.tunnel = protocol
        self.sent = [packet(client_address(1), PRIVATE_HOST, bytes(1000) + b"%4d" % number) for number in range(400)]

    def limit(self, rate: int) -> None:
        """Put a limit in force."""
        self.end.service.rates.change(RateSettings(MaxRate(rate, rate)))

    def test_not_read(self) -> None:
        """Over the rate the connection is not read until the debt is paid; nothing is lost (3.2.5.2.2)."""
        self.limit(RATE)
        self.assertLess(self.tunnel._most, MAXIMUM_READ)
        self.tunnel.dataReceived(b"".join(self.sent))
        self.assertEqual("paused", self.transport.producerState)
        self.clock.pump([0.0, 0.0, 0.1])
        self.assertEqual((self.sent, "paused"), (self.end.device.taken, self.transport.producerState))
        self.clock.advance(0.1)
        self.assertEqual("producing", self.transport.producerState)

    def test_put_off(self) -> None:
        """A connection whose debt is paid is not read as long as work on its packets is put off."""
        self.limit(RATE)
        self.tunnel.dataReceived(b"".join(self.sent))
        self.tunnel.resume_reading()
        self.assertEqual("paused", self.transport.producerState)
        self.clock.advance(0)
        self.assertEqual("producing", self.transport.producerState)

    def test_ended(self) -> None:
        """A connection that is not read is read again when its session ends, for the peer's close."""
        self.limit(RATE)
        self.tunnel.dataReceived(b"".join(self.sent))
        self.tunnel.disconnect("it may not go on")
        self.assertEqual("producing", self.transport.producerState)
        self.assertIsNone(self.tunnel.rate)

    def test_downward(self) -> None:
        """Packets to the client wait for the rate, or are dropped (3.2.5.2.1)."""
        self.limit(RATE)
        back = [packet(PRIVATE_HOST, client_address(1), bytes(1000) + b"%4d" % number) for number in range(400)]
        self.end.service.from_host(Batch.of(back))
        self.end.service.downlink.serve()
        first = len(self.transport.value())
        self.clock.pump([0.005] * 10)
        total = len(self.transport.value())
        self.assertTrue(50_000 <= first < 52_000 and 98_000 < total <= 102_000, (first, total))
        self.assertTrue(b"".join(back).startswith(self.transport.value()))
        dropped = self.tunnel.counters.drops[DropReason.OVER_RATE]
        self.assertEqual(400, self.tunnel.counters.packets_out + dropped)

    def test_identity(self) -> None:
        """The limit is that of a name in the certificate."""
        identity = Identity("CN=alice", ("alice.example.org",))
        rates = self.end.service.rates
        rates.leave(self.tunnel)
        rates.join(self.tunnel, identity, (identity.subject, *identity.names))
        for name in (identity.subject, *identity.names):
            rates.change(RateSettings(UNLIMITED, {name: MaxRate(1, 1)}))
            self.assertEqual(MaxRate(1, 1), rates.of(self.tunnel))
