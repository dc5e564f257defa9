"""Delays of logins after failures."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core import login_limits
from iphttps.core.ip.address import IPAddress
from iphttps.core.login_limits import FORGOTTEN, FREE, LONGEST, LONGEST_FOR_USER, LoginLimiter, _keys

HERE, THERE = ip_address("192.0.2.7"), ip_address("2001:db8:0:1::7")
SAME_LINK = ip_address("2001:db8:0:1::8")
BOB, ALICE, EVE = b"bob", b"alice", b"eve"


class LimitTests(SynchronousTestCase):
    """The delays of users and sources."""

    def setUp(self) -> None:
        """Begin with nothing."""
        self.limiter = LoginLimiter()

    def failures(self, count: int, name: bytes = ALICE, address: IPAddress | None = HERE, now: float = 0.0) -> None:
        """Have so many logins fail."""
        for _ in range(count):
            self.limiter.failed(name, address, now)

    def delay(self, name: bytes, address: IPAddress | None, now: float) -> float:
        """Return how long a login must wait, if it is given up again."""
        turn = self.limiter.book(name, address, now)
        assert turn is not None
        self.limiter.cancel(turn)
        return turn.wait

    def waits(self, count: int, name: bytes, address: IPAddress | None = HERE, now: float = 0.0) -> list[float | None]:
        """Return how long each of so many logins at the same time must wait; None for those rejected."""
        turns = [self.limiter.book(name, address, now) for _ in range(count)]
        return [turn.wait if turn else None for turn in turns]

    def test_growth(self) -> None:
        """Typing errors are free; from then on the delay doubles with each failure, up to the longest of a source."""
        delays = []
        for _ in range(FREE + 8):
            delays.append(self.delay(ALICE, HERE, 0.0))
            self.failures(1)
        self.assertEqual(delays, [0.0] * (FREE + 1) + [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST, LONGEST])

    def test_user_elsewhere(self) -> None:
        """A user who is attacked from everywhere waits some seconds, and is never locked out."""
        self.failures(1000)
        self.assertEqual(self.delay(ALICE, THERE, 0.0), LONGEST_FOR_USER)
        self.assertEqual(self.delay(ALICE, None, 0.0), LONGEST_FOR_USER)

    def test_source(self) -> None:
        """A source that has failed for many names is delayed for every name; others are not."""
        for number in range(20):
            self.limiter.failed(b"%d" % number, THERE, 0.0)
        self.assertEqual(self.delay(BOB, SAME_LINK, 0.0), LONGEST)
        self.assertEqual(self.delay(BOB, HERE, 0.0), 0.0)

    def test_unknown_source(self) -> None:
        """If the source is unknown, behind a front, the user alone counts."""
        self.failures(20, address=None)
        self.assertEqual(self.delay(BOB, None, 0.0), 0.0)
        self.assertEqual(self.delay(ALICE, None, 0.0), LONGEST_FOR_USER)
        self.limiter.succeeded(ALICE, None)
        self.assertEqual(len(self.limiter), 0)

    def test_case(self) -> None:
        """Upper and lower case make no other user."""
        self.failures(FREE + 1, b"ALICE")
        self.assertEqual(self.delay(b"alice", THERE, 0.0), 1.0)

    def test_success(self) -> None:
        """The right password ends the delay of the user, and of a source where nobody else has failed."""
        self.failures(FREE + 5)
        self.limiter.succeeded(ALICE, HERE)
        self.assertEqual((self.delay(ALICE, HERE, 0.0), len(self.limiter)), (0.0, 0))

    def test_own_account(self) -> None:
        """Success with an account of one's own takes back no failure with the names of others."""
        for _ in range(10):
            self.limiter.failed(ALICE, HERE, 0.0)
            self.limiter.failed(BOB, HERE, 0.0)
            self.limiter.failed(EVE, HERE, 0.0)
            self.limiter.succeeded(EVE, HERE)
        self.assertEqual(self.delay(b"dave", HERE, 0.0), LONGEST)

    def test_success_elsewhere(self) -> None:
        """Success at one source takes back nothing at another."""
        self.failures(FREE + 2, address=THERE)
        self.limiter.succeeded(ALICE, HERE)
        self.assertEqual(self.delay(ALICE, HERE, 0.0), 0.0)
        self.assertEqual(self.delay(BOB, THERE, 0.0), 2.0)

    def test_forgotten(self) -> None:
        """Failures are forgotten a quarter of an hour after the last, and counted from the beginning again."""
        self.failures(FREE + 5)
        self.assertEqual(self.delay(ALICE, HERE, FORGOTTEN), 16.0)
        self.failures(1, now=FORGOTTEN + 1)
        self.assertEqual(self.delay(ALICE, HERE, FORGOTTEN + 1), 0.0)

    def test_queue(self) -> None:
        """Logins of a source at the same time wait for one another, whatever the names, and too many are rejected."""
        self.failures(FREE + 4)
        self.assertEqual(self.waits(2, ALICE) + self.waits(3, BOB), [8.0, 16.0, 24.0, None, None])
        self.assertEqual(self.waits(1, ALICE, now=9.0), [23.0])
        self.assertEqual(self.waits(1, BOB, THERE), [0.0])
        self.failures(5)
        self.assertEqual(self.waits(2, EVE, now=100.0), [LONGEST, None])

    def test_cancelled(self) -> None:
        """A login that is given up leaves its place in the queue to the next one, if it is the last."""
        self.failures(FREE + 4)
        first, second = (self.limiter.book(ALICE, HERE, 0.0) for _ in range(2))
        assert first and second
        self.limiter.cancel(first)
        self.assertEqual(self.waits(1, ALICE), [24.0])
        self.limiter.cancel(second)
        self.assertEqual(self.waits(1, ALICE), [None])
        self.limiter.succeeded(ALICE, HERE)
        self.limiter.cancel(second)
        self.assertEqual(self.waits(1, ALICE), [0.0])

    def test_no_queue_for_user(self) -> None:
        """Attempts at one user's name from many sources do not queue: the user waits some seconds and gets in."""
        for number in range(1000):
            self.limiter.failed(ALICE, ip_address(f"2001:db8:1:{number:x}::1"), 0.0)
        for number in range(100):
            self.assertEqual(self.waits(1, ALICE, ip_address(f"2001:db8:2:{number:x}::1")), [LONGEST_FOR_USER])
        self.assertEqual(self.waits(1, ALICE), [LONGEST_FOR_USER])

    def test_known(self) -> None:
        """A user who has logged in from a source before is not kept out by the failures of others there."""
        self.limiter.succeeded(BOB, HERE)
        self.failures(FREE + 20)
        self.waits(5, ALICE)
        self.assertEqual(self.waits(3, BOB), [0.0] * 3)
        self.failures(FREE + 20, BOB)
        self.assertEqual(self.waits(2, BOB), [LONGEST_FOR_USER] * 2)
        self.patch(login_limits, "MOST", 1)
        self.limiter.succeeded(EVE, HERE)
        self.assertEqual(self.waits(1, BOB), [None])

    def test_bound(self) -> None:
        """However many names are tried, and however long they are, memory is bounded."""
        self.patch(login_limits, "MOST", 30)
        for number in range(1000):
            self.limiter.failed(b"%04d" % number + bytes(4000), HERE, 0.0)
        self.assertEqual(len(self.limiter), 30)
        self.assertEqual(self.delay(BOB, HERE, 0.0), LONGEST)
        self.assertLessEqual(max(len(key) for key in self.limiter._failures if isinstance(key, bytes)), 256)

    def test_evicted(self) -> None:
        """Success still takes nothing back where the source was forgotten meanwhile, or the failures at it."""
        self.failures(FREE + 2)
        del self.limiter._failures[_keys(ALICE, HERE)[1] or b""]
        self.limiter.succeeded(ALICE, HERE)
        self.assertEqual(len(self.limiter), 0)
        self.failures(FREE + 2)
        del self.limiter._failures[_keys(ALICE, HERE)[2] or b""]
        self.limiter.succeeded(ALICE, HERE)
        self.assertEqual(self.delay(BOB, HERE, 0.0), 2.0)
