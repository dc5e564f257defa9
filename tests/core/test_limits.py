"""Tests for iphttps.core.limits; rates are powers of two, so that times are exact."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.limits import TokenBucket


def passed(bucket: TokenBucket, *times: float) -> list[float]:
    """Return at which of these times something was let through."""
    return [now for now in times if bucket.take(now)]


class TokenBucketTests(SynchronousTestCase):
    """A token bucket, the way to limit a rate that RFC 4443 section 2.4 (f) recommends."""

    def test_burst(self) -> None:
        """So many are let through at once after a rest, and no more (RFC 4443 section 2.4 (f))."""
        self.assertEqual([100.0] * 3, passed(TokenBucket(2.0, 3.0), *[100.0] * 10))

    def test_rate(self) -> None:
        """Then one passes whenever its share of a second is over, not a moment earlier (RFC 4443 section 2.4 (f))."""
        bucket = TokenBucket(2.0, 1.0)
        times = [100.0 + tick / 8 for tick in range(13)]
        self.assertEqual([100.0, 100.5, 101.0, 101.5], passed(bucket, *times))

    def test_rest(self) -> None:
        """A rest, however long, earns the burst and no more (RFC 4443 section 2.4 (f))."""
        bucket = TokenBucket(2.0, 3.0)
        passed(bucket, *[100.0] * 3)
        self.assertEqual([101.0] * 2, passed(bucket, *[101.0] * 9))
        self.assertEqual([1e6] * 3, passed(bucket, *[1e6] * 9))

    def test_refusal_costs_nothing(self) -> None:
        """Continued requests get the full rate: rejected ones are not counted (RFC 4443 section 2.4 (f))."""
        bucket = TokenBucket(1.0, 1.0)
        times = [100.0 + tick / 1024 for tick in range(3 * 1024 + 1)]
        self.assertEqual([100.0, 101.0, 102.0, 103.0], passed(bucket, *times))

    @given(st.integers(0, 6), st.integers(1, 20), st.lists(st.integers(0, 64), max_size=200))
    def test_bound(self, power: int, burst: int, pauses: list[int]) -> None:
        """In any time no more pass than the burst and the rate times this time (RFC 4443 section 2.4 (f))."""
        rate = 2.0**power
        bucket = TokenBucket(rate, burst)
        now, times = 100.0, []
        for pause in pauses:
            now += pause / 64
            times += passed(bucket, now)
        for first, since in enumerate(times):
            for last in range(first, len(times)):
                self.assertLessEqual(last - first + 1, burst + rate * (times[last] - since))
