"""Tests for iphttps.core.queues.fair_queues."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip import ecn, ipv6
from iphttps.core.ip.batch import Batch
from iphttps.core.queues.codel import INTERVAL, TARGET
from iphttps.core.queues.fair_queues import BATCH_COST, QUANTUM, ROUND, WRITE_COST, FairQueues
from tests.support import PRIVATE_HOST, udp

LONG = 1280
SUPERPACKET = 50
"""Packets of LONG bytes."""

MOST_IN_A_VISIT = QUANTUM + SUPERPACKET * LONG + WRITE_COST


def packets(number: int, first: int = 0, size: int = LONG) -> Batch:
    """Return packets that contain their serial numbers."""
    return Batch.of([serial.to_bytes(4) * (size // 4) for serial in range(first, first + number)])


def serials(batch: Batch) -> list[int]:
    """Return the serial numbers of packets."""
    return [int.from_bytes(packet[:4]) for packet in batch]


def drained(queues: FairQueues[str], now: float = 0.0) -> list[tuple[str, Batch, int]]:
    """Take until nothing waits."""
    taken = []
    while each := queues.take(now):
        taken.append(each)
    return taken


class OrderTests(SynchronousTestCase):
    """The order of service."""

    def setUp(self) -> None:
        """Have no packets."""
        self.queues: FairQueues[str] = FairQueues()

    def test_empty(self) -> None:
        """If nothing waits, nobody is served."""
        self.assertIsNone(self.queues.take(0.0))
        self.assertEqual((0, 0), (len(self.queues), self.queues.size))

    def test_at_once(self) -> None:
        """Short batches of a client leave together, in one write."""
        for first in range(3):
            self.queues.add("a", packets(2, 2 * first, 100), 0.0)
        self.assertEqual([("a", packets(6, 0, 100), 0)], drained(self.queues))
        self.assertEqual((0, 0), (len(self.queues), self.queues.size))

    def test_single_packets(self) -> None:
        """Single packets leave together as well."""
        for first in range(3):
            self.queues.add("a", packets(1, first), 0.0)
        self.assertEqual([("a", packets(3), 0)], drained(self.queues))

    def test_sparse_first(self) -> None:
        """A client with a single packet overtakes what waits for busy clients (RFC 8290 section 4.1)."""
        for first in range(20):
            for busy in ("a", "b", "c"):
                self.queues.add(busy, packets(SUPERPACKET, SUPERPACKET * first), 0.0)
        for _ in range(6):  # more than what new clients may send ahead of the others
            self.queues.take(0.0)
        self.queues.add("ping", packets(1, size=64), 0.0)
        served = self.queues.take(0.0)
        self.assertEqual(("ping", packets(1, size=64), 0), served)

    def test_equal_shares(self) -> None:
        """Clients that always have packets get equal shares, whatever the length of their packets and batches."""
        sizes = {"single": (1, LONG), "short": (64, 100), "long": (SUPERPACKET, LONG), "bulk": (200, LONG)}
        served = dict.fromkeys(sizes, 0)
        for _ in range(4000):
            for key, (number, size) in sizes.items():
                self.queues.add(key, packets(number, 0, size), 0.0)
            taken = self.queues.take(0.0)
            assert taken
            served[taken[0]] += len(taken[1].data) + WRITE_COST
        self.assertLess(max(served.values()), 1.02 * min(served.values()))

    @given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, SUPERPACKET)), min_size=1, max_size=80))
    def test_no_long_wait(self, arrivals: list[tuple[str, int]]) -> None:
        """Between two turns of a client that waits, no other gets more than its quantum and what a batch exceeds it."""
        queues: FairQueues[str] = FairQueues()
        for key, number in arrivals:
            queues.add(key, packets(number), 0.0)
        order = [(key, len(batch.data)) for key, batch, _ in drained(queues)]
        for key in {key for key, _ in arrivals}:
            meanwhile: dict[str, int] = {}
            last = max(index for index, (served, _) in enumerate(order) if served == key)
            for served, size in order[: last + 1]:
                if served == key:
                    meanwhile.clear()
                else:
                    meanwhile[served] = meanwhile.get(served, 0) + size
                    self.assertLessEqual(meanwhile[served], 2 * MOST_IN_A_VISIT)

    @given(
        st.lists(
            st.one_of(st.tuples(st.sampled_from("abc"), st.integers(1, 9), st.integers(10, 400)), st.none()),
            max_size=100,
        )
    )
    def test_nothing_lost(self, steps: list[tuple[str, int, int] | None]) -> None:
        """The packets of each client leave in order, and each is sent or counted as dropped; None takes a turn."""
        queues: FairQueues[str] = FairQueues(limit=40_000)
        counts, sent, dropped = (dict.fromkeys("abc", 0) for _ in range(3))
        last = dict.fromkeys("abc", -1)
        now = 0.0

        def took(taken: tuple[str, Batch, int]) -> None:
            key, batch, lost = taken
            self.assertTrue(batch)
            for serial in serials(batch):
                self.assertGreater(serial, last[key])
                last[key] = serial
            sent[key] += len(batch)
            dropped[key] += lost

        for step in steps:
            now += 0.02
            if step:
                key, number, size = step
                dropped[key] += queues.add(key, packets(number, counts[key], 4 * size), now)
                counts[key] += number
            elif taken := queues.take(now):
                took(taken)
        for taken in drained(queues, now):
            took(taken)
        self.assertEqual(counts, {key: sent[key] + dropped[key] for key in counts})
        self.assertEqual((0, 0), (queues.size, len(queues)))

    def test_gone(self) -> None:
        """The packets of a client that has left are forgotten, and counted; those of others are not concerned."""
        for key in "ab":
            self.queues.add(key, packets(3), 0.0)
            self.queues.add(key, packets(2), 0.0)
        self.assertEqual([5, 0, 0], [self.queues.remove(key) for key in ("a", "a", "stranger")])
        self.assertEqual([("b", Batch.joined([packets(3), packets(2)]), 0)], drained(self.queues))
        self.assertEqual(0, self.queues.size)


class LimitTests(SynchronousTestCase):
    """The bound on the bytes that wait."""

    limit = 100_000

    @given(
        st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 60), st.integers(25, 375)), max_size=200),
    )
    def test_limit(self, arrivals: list[tuple[str, int, int]]) -> None:
        """The limit holds, and a client loses packets only if as much waits for it as is still free."""
        queues: FairQueues[str] = FairQueues(self.limit)
        sizes = dict.fromkeys("abcdefgh", 0)
        for key, number, words in arrivals:
            free = self.limit - queues.size
            before = queues.size
            dropped = queues.add(key, packets(number, 0, 4 * words), 0.0)
            sizes[key] += queues.size - before
            self.assertLessEqual(queues.size, self.limit)
            if dropped:
                self.assertGreater(sizes[key] + 4 * words + 2 * BATCH_COST, free - (queues.size - before))

    def test_fattest_loses(self) -> None:
        """A flood to one client takes no packet of the others."""
        queues: FairQueues[str] = FairQueues(self.limit)
        lost = 0
        for _ in range(200):
            lost += queues.add("flooded", packets(20), 0.0)
            self.assertEqual(0, queues.add("sparse", packets(1), 0.0))
            queues.take(0.0)
        self.assertGreater(lost, 100)

    def test_part_fits(self) -> None:
        """Of a batch that does not fit, the first packets are queued and the others dropped."""
        queues: FairQueues[str] = FairQueues(2 * (BATCH_COST + 3 * LONG))
        self.assertEqual(0, queues.add("a", packets(1), 0.0))
        self.assertEqual(7, queues.add("a", packets(10, 1), 0.0))
        self.assertEqual([[0, 1, 2, 3]], [serials(batch) for _, batch, _ in drained(queues)])

    def test_none_fits(self) -> None:
        """If not even the first packet fits, all are dropped."""
        queues: FairQueues[str] = FairQueues(BATCH_COST)
        self.assertEqual(2, queues.add("a", packets(2), 0.0))
        self.assertEqual([], drained(queues))


class DelayTests(SynchronousTestCase):
    """CoDel on each queue."""

    def test_dropped_at_the_head(self) -> None:
        """A packet is dropped once all have waited longer than ROUND and TARGET for INTERVAL, and it is the oldest."""
        queues: FairQueues[str] = FairQueues()
        dropped = []
        now, serial = 0.0, 0
        while now < 2 * INTERVAL:
            while serial < 400 + 60_000 * now:  # of which 50,000 are taken
                queues.add("a", packets(SUPERPACKET, serial), now - ROUND - 4 * TARGET)
                serial += SUPERPACKET
            taken = queues.take(now)
            assert taken
            if taken[2]:
                dropped.append((round(now, 3), taken[2]))
                self.assertEqual(1, taken[2])
            now += 0.001
        self.assertGreaterEqual(dropped[0][0], INTERVAL)
        self.assertLess(len(dropped), 10)

    def test_whole_batch(self) -> None:
        """A batch whose only packet is dropped does not count as served."""
        queues: FairQueues[str] = FairQueues()
        for serial in range(4):
            queues.add("a", packets(1, 4 * serial), 0.0)
            for each in range(1, 4):
                queues.add("b", packets(1, 4 * serial + each), 0.0)
        for serial in range(16, 400):
            queues.add("a", packets(1, serial), 0.0)
        seen: list[int] = []
        total = 0
        now = 1.0
        while taken := queues.take(now):
            key, batch, dropped = taken
            self.assertTrue(batch)
            if key == "a":
                seen += serials(batch)
                total += dropped
            now += INTERVAL
        self.assertGreater(total, 0)
        self.assertEqual(388, len(seen) + total)

    def test_marked(self) -> None:
        """An ECN-capable packet is marked instead (RFC 3168 section 5)."""
        capable = bytearray(udp(PRIVATE_HOST, "2001:db8:2::a"))
        capable[1] |= ecn.ECT_0 << 4
        queues: FairQueues[str] = FairQueues()
        for _ in range(60):
            queues.add("a", Batch.of([bytes(capable)] * 100), 0.0)
        marks = lost = 0
        now = 1.0
        while taken := queues.take(now):
            marks += sum(ecn.codepoint(packet) == ecn.CE for packet in taken[1])
            self.assertTrue(all(packet[ipv6.SOURCE :] == capable[ipv6.SOURCE :] for packet in taken[1]))
            lost += taken[2]
            now += INTERVAL
        self.assertEqual(0, lost)
        self.assertGreater(marks, 1)

    def test_quick(self) -> None:
        """A packet that leaves within ROUND and TARGET is neither dropped nor marked, also after a delay."""
        queues: FairQueues[str] = FairQueues()
        queues.add("a", packets(SUPERPACKET), 0.0)
        queues.take(ROUND + TARGET)
        for _ in range(100):
            queues.add("a", packets(SUPERPACKET), 1.0)
        self.assertEqual(0, sum(dropped for _, _, dropped in drained(queues, 1.0 + ROUND + 0.9 * TARGET)))
