"""Tests for iphttps.core.queues.fair, most of them of its properties, with seeded random demand."""

from __future__ import annotations

from collections import Counter
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.queues.fair import SPARSE, DeficitRoundRobin

QUANTUM = 1000
SEEDS = range(10)


def serve(fair: DeficitRoundRobin[int], cost: float) -> int:
    """Serve the next key, which must be there, and return it."""
    key = fair.next()
    assert key is not None
    fair.charge(key, cost)
    return key


class OrderTests(SynchronousTestCase):
    """The order of keys, step by step."""

    def setUp(self) -> None:
        self.fair: DeficitRoundRobin[int] = DeficitRoundRobin(QUANTUM)

    def test_nothing(self) -> None:
        """Without a key that has something to do there is none to serve."""
        self.assertIsNone(self.fair.next())
        self.fair.add(1)
        self.fair.drained(1)
        self.assertEqual((None, 0, False), (self.fair.next(), len(self.fair), 1 in self.fair))

    def test_quantum(self) -> None:
        """A key is served until its quantum is used up, then the next one, and both again in the next round.

        At first both are sparse, until each has used some of its quantum.
        """
        for key in (1, 2):
            self.fair.add(key)
        self.assertEqual([1, 2, 1, 2, 1, 1, 2, 2], [serve(self.fair, QUANTUM / 2) for _ in range(8)])

    def test_known(self) -> None:
        """To add a key again, or to drain or remove an unknown one, changes nothing."""
        for key in (1, 2):
            self.fair.add(key)
        self.assertEqual(1, serve(self.fair, QUANTUM))
        self.fair.add(1)
        self.fair.drained(3)
        self.fair.remove(3)
        self.assertEqual((2, True, 2, False), (len(self.fair), 1 in self.fair, self.fair.next(), 3 in self.fair))

    def test_sparse_first(self) -> None:
        """A key that becomes busy is served before those that have used up a quantum (RFC 8290 section 4.2)."""
        for key in (1, 2):
            self.fair.add(key)
        self.assertEqual([1, 2, 1], [serve(self.fair, QUANTUM) for _ in range(3)])
        self.fair.add(9)
        self.assertEqual(9, serve(self.fair, 10))
        self.fair.drained(9)
        self.assertEqual(2, serve(self.fair, QUANTUM))

    def test_still_sparse(self) -> None:
        """A key that comes back in the same round is first again, while it has used little."""
        for key in (1, 2, 3):
            self.fair.add(key)
            serve(self.fair, 0.6 * QUANTUM)
        self.assertEqual(1, serve(self.fair, 0.6 * QUANTUM))
        little = QUANTUM * SPARSE[-2] / 3
        for cost in (little, little, little, 1):
            self.fair.add(9)
            self.assertEqual(9, serve(self.fair, cost))
            self.fair.drained(9)
        self.fair.add(9)
        self.assertEqual([2, 3, 9], [serve(self.fair, QUANTUM / 2) for _ in range(3)])

    def test_least_first(self) -> None:
        """Of those that have used little, those are first that have used least."""
        for key in (1, 2, 3, 4):
            self.fair.add(key)
            serve(self.fair, QUANTUM * SPARSE[-1 - key])
            self.fair.drained(key)
        for key in (1, 3, 4, 2):
            self.fair.add(key)
        self.assertEqual([4, 3, 2, 1], [serve(self.fair, QUANTUM) for _ in range(4)])

    def test_sparse_again(self) -> None:
        """The use of a key counts half in each new round, so that one that was busy becomes sparse again."""
        for key in (1, 2, 3):
            self.fair.add(key)
            serve(self.fair, 3 * QUANTUM if key == 2 else QUANTUM)
        self.fair.drained(2)
        first = []
        for _ in range(5):
            self.assertEqual(1, serve(self.fair, QUANTUM))
            self.fair.add(2)
            first.append(self.fair.next() == 2)
            self.fair.drained(2)
            self.assertEqual(3, serve(self.fair, QUANTUM))
        self.assertEqual([False, False, True, True, True], first)

    def test_debt(self) -> None:
        """A key whose cost exceeds its quantum skips rounds until the others have had as much."""
        for key in (1, 2):
            self.fair.add(key)
        self.assertEqual(1, serve(self.fair, 3 * QUANTUM))
        self.assertEqual([2, 2, 2, 1], [serve(self.fair, QUANTUM) for _ in range(4)])

    def test_debt_outlives_absence(self) -> None:
        """A key in debt that leaves and comes back is still in debt."""
        for key in (1, 2):
            self.fair.add(key)
        self.assertEqual(1, serve(self.fair, 3 * QUANTUM))
        self.fair.drained(1)
        self.assertEqual(2, serve(self.fair, QUANTUM))
        self.fair.add(1)
        self.assertEqual([2, 2, 1], [serve(self.fair, QUANTUM) for _ in range(3)])

    def test_alone(self) -> None:
        """A key without competition is served at once, whatever its debt; the rounds pass for all."""
        self.fair.add(1)
        for cost in (QUANTUM - 1, 1, 1, 100 * QUANTUM, 7.5 * QUANTUM, QUANTUM):
            self.assertEqual(1, serve(self.fair, cost))
        self.fair.add(2)
        self.assertEqual([2, 2, 1, 2, 1], [serve(self.fair, QUANTUM) for _ in range(5)])

    def test_removed(self) -> None:
        """A key that has gone is not served, and one of the same name that comes later starts afresh."""
        for key in (1, 2):
            self.fair.add(key)
        self.assertEqual(1, serve(self.fair, 9 * QUANTUM))
        self.fair.remove(1)
        self.assertEqual([2, 2], [serve(self.fair, QUANTUM) for _ in range(2)])
        self.assertRaises(KeyError, self.fair.credit, 1)
        self.fair.add(1)
        self.assertEqual(1, serve(self.fair, QUANTUM))
        self.fair.drained(1)
        self.fair.remove(1)
        self.assertRaises(KeyError, self.fair.charge, 1, 1)


class PropertyTests(SynchronousTestCase):
    """Properties that hold for every demand."""

    def test_equal_shares(self) -> None:
        """The shares of keys that are always busy differ at no time by more than a quantum and one packet each."""
        for seed in SEEDS:
            random = Random(seed)
            fair: DeficitRoundRobin[int] = DeficitRoundRobin(QUANTUM)
            most = {key: random.choice((40, 100, 1280, 1500, 5000)) for key in range(random.randint(2, 20))}
            for key in most:
                fair.add(key)
            had = Counter(dict.fromkeys(most, 0))
            for _ in range(2000):
                key = serve(fair, 0)
                cost = random.randint(1, most[key])
                fair.charge(key, cost)
                had[key] += cost
                self.assertLessEqual(max(had.values()) - min(had.values()), QUANTUM + max(most.values()))

    def test_wait(self) -> None:
        """Between two turns of a busy key each other key gets at most two quanta and packets, one if always busy."""
        packet = QUANTUM // 2
        for seed in SEEDS:
            random = Random(seed)
            fair: DeficitRoundRobin[int] = DeficitRoundRobin(QUANTUM)
            busy = seed % 2 == 0  # otherwise the others come and go
            since: Counter[int] = Counter()
            for key in range(10):
                fair.add(key)
            for _ in range(2000):
                key = serve(fair, cost := random.randint(1, packet))
                if key:
                    since[key] += cost
                    if not busy and random.random() < 0.5:
                        fair.drained(key)
                elif not busy or fair.credit(key) <= 0:
                    bound = QUANTUM + packet if busy else 2 * (QUANTUM + packet)
                    self.assertLessEqual(max(since.values(), default=0), bound)
                    since.clear()
                if not busy:
                    fair.add(random.randrange(10))

    def test_sparse_wait(self) -> None:
        """A key that needs less than a quantum a round waits for no busy key, however many there are."""
        for seed in SEEDS:
            random = Random(seed)
            fair: DeficitRoundRobin[int] = DeficitRoundRobin(QUANTUM)
            for key in range(1, 100):
                fair.add(key)
            for _ in range(99):
                serve(fair, QUANTUM)
            for _ in range(100):
                for _ in range(random.randint(10, 50)):
                    self.assertNotEqual(0, serve(fair, random.randint(1, 3000)))
                fair.add(0)
                self.assertEqual(0, serve(fair, 8))
                fair.drained(0)

    def test_short_queues(self) -> None:
        """Nor for those that come with less than a quantum each time, which are drained whenever they are served."""
        for seed in SEEDS:
            random = Random(seed)
            fair: DeficitRoundRobin[int] = DeficitRoundRobin(QUANTUM)
            for key in range(1, 100):
                fair.add(key)
                serve(fair, QUANTUM / 2)
            for _ in range(100):
                for _ in range(random.randint(10, 50)):
                    self.assertNotEqual(0, key := serve(fair, random.randint(QUANTUM // 2, QUANTUM)))
                    fair.drained(key)
                    fair.add(key)
                fair.add(0)
                self.assertEqual(0, serve(fair, 8))
                fair.drained(0)

    def test_work_conserving(self) -> None:
        """While any key has something to do, one is served; and only such keys are."""
        for seed in SEEDS:
            random = Random(seed)
            fair: DeficitRoundRobin[int] = DeficitRoundRobin(QUANTUM)
            has: set[int] = set()
            for _ in range(2000):
                key = random.randrange(8)
                match random.choice(("add", "add", "drained", "remove", "serve", "serve", "serve")):
                    case "add":
                        fair.add(key)
                        has.add(key)
                    case "drained":
                        fair.drained(key)
                        has.discard(key)
                    case "remove":
                        fair.remove(key)
                        has.discard(key)
                    case _ if has:
                        self.assertIn(serve(fair, random.randint(1, 3 * QUANTUM)), has)
                    case _:
                        self.assertIsNone(fair.next())
                self.assertEqual((len(has), key in has), (len(fair), key in fair))

    def test_no_gain_by_absence(self) -> None:
        """A key that leaves and comes back, whenever it likes, gets no more than one that stays (RFC 8290 4.2)."""
        packet = 900
        for seed in SEEDS:
            random = Random(seed)
            fair: DeficitRoundRobin[int] = DeficitRoundRobin(QUANTUM)
            had: Counter[int] = Counter()
            for key in (0, 1, 2):
                fair.add(key)
            for _ in range(2000):
                key = serve(fair, 0)
                cost = packet if key == 0 else random.randint(1, packet)
                fair.charge(key, cost)
                had[key] += cost
                if key == 0 and random.random() < 0.9:
                    fair.drained(key)
                if random.random() < 0.5:
                    fair.add(0)
                self.assertLessEqual(had[0], min(had[1], had[2]) + 2 * (QUANTUM + packet))
