"""The rate limit of an identity: a token bucket in bytes for each direction, which the identity's sessions share.

Upward, a session that overdraws the bucket is not read until the debt is paid, so that nothing is lost. Downward,
packets over the rate wait in a queue that holds some milliseconds of the rate, and are dropped if that is full.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..ip.batch import EMPTY, Batch

__all__ = [
    "AS_CONFIGURED",
    "BURST",
    "LATE",
    "QUEUE",
    "SMALLEST_QUEUE",
    "TICK",
    "UNLIMITED",
    "GrantedRate",
    "MaxRate",
    "RateBucket",
    "RateSettings",
    "Shaper",
]

BURST = 0.02
"""Seconds of the rate that a token bucket saves up: its depth, which also makes up for timers that fire late."""

LATE = 0.25
"""Seconds by which a read of what has waited for the rate may come late, as on a busy machine, and lose nothing."""

SMALLEST_BURST = 1500
"""Minimum depth of a token bucket in bytes: a packet."""

TICK = 0.005
"""Seconds of the rate that waiting packets are sent in at a time, so that a low rate takes few timers."""

QUEUE = 0.02
"""Maximum seconds that a packet waits for the rate."""

SMALLEST_QUEUE = 16 * 1024
LARGEST_QUEUE = 2 * 1024 * 1024
"""Bounds in bytes of the packets that wait for one identity: the minimum, for a burst at a low rate; the maximum."""

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class MaxRate:
    """The maximum rates of an identity in bits per second: `up` from its clients, `down` to them; 0 is no limit."""

    up: int = 0
    down: int = 0

    def __bool__(self) -> bool:
        """Return True if there is a limit in either direction."""
        return bool(self.up or self.down)


UNLIMITED = MaxRate()


@dataclass(frozen=True, slots=True)
class GrantedRate:
    """The maximum rates that a login grants, in bits per second; None is that of the settings, 0 is no limit."""

    up: int | None = None
    down: int | None = None

    def over(self, rate: MaxRate) -> MaxRate:
        """Return the maximum rate of an identity for which the settings have `rate`."""
        return MaxRate(rate.up if self.up is None else self.up, rate.down if self.down is None else self.down)


AS_CONFIGURED = GrantedRate()


@dataclass(frozen=True, slots=True)
class RateSettings:
    """The maximum rates as configured: those of the identities that have their own, and that of all others."""

    default: MaxRate = UNLIMITED
    named: Mapping[str, MaxRate] = field(default_factory=dict)

    def of(self, names: Iterable[str]) -> MaxRate:
        """Return the maximum rate of an identity with these names: that of the first name that has its own."""
        return next((self.named[name] for name in names if name in self.named), self.default)


class RateBucket:
    """A token bucket of `rate` bytes per second that can be overdrawn; times are in seconds.

    If there are tokens, a packet or a batch may take more than there are, and leaves a debt. Therefore the
    rate is exact whatever the size of the packets.
    """

    __slots__ = ("_burst", "_paid", "_rate")

    def __init__(self, rate: float) -> None:
        self.change(rate)
        self._paid = float("-inf")
        """The time up to which the rate is used up."""

    def change(self, rate: float) -> None:
        """Change the rate."""
        self._rate = rate
        self._burst = max(BURST, SMALLEST_BURST / rate)

    def rest(self, now: float, late: float = 0.0) -> None:
        """Limit the tokens to the depth, or to those of `late` seconds: nothing has waited for them before that."""
        self._paid = max(self._paid, now - max(self._burst, late))

    def tokens(self, now: float) -> float:
        """Return the tokens in bytes, negative if the bucket is overdrawn."""
        return (now - self._paid) * self._rate

    def charge(self, size: int) -> None:
        """Take `size` tokens."""
        self._paid += size / self._rate

    def wait(self, now: float, earned: float = 0.0) -> float:
        """Return the seconds until the debt is paid, and the tokens of `earned` seconds are there."""
        return max(self._paid + earned - now, 0.0)


class _Queue:
    """Packets in order, and their `size` in bytes."""

    __slots__ = ("_batches", "size")

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self.size = 0

    def add(self, batch: Batch) -> None:
        """Append packets."""
        self._batches.append(batch)
        self.size += len(batch.data)

    def take(self, size: float) -> Batch:
        """Remove and return the packets that begin within the first `size` bytes, at least one."""
        taken: list[Batch] = []
        while self._batches and size > 0:
            batch = self._batches.popleft()
            end = max(bisect_left(batch.bounds, size, 0, len(batch)), 1)
            if end < len(batch):
                self._batches.appendleft(batch.portion(end, len(batch)))
            taken.append(batch.portion(0, end))
            self.size -= batch.bounds[end]
            size -= batch.bounds[end]
        return Batch.joined(taken)


class Shaper(Generic[K]):
    """The packets to the sessions of one identity at `rate` bytes per second; each session is a key.

    A session that has packets waiting gets its turn after all others that have; what may pass is divided equally.
    """

    def __init__(self, rate: float) -> None:
        self._bucket = RateBucket(rate)
        self._queues: dict[K, _Queue] = {}
        """The sessions that have packets waiting, in the order of their turns."""
        self.change(rate)

    def change(self, rate: float) -> None:
        """Change the rate; packets that wait continue to do so."""
        self._bucket.change(rate)
        self._room = int(min(max(rate * QUEUE, SMALLEST_QUEUE), LARGEST_QUEUE))

    def admit(self, key: K, batch: Batch, now: float, memory: int = LARGEST_QUEUE) -> tuple[int, int]:
        """Return how many packets of a batch a session may be sent at once, and how many of those behind them wait.

        The others are to be dropped. At most `memory` bytes wait for this session.
        """
        bucket, bounds = self._bucket, batch.bounds
        passing = 0
        if not self._queues:
            bucket.rest(now)
            # Whole packets, the last of which may leave a debt.
            passing = bisect_left(bounds, bucket.tokens(now), 0, len(batch))
            bucket.charge(bounds[passing])
            if passing == len(batch):
                return passing, 0
        queue = self._queues.get(key)
        room = min(self._room // (len(self._queues) + (queue is None)), memory) - (queue.size if queue else 0)
        end = max(bisect_right(bounds, bounds[passing] + room) - 1, passing)
        if end > passing:
            if queue is None:
                queue = self._queues[key] = _Queue()
            queue.add(batch.portion(passing, end))
        return passing, end - passing

    def release(self, now: float) -> Iterator[tuple[K, Batch]]:
        """Yield the waiting packets that may be sent now, with their sessions."""
        bucket = self._bucket
        share = bucket.tokens(now) / max(len(self._queues), 1)
        while self._queues and bucket.tokens(now) > 0:
            key, queue = next(iter(self._queues.items()))
            batch = queue.take(share)
            bucket.charge(len(batch.data))
            del self._queues[key]
            if queue.size:
                self._queues[key] = queue
            yield key, batch

    def wait(self, now: float) -> float | None:
        """Return the seconds until waiting packets can be released; None if there are none."""
        return self._bucket.wait(now, TICK) if self._queues else None

    def overdrawn(self, now: float) -> bool:
        """Return whether more has been sent than the rate allows so far."""
        return self._bucket.tokens(now) < 0

    def forget(self, key: K) -> Batch:
        """Remove a session, and return the packets that have waited for it."""
        queue = self._queues.pop(key, None)
        return queue.take(queue.size) if queue else EMPTY
