"""Queues of packets from the host's kernel, one per client, for a server that cannot send as fast as they come.

The clients share the server's time in deficit round robin, those that receive little first (`core/queues/fair.py`). The
cost of serving one is its bytes, plus a fixed cost for the write that carries them. Three rules keep the queues short:

- The queues share a limit in bytes. Each may take as much as the limit leaves free (dynamic thresholds: Choudhury and
  Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998), so that only the longest queues
  lose packets, and one that was empty always finds room.
- A packet that does not fit is dropped by itself, not with the batch that it came in.
- CoDel drops, or marks if it is ECN-capable, a packet at the head of a queue in which packets have waited too long for
  some time (RFC 8289).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable
from typing import Generic, TypeVar

from ..ip.batch import Batch
from ..ip.ecn import marked
from .codel import TARGET, CoDel
from .fair import DeficitRoundRobin

__all__ = ["BATCH_COST", "LIMIT", "QUANTUM", "ROUND", "WRITE_COST", "FairQueues"]

LIMIT = 16 * 1024 * 1024
"""Bytes in all queues."""

BATCH_COST = 1024
"""Bytes that a queued batch counts in addition to its packets, which may be few and short."""

QUANTUM = 64 * 1024
"""Bytes for which a client is served in one round: the length of a superpacket."""

ROUND = 0.015
"""Seconds that a packet may wait because it is the others' turn, and not because too many wait before it.

CoDel disregards this time: a server that shares its processor with other programs waits for it repeatedly.
"""

WRITE_COST = 8 * 1024
"""Bytes that a write costs in addition to its packets: it takes about as long as the encryption of so many."""

K = TypeVar("K", bound=Hashable)


class _Queue:
    """The batches that wait for one client, oldest first, the times at which they came, and their bytes."""

    __slots__ = ("codel", "late", "size", "times", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Batch] = []
        self.times: list[float] = []
        self.size = 0
        self.codel = CoDel()
        self.late = False
        """True if CoDel has judged the last batch: it waited longer than ROUND and CoDel's TARGET."""


class FairQueues(Generic[K]):
    """The queues of the clients, by key; times are in seconds of a clock that never goes back."""

    __slots__ = ("_limit", "_order", "_queues", "size")

    def __init__(self, limit: int = LIMIT) -> None:
        self.size = 0
        """Bytes that wait in all queues, each batch with its BATCH_COST."""
        self._limit = limit
        self._order: DeficitRoundRobin[K] = DeficitRoundRobin(QUANTUM)
        self._queues: dict[K, _Queue] = {}

    def add(self, key: K, batch: Batch, now: float) -> int:
        """Queue a client's packets, at least one, from the first on while they fit; return how many are dropped."""
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = _Queue()
        size = len(batch.data) + BATCH_COST
        room = self._limit - self.size - queue.size
        dropped = 0
        if size > room:
            taken = max(bisect_right(batch.bounds, room - BATCH_COST) - 1, 0)
            dropped = len(batch) - taken
            if not taken:
                return dropped
            batch = batch.portion(0, taken)
            size = len(batch.data) + BATCH_COST
        if not queue.waiting:
            self._order.add(key)
        queue.waiting.append(batch)
        queue.times.append(now)
        queue.size += size
        self.size += size
        return dropped

    def take(self, now: float) -> tuple[K, Batch, int] | None:
        """Return the client to serve, its packets, at least one, and how many were dropped; None if none waits."""
        order = self._order
        key = order.next()
        if key is None:
            return None
        queue = self._queues[key]
        waiting = queue.waiting
        before = queue.size
        dropped = 0
        if queue.late or now - queue.times[0] >= ROUND + TARGET or before > order.credit(key):
            waiting, dropped = self._head(queue, order.credit(key), now)
        else:
            queue.waiting, queue.times, queue.size = [], [], 0
        self.size -= before - queue.size
        batch = Batch.joined(waiting)
        order.charge(key, len(batch.data) + WRITE_COST)
        if not queue.waiting:
            order.drained(key)
        return key, batch, dropped

    def _head(self, queue: _Queue, credit: float, now: float) -> tuple[list[Batch], int]:
        """Remove and return the batches for one write, at least one, and how many packets were dropped from them."""
        taken: list[Batch] = []
        cost, dropped = WRITE_COST, 0
        number = 0
        for batch, since in zip(queue.waiting, queue.times, strict=True):
            if taken and cost >= credit:
                break
            number += 1
            queue.size -= len(batch.data) + BATCH_COST
            sojourn = now - since - ROUND
            late = sojourn >= TARGET
            if late or queue.late:
                queue.late = late
                left = self._controlled(queue, batch, sojourn, now)
                dropped += len(batch) - len(left)
                batch = left
            if batch:
                taken.append(batch)
                cost += len(batch.data)
        del queue.waiting[:number], queue.times[:number]
        return taken, dropped

    @staticmethod
    def _controlled(queue: _Queue, batch: Batch, sojourn: float, now: float) -> Batch:
        """Return what CoDel leaves of a batch that leaves a queue."""
        bounds = batch.bounds
        first = 0
        while first < len(batch) and queue.codel.signals(sojourn, now, queue.size + bounds[-1] - bounds[first + 1]):
            first += 1
            if mark := marked(batch.data[bounds[first - 1] : bounds[first]]):
                start = bounds[first - 1]
                data = mark + batch.data[bounds[first] :]
                return Batch(data, [bound - start for bound in bounds[first - 1 :]])
        if not first:
            return batch
        start = bounds[first]
        return Batch(batch.data[start:], [bound - start for bound in bounds[first:]])

    def remove(self, key: K) -> int:
        """Forget a client that has left; return the number of its packets, which are dropped."""
        queue = self._queues.pop(key, None)
        if queue is None:
            return 0
        self._order.remove(key)
        self.size -= queue.size
        return sum(map(len, queue.waiting))

    def __len__(self) -> int:
        """Return the number of clients that have packets."""
        return len(self._order)
