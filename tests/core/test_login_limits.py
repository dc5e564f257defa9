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

    def test_growth(self) -> None:
        """Typing errors are free; from then on the delay doubles with each failure, up to the longest of a source."""
        delays = []
        for _ in range(FREE + 8):
            delays.append(self.limiter.delay(ALICE, HERE, 0.0))
            self.failures(1)
        self.assertEqual(delays, [0.0] * (FREE + 1) + [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST, LONGEST])

    def test_user_elsewhere(self) -> None:
        """A user who is attacked from everywhere waits some seconds, and is never locked out."""
        self.failures(1000)
        self.assertEqual(self.limiter.delay(ALICE, THERE, 0.0), LONGEST_FOR_USER)
        self.assertEqual(self.limiter.delay(ALICE, None, 0.0), LONGEST_FOR_USER)

    def test_source(self) -> None:
        """A source that has failed for many names is delayed for every name; others are not."""
        for number in range(20):
            self.limiter.failed(b"%d" % number, THERE, 0.0)
        self.assertEqual(self.limiter.delay(BOB, SAME_LINK, 0.0), LONGEST)
        self.assertEqual(self.limiter.delay(BOB, HERE, 0.0), 0.0)

    def test_unknown_source(self) -> None:
        """If the source is unknown, behind a front, the user alone counts."""
        self.failures(20, address=None)
        self.assertEqual(self.limiter.delay(BOB, None, 0.0), 0.0)
        self.assertEqual(self.limiter.delay(ALICE, None, 0.0), LONGEST_FOR_USER)
        self.limiter.succeeded(ALICE, None)
        self.assertEqual(len(self.limiter), 0)

    def test_case(self) -> None:
        """Upper and lower case make no other user."""
        self.failures(FREE + 1, b"ALICE")
        self.assertEqual(self.limiter.delay(b"alice", THERE, 0.0), 1.0)

    def test_success(self) -> None:
        """The right password ends the delay of the user, and of a source where nobody else has failed."""
        self.failures(FREE + 5)
        self.limiter.succeeded(ALICE, HERE)
        self.assertEqual((self.limiter.delay(ALICE, HERE, 0.0), len(self.limiter)), (0.0, 0))

    def test_own_account(self) -> None:
        """Success with an account of one's own takes back no failure with the names of others."""
        for _ in range(10):
            self.limiter.failed(ALICE, HERE, 0.0)
            self.limiter.failed(BOB, HERE, 0.0)
            self.limiter.failed(EVE, HERE, 0.0)
            self.limiter.succeeded(EVE, HERE)
        self.assertEqual(self.limiter.delay(EVE, HERE, 0.0), LONGEST)

    def test_success_elsewhere(self) -> None:
        """Success at one source takes back nothing at another."""
        self.failures(FREE + 2, address=THERE)
        self.limiter.succeeded(ALICE, HERE)
        self.assertEqual(self.limiter.delay(ALICE, HERE, 0.0), 0.0)
        self.assertEqual(self.limiter.delay(BOB, THERE, 0.0), 2.0)

    def test_forgotten(self) -> None:
        """Failures are forgotten a quarter of an hour after the last, and counted from the beginning again."""
        self.failures(FREE + 5)
        self.assertEqual(self.limiter.delay(ALICE, HERE, FORGOTTEN), 16.0)
        self.failures(1, now=FORGOTTEN + 1)
        self.assertEqual(self.limiter.delay(ALICE, HERE, FORGOTTEN + 1), 0.0)

    def test_bound(self) -> None:
        """However many names are tried, and however long they are, memory is bounded."""
        self.patch(login_limits, "MOST", 30)
        for number in range(1000):
            self.limiter.failed(b"%04d" % number + bytes(4000), HERE, 0.0)
        self.assertEqual(len(self.limiter), 30)
        self.assertEqual(self.limiter.delay(BOB, HERE, 0.0), LONGEST)
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
        self.assertEqual(self.limiter.delay(ALICE, HERE, 0.0), 2.0)
