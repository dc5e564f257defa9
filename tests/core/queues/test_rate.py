"""Tests for iphttps.core.queues.rate, in virtual time."""

from __future__ import annotations

from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip.batch import EMPTY, Batch
from iphttps.core.queues.rate import (
    BURST,
    QUEUE,
    SMALLEST_QUEUE,
    TICK,
    GrantedRate,
    MaxRate,
    RateBucket,
    RateSettings,
    Shaper,
)

SECONDS = 5.0
"""The time in which a rate is to be exact to EXACT."""

EXACT = 0.05

SIZES = (64, 1280, 9000, 65535)
"""The sizes of packets."""

RATES = (1_000_000, 2_500_000, 125_000_000)
"""Rates in bytes per second: 8 Mbit/s, 20 Mbit/s, 1 Gbit/s."""


def packets(size: int, total: int) -> Batch:
    """Return a batch of packets of one size, about `total` bytes, at least one."""
    number = max(total // size, 1)
    return Batch(bytes(size * number), range(0, size * number + 1, size))


class Host:
    """Sends more than its share to the sessions of one identity: each of them gets a batch each two milliseconds."""

    def __init__(self, shaper: Shaper[str], batches: dict[str, Batch], step: float = 0.002) -> None:
        self.shaper = shaper
        self.batches = batches
        self.sent = dict.fromkeys(batches, 0)
        self.step = step

    def run(self, begin: float, seconds: float) -> None:
        """Send for so long, and release what waits when it is due."""
        for turn in count():
            now = begin + turn * self.step
            if now >= begin + seconds:
                return
            if self.shaper.wait(now) == 0.0:
                for key, batch in self.shaper.release(now):
                    self.sent[key] += len(batch.data)
            for key, batch in self.batches.items():
                passing, waiting = self.shaper.admit(key, batch, now)
                assert passing + waiting <= len(batch)
                self.sent[key] += batch.bounds[passing]

    @property
    def total(self) -> int:
        """The bytes sent to all sessions."""
        return sum(self.sent.values())


class DownwardTests(SynchronousTestCase):
    """Packets to clients, over the rate of their identity."""

    def test_exact(self) -> None:
        """The rate is exact to 5 % over five seconds, whatever the size of the packets and of the batches."""
        for rate in RATES:
            for size in SIZES:
                for batch in (packets(size, int(rate * 0.004)), packets(size, 65536)):
                    if len(batch.data) < rate * 0.0022:
                        continue  # less than the rate
                    host = Host(Shaper(rate), {"one": batch})
                    host.run(100.0, SECONDS)
                    self.assertApproximates(1.0, host.total / rate / SECONDS, EXACT, f"{rate} {size}")

    def test_low(self) -> None:
        """A rate of 100 kbit/s is exact as well, with packets of the link's MTU."""
        host = Host(Shaper(12500.0), {"one": packets(1280, 1280)})
        host.run(100.0, SECONDS)
        self.assertApproximates(1.0, host.total / 12500 / SECONDS, EXACT)

    def test_shared(self) -> None:
        """Two sessions of one identity have the rate together, in equal parts, also if one is sent much more."""
        rate = 2_500_000
        host = Host(Shaper(rate), {"one": packets(1280, 10_000), "two": packets(200, 50_000)})
        host.run(100.0, SECONDS)
        self.assertApproximates(1.0, host.total / rate / SECONDS, EXACT)
        for sent in host.sent.values():
            self.assertApproximates(0.5, sent / host.total, EXACT)

    def test_late(self) -> None:
        """Timers that fire late take nothing from the rate."""
        rate = 2_500_000
        host = Host(Shaper(rate), {"one": packets(1280, 150_000)}, step=0.019)
        host.run(100.0, SECONDS)
        self.assertApproximates(1.0, host.total / rate / SECONDS, EXACT)

    def test_below(self) -> None:
        """A session below the rate is neither delayed nor limited."""
        shaper: Shaper[str] = Shaper(2_500_000)
        for turn in range(1000):
            now = 100.0 + turn / 1000
            self.assertEqual((1, 0), shaper.admit("one", packets(1280, 1280), now))
            self.assertIsNone(shaper.wait(now))

    def test_order(self) -> None:
        """Packets pass whole and in order; those that find no room are the last ones of their batch."""
        shaper: Shaper[str] = Shaper(100_000)
        sent = Batch.of(bytes([number]) * 1000 for number in range(40))
        passing, waiting = shaper.admit("one", sent, 100.0)
        self.assertEqual((2, SMALLEST_QUEUE // 1000), (passing, waiting))
        self.assertEqual((0, 0), shaper.admit("one", packets(1000, 1), 100.0))
        self.assertEqual((0, 1), shaper.admit("one", packets(300, 1), 100.0))
        self.assertEqual([], list(shaper.release(100.0)))
        came = []
        for turn in range(1, 200):
            for key, batch in shaper.release(100.0 + turn / 100):
                self.assertEqual("one", key)
                came += list(batch)
        self.assertEqual([*list(sent)[passing : passing + waiting], bytes(300)], came)
        self.assertIsNone(shaper.wait(102.0))

    def test_delay(self) -> None:
        """No packet waits longer than QUEUE, or at a low rate than SMALLEST_QUEUE takes, and for the next release."""
        for rate in (500_000, 2_500_000, 12_500_000):
            shaper: Shaper[str] = Shaper(rate)
            shaper.admit("one", packets(1000, 1 << 20), 100.0)
            longest = max(QUEUE, SMALLEST_QUEUE / rate) + BURST
            now = 100.0
            while (wait := shaper.wait(now)) is not None:
                now += max(wait, 1e-6)
                list(shaper.release(now))
            self.assertLessEqual(now - 100.0, longest)

    def test_memory(self) -> None:
        """If memory is short, fewer packets wait."""
        shaper: Shaper[str] = Shaper(2_500_000)
        passing, waiting = shaper.admit("one", packets(1000, 1 << 20), 100.0, 5500)
        self.assertEqual(5, waiting)
        self.assertEqual((0, 0), shaper.admit("one", packets(1000, 1 << 20), 100.0, 0))
        self.assertEqual((True, 50), (shaper.overdrawn(99.99), passing))

    def test_room_shared(self) -> None:
        """The room is for all sessions of an identity together, so that more of them do not delay each other more."""
        shaper: Shaper[str] = Shaper(2_500_000)
        waiting = [shaper.admit(key, packets(1000, 1 << 20), 100.0)[1] for key in ("one", "two", "three", "two")]
        self.assertEqual([50, 25, 16, 0], waiting)

    def test_forget(self) -> None:
        """The packets of a session that ends are given back, and do not pass any more; the others' do."""
        shaper: Shaper[str] = Shaper(100_000)
        first, second = (Batch.of([bytes([number]) * 1000] * 5) for number in (1, 2))
        passing, waiting = shaper.admit("one", first, 100.0)
        shaper.admit("two", second, 100.0)
        self.assertEqual(first.portion(passing, passing + waiting), shaper.forget("one"))
        self.assertEqual(EMPTY, shaper.forget("one"))
        self.assertEqual({"two"}, {key for key, _ in shaper.release(101.0)})

    def test_change(self) -> None:
        """Another rate is in force at once, for the packets that wait, too."""
        shaper: Shaper[str] = Shaper(100_000)
        host = Host(shaper, {"one": packets(1280, 10_000)})
        host.run(100.0, 1.0)
        before = host.total
        shaper.change(1_000_000)
        host.run(101.0, SECONDS)
        self.assertApproximates(1.0, (host.total - before) / 1_000_000 / SECONDS, EXACT)

    @settings(deadline=None)
    @given(
        st.sampled_from(RATES),
        st.lists(st.tuples(st.integers(0, 40), st.sampled_from("abc"), st.sampled_from(SIZES), st.integers(1, 99))),
    )
    def test_bound(self, rate: int, offers: list[tuple[int, str, int, int]]) -> None:
        """In any time no more passes than the depth, the rate times this time, and one packet; nothing is reordered."""
        shaper: Shaper[str] = Shaper(rate)
        now, sent = 100.0, [(100.0, 0)]
        for pause, key, size, number in offers:
            now += pause / 1000
            released = sum(len(batch.data) for _, batch in shaper.release(now))
            batch = packets(size, size * number)
            sent.append((now, released + batch.bounds[shaper.admit(key, batch, now)[0]]))
        for first, (since, _) in enumerate(sent):
            total = 0
            for until, size in sent[first:]:
                total += size
                late = TICK + 0.040  # what a release that comes late makes up for
                self.assertLessEqual(total, rate * (BURST + late + until - since) + 65535 + 1)


class UpwardTests(SynchronousTestCase):
    """Packets from clients, whose connections are not read while there is a debt."""

    def upload(self, rate: float, sizes: list[int], readers: int = 1, late: float = 0.0) -> list[int]:
        """Read from connections that always have something, as often as the bucket allows; return the bytes of each.

        Each read brings as much as the next of `sizes`; the timers are late by so many seconds.
        """
        bucket = RateBucket(rate)
        now, read, turn = 100.0, [0] * readers, 0
        while now < 100.0 + SECONDS:
            bucket.rest(now)
            for reader in range(readers):
                size = sizes[turn % len(sizes)]
                turn += 1
                bucket.charge(size)
                read[reader] += size
            if bucket.tokens(now) < 0:
                now += bucket.wait(now, TICK) + late
        return read

    def test_exact(self) -> None:
        """The rate is exact to 5 % over five seconds, whatever a read brings, one packet or 64 kB."""
        for rate in RATES[:2]:
            for size in SIZES:
                (read,) = self.upload(rate, [size, 1280, size])
                self.assertApproximates(1.0, read / rate / SECONDS, EXACT, f"{rate} {size}")

    def test_shared(self) -> None:
        """Two sessions of one identity have the rate together, in equal parts."""
        for sizes in ([1280], [64, 65535, 1280]):
            read = self.upload(2_500_000, sizes, 2)
            self.assertApproximates(1.0, sum(read) / 2_500_000 / SECONDS, EXACT)
            self.assertApproximates(0.5, read[0] / sum(read), EXACT)

    def test_late(self) -> None:
        """Timers that fire late take nothing from the rate."""
        (read,) = self.upload(2_500_000, [1280], late=0.010)
        self.assertApproximates(1.0, read / 2_500_000 / SECONDS, EXACT)

    def test_rest(self) -> None:
        """A rest, however long, earns the depth and no more; at a low rate that is a packet."""
        for rate, depth in ((1_000_000, 20_000), (10_000, 1500)):
            bucket = RateBucket(rate)
            for now in (100.0, 1e6):
                bucket.rest(now)
                self.assertApproximates(depth, bucket.tokens(now), 1)
                bucket.charge(depth + rate)
                self.assertApproximates(1.0, bucket.wait(now), 1e-3)


class SettingsTests(SynchronousTestCase):
    """The rate of each identity."""

    def test_of(self) -> None:
        """The first name that has its own rate counts, also if that is no limit; otherwise the default."""
        slow, none, default = MaxRate(1, 2), MaxRate(), MaxRate(3, 3)
        rates = RateSettings(default, {"slow": slow, "none": none})
        self.assertEqual(
            [slow, none, none, default, default],
            [rates.of(names) for names in (("slow", "none"), ("none",), ("x", "none", "slow"), ("x",), ())],
        )
        self.assertEqual(MaxRate(1, 7), GrantedRate(None, 7).over(slow))
        self.assertEqual(MaxRate(0, 2), GrantedRate(0).over(slow))
        self.assertEqual([True, True, False], [bool(rate) for rate in (slow, MaxRate(0, 1), none)])
