"""Tests for iphttps.core.iphttps.neighbors.

The states of an entry, step by step with exact times (RFC 4861 section 7.3).
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.iphttps.clients import ClientEntry
from iphttps.core.iphttps.neighbors import FRUITLESS_TIME, SEARCHES, NeighborCache, Reachability
from tests.support import client, neighbor_state

X, Y, Z = (bytes(15) + bytes((last,)) for last in range(1, 4))

INCOMPLETE, REACHABLE, STALE = Reachability.INCOMPLETE, Reachability.REACHABLE, Reachability.STALE
DELAY, PROBE = Reachability.DELAY, Reachability.PROBE


class CacheTestCase(SynchronousTestCase):
    """The common base of the classes below."""

    def setUp(self) -> None:
        """Make a cache for two clients."""
        self.cache = NeighborCache(limit=3)
        self.a, self.b = client(1), client(2)

    def solicited(self, *times: float) -> list[tuple[float, bytes, ClientEntry | None]]:
        """Return at which of these times who is solicited for what."""
        return [(now, *found) for now in times for found in self.cache.solicitations(now)]

    def states(self, *times: float) -> list[Reachability | None]:
        """Return the states of X at these times, if nothing happens meanwhile."""
        return [neighbor_state(self.cache, X, now) for now in times]


class UnreachabilityTests(CacheTestCase):
    """Neighbor Unreachability Detection."""

    def setUp(self) -> None:
        """Have `a` hold X."""
        super().setUp()
        self.cache.bind(X, self.a)

    def test_learned(self) -> None:
        """An address learned from what its holder sent is STALE: nothing is known of the way back (7.3.3)."""
        self.assertEqual([STALE, STALE], self.states(0.0, 1e6))
        self.assertEqual([], self.solicited(0.0, 1e6))

    def test_unknown(self) -> None:
        """An address that nobody has spoken of has no state, and is in nobody's way (RFC 4861 section 7.3.2)."""
        self.assertIsNone(neighbor_state(self.cache, Y, 0.0))
        self.assertIsNone(self.cache.use(Y, 0.0))
        self.assertIsNone(neighbor_state(self.cache, Y, 0.0))

    def test_delay(self) -> None:
        """The first packet to a STALE entry starts DELAY; after 5 seconds it is probed (RFC 4861 7.3.3 and 10)."""
        self.assertIs(self.a, self.cache.use(X, 100.0))
        self.assertEqual([DELAY, DELAY], self.states(100.0, 104.999))
        self.assertEqual([], self.solicited(100.0, 104.999))
        self.assertEqual([(105.0, X, self.a)], self.solicited(105.0))
        self.assertEqual([PROBE], self.states(105.0))

    def test_delay_runs_once(self) -> None:
        """Further packets do not put the probing off (RFC 4861 section 7.3.3)."""
        for now in (100.0, 101.0, 104.0, 105.0):
            self.cache.use(X, now)
        self.assertEqual([(105.0, X, self.a)], self.solicited(105.0))
        self.cache.use(X, 105.5)
        self.assertEqual([(106.0, X, self.a)], self.solicited(105.999, 106.0))

    def test_no_answer(self) -> None:
        """After 3 solicitations a second apart, and one more second, the entry is deleted (7.3.3 and 10)."""
        self.cache.use(X, 100.0)
        expected = [(105.0, X, self.a), (106.0, X, self.a), (107.0, X, self.a)]
        self.assertEqual(expected, self.solicited(*[100.0 + tick / 4 for tick in range(32)]))
        self.assertIs(self.a, self.cache.holder(X))
        self.a.proven.add(b"a header")
        self.assertEqual([], self.solicited(108.0))
        self.assertEqual((None, (), set()), (self.cache.holder(X), self.cache.addresses(self.a), self.a.proven))
        self.assertEqual([], self.solicited(*range(109, 120)))
        self.assertTrue(self.cache.bind(X, self.b))

    def test_answer(self) -> None:
        """An answer makes the entry REACHABLE for 30 seconds, then it is STALE again (7.3.2, 7.3.3 and 10)."""
        self.cache.use(X, 100.0)
        self.solicited(105.0, 106.0, 107.0)
        self.cache.confirm(X, self.a, 107.5)
        self.assertEqual([REACHABLE, REACHABLE, STALE], self.states(107.5, 137.499, 137.5))
        self.assertEqual([], self.solicited(*range(108, 200)))
        self.assertIs(self.a, self.cache.holder(X))

    def test_answer_during_delay(self) -> None:
        """A confirmation during DELAY makes the probes needless (RFC 4861 section 7.3.3)."""
        self.cache.use(X, 100.0)
        self.cache.confirm(X, self.a, 103.0)
        self.assertEqual([REACHABLE], self.states(105.0))
        self.assertEqual([], self.solicited(105.0, 106.0))

    def test_use_while_reachable(self) -> None:
        """A REACHABLE entry is used without any probing, until its time is up (RFC 4861 section 7.3.3)."""
        self.cache.confirm(X, self.a, 100.0)
        self.cache.use(X, 129.999)
        self.assertEqual([REACHABLE], self.states(129.999))
        self.cache.use(X, 130.0)
        self.assertEqual([DELAY], self.states(130.0))
        self.assertEqual([(135.0, X, self.a)], self.solicited(134.999, 135.0))

    def test_solicitations_count_anew(self) -> None:
        """Each time that the entry is probed it has 3 solicitations to answer (RFC 4861 section 7.3.3)."""
        for start in (100.0, 200.0):
            self.cache.use(X, start)
            times = [start + 5, start + 6, start + 7]
            self.assertEqual([(now, X, self.a) for now in times], self.solicited(*times))
            self.cache.confirm(X, self.a, start + 7.5)

    def test_strangers_answer(self) -> None:
        """Nobody but the holder confirms the holder's address, and nobody a free one (RFC 6620)."""
        self.cache.use(X, 100.0)
        self.cache.confirm(X, self.b, 101.0)
        self.cache.confirm(Y, self.b, 101.0)
        self.assertEqual([DELAY], self.states(101.0))
        self.assertIsNone(neighbor_state(self.cache, Y, 101.0))

    def test_claim(self) -> None:
        """After a probe for a held address the holder is solicited at once, by unicast (RFC 6620 section 3.2.3)."""
        self.cache.claim(X, self.b, 100.0)
        self.assertEqual([PROBE], self.states(100.0))
        expected = [(100.0, X, self.a), (101.0, X, self.a), (102.0, X, self.a)]
        self.assertEqual(expected, self.solicited(*[100.0 + tick / 4 for tick in range(13)]))
        self.assertIsNone(self.cache.holder(X))

    def test_claim_to_a_reachable_address(self) -> None:
        """A holder that has just answered is not solicited for every probe (RFC 4861 section 7.3.3)."""
        self.cache.confirm(X, self.a, 100.0)
        self.cache.claim(X, self.b, 129.999)
        self.assertEqual(([REACHABLE], []), (self.states(129.999), self.solicited(129.999)))
        self.cache.claim(X, self.b, 130.0)
        self.assertEqual(([PROBE], [(130.0, X, self.a)]), (self.states(130.0), self.solicited(130.0)))

    def test_repeated_claims(self) -> None:
        """More probes make no more solicitations, and do not put the end off (RFC 4861 section 7.3.3)."""
        sent = []
        for tick in range(13):
            now = 100.0 + tick / 4
            if self.cache.holder(X):
                self.cache.claim(X, self.b, now)
            sent += self.solicited(now)
        self.assertEqual([(100.0, X, self.a), (101.0, X, self.a), (102.0, X, self.a)], sent)
        self.assertIsNone(self.cache.holder(X))

    def test_release(self) -> None:
        """Nobody is solicited whose connection has ended (3.2.5.3)."""
        self.cache.use(X, 100.0)
        self.cache.release(self.a)
        self.assertEqual([], self.solicited(105.0, 106.0))

    def test_lost_over_the_limit(self) -> None:
        """Nobody is solicited for an address that he has lost (RFC 4861 section 7.3.3)."""
        self.cache.use(X, 100.0)
        for last in range(10, 13):
            self.cache.bind(bytes(15) + bytes((last,)), self.a)
        self.assertEqual([], self.solicited(105.0, 106.0))

    def test_late_calls(self) -> None:
        """A late timer solicits once, not twice at once (RFC 4861 section 7.3.3)."""
        self.cache.use(X, 100.0)
        self.assertEqual([(150.0, X, self.a)], self.solicited(150.0, 150.5))
        self.assertEqual([(151.0, X, self.a), (160.0, X, self.a)], self.solicited(151.0, 160.0, 160.5))
        self.assertEqual([], self.solicited(161.0))
        self.assertIsNone(self.cache.holder(X))


class SearchTests(CacheTestCase):
    """Looking for an address that nobody holds (RFC 4861 section 7.2.2)."""

    def test_incomplete(self) -> None:
        """An address that is looked for is INCOMPLETE (RFC 4861 section 7.2.2)."""
        self.assertTrue(self.cache.seek(X, 100.0))
        self.assertEqual([INCOMPLETE], self.states(100.0))
        self.assertEqual((None, ()), (self.cache.holder(X), self.cache.addresses(self.a)))

    def test_solicitations(self) -> None:
        """All are asked 3 times, a second apart, however much is sent there (RFC 4861 7.2.2 and 10, RFC 6583)."""
        sent = []
        for tick in range(4 * 10):
            now = 100.0 + tick / 4
            self.cache.seek(X, now)
            sent += self.solicited(now)
        self.assertEqual([(100.0, X, None), (101.0, X, None), (102.0, X, None)], sent)

    def test_unreachable(self) -> None:
        """One second after the third solicitation there is no hope any more, for 10 seconds (RFC 4861 7.2.2)."""
        self.cache.seek(X, 100.0)
        self.solicited(100.0, 101.0, 102.0)
        hopes = [self.cache.seek(X, now) for now in (102.0, 102.999, 103.0, 108.0, 112.999)]
        self.assertEqual([True, True, False, False, False], hopes)
        self.assertEqual(10.0, FRUITLESS_TIME)
        self.assertEqual([], self.solicited(*[103.0 + tick / 4 for tick in range(40)]))
        self.assertEqual([INCOMPLETE], self.states(112.999))
        self.assertEqual([], self.solicited(113.0))
        self.assertEqual([None], self.states(113.0))
        # Then it is looked for anew.
        self.assertTrue(self.cache.seek(X, 113.0))
        self.assertEqual([(113.0, X, None)], self.solicited(113.0))

    def test_found(self) -> None:
        """The client that answers holds the address, REACHABLE, and solicitations stop (RFC 4861 section 7.2.5)."""
        self.cache.seek(X, 100.0)
        self.solicited(100.0)
        self.assertTrue(self.cache.bind(X, self.b))
        self.cache.confirm(X, self.b, 100.5)
        self.assertEqual([REACHABLE], self.states(100.5))
        self.assertEqual([], self.solicited(*range(101, 115)))
        self.assertIs(self.b, self.cache.use(X, 115.0))

    def test_found_too_late(self) -> None:
        """A client that claims an unreachable address holds it at once (RFC 4861 section 7.2.5)."""
        self.cache.seek(X, 100.0)
        self.solicited(100.0, 101.0, 102.0, 103.0)
        self.cache.bind(X, self.b)
        self.assertEqual([STALE], self.states(104.0))

    def test_bounded(self) -> None:
        """A scan of the prefix has so many addresses looked for and no more (RFC 6583 section 7)."""
        scanned = [number.to_bytes(16, "big") for number in range(SEARCHES + 10)]
        hopes = [self.cache.seek(address, 100.0) for address in scanned]
        self.assertEqual([True] * SEARCHES + [False] * 10, hopes)
        self.assertEqual(scanned[:SEARCHES], [address for _, address, _ in self.solicited(100.0)])
        self.assertIsNone(neighbor_state(self.cache, scanned[-1], 100.0))
        # One under way goes on, and one found makes room.
        self.assertTrue(self.cache.seek(scanned[0], 100.5))
        self.cache.bind(scanned[0], self.a)
        self.assertTrue(self.cache.seek(scanned[-1], 100.5))

    def test_room_again(self) -> None:
        """After a scan there is room again when its addresses are forgotten (RFC 6583 section 7)."""
        for number in range(SEARCHES):
            self.cache.seek(number.to_bytes(16, "big"), 100.0)
        sent = self.solicited(*[100.0 + tick for tick in range(14)])
        self.assertEqual(3 * SEARCHES, len(sent))
        self.assertTrue(self.cache.seek(b"\xfe" + bytes(15), 113.0))

    def test_each_by_its_own_clock(self) -> None:
        """Searches and probes that began at different times do not wait for each other (RFC 4861 section 7.2.2)."""
        self.cache.bind(Z, self.a)
        self.cache.use(Z, 95.5)
        self.cache.seek(X, 100.0)
        self.cache.seek(Y, 100.25)
        sent = self.solicited(*[100.0 + tick / 4 for tick in range(8)])
        expected = [
            (100.0, X, None),
            (100.25, Y, None),
            (100.5, Z, self.a),
            (101.0, X, None),
            (101.25, Y, None),
            (101.5, Z, self.a),
        ]
        self.assertEqual(expected, sent)
