"""Deficit round robin with priority for sparse flows, as in FQ-CoDel (RFC 8290 sections 4.1 and 4.2).

Flows that have become busy wait in a list of new flows, which is served first; flows that have used up their quantum
wait in a list of old flows, and receive the next quantum when it is their turn. So a flow that needs less than its
share never waits behind the quanta of the busy ones.

RFC 8290 moves a flow that becomes empty from the new list to the old list, so that it cannot gain by leaving and coming
back; until the round has passed, it waits like a busy flow. Here a flow keeps its remaining credit instead while it is
away, and receives more only with the next round. It cannot gain either, and a flow that sends several packets in a
round, each of which finds it empty, keeps its priority while its quantum lasts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["DeficitRoundRobin"]

K = TypeVar("K", bound=Hashable)


class _Flow(Generic[K]):
    """The credit of one flow, as of a round, and the list that it waits in; None if it has nothing to do."""

    __slots__ = ("credit", "round", "waits_in")

    def __init__(self, credit: float, now: int) -> None:
        self.credit = credit
        self.round = now
        self.waits_in: OrderedDict[K, _Flow[K]] | None = None


class DeficitRoundRobin(Generic[K]):
    """The order in which keys that have something to do are served: each key is a flow, and gets a quantum per round.

    The owner calls `add` when a key has something to do, serves the key that `next` returns, calls `charge` with the
    cost, and `drained` once that key has nothing left; `remove` forgets a key. A cost is in any unit, that of
    `quantum`; it may exceed the quantum, and the key then skips rounds until the debt is paid. Each call takes constant
    time; `next` takes one step more for each quantum that was charged before.
    """

    __slots__ = ("_flows", "_new", "_old", "_quantum", "_round", "_served")

    def __init__(self, quantum: float) -> None:
        self._quantum = quantum
        self._round = 0
        self._flows: dict[K, _Flow[K]] = {}
        self._new: OrderedDict[K, _Flow[K]] = OrderedDict()
        self._old: OrderedDict[K, _Flow[K]] = OrderedDict()
        self._served: OrderedDict[K, _Flow[K]] = OrderedDict()
        """The old flows whose turn is in the next round."""

    def __len__(self) -> int:
        """Return the number of keys that have something to do."""
        return len(self._new) + len(self._old) + len(self._served)

    def __contains__(self, key: K) -> bool:
        """Return whether the key has something to do."""
        flow = self._flows.get(key)
        return flow is not None and flow.waits_in is not None

    def add(self, key: K) -> None:
        """Note that a key has something to do; without effect if that is known."""
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = _Flow(self._quantum, self._round)
        elif flow.waits_in is not None:
            return
        else:
            self._refill(flow)
        self._append(key, flow, self._new if flow.credit > 0 else self._served)

    def next(self) -> K | None:
        """Return the key to serve now, the same one until its quantum is used up; None if no key has anything to do."""
        while True:
            if self._new:
                key, flow = next(iter(self._new.items()))
            elif self._old:
                key, flow = next(iter(self._old.items()))
                self._refill(flow)
            elif self._served:
                self._begin_round()
                continue
            else:
                return None
            if flow.credit > 0:
                return key
            self._leave(key, flow)
            self._append(key, flow, self._served)

    def credit(self, key: K) -> float:
        """Return what the key that `next` returned may still use of its quantum in this round.

        Raises:
            KeyError: The key is unknown.
        """
        return self._flows[key].credit

    def charge(self, key: K, cost: float) -> None:
        """Charge the cost of serving a key.

        Raises:
            KeyError: The key is unknown.
        """
        self._flows[key].credit -= cost

    def drained(self, key: K) -> None:
        """Note that a key has nothing to do any more; without effect if that is known. Its credit is kept."""
        flow = self._flows.get(key)
        if flow is not None:
            self._leave(key, flow)

    def remove(self, key: K) -> None:
        """Forget a key that has gone, if it is known."""
        flow = self._flows.pop(key, None)
        if flow is not None:
            self._leave(key, flow)

    def _begin_round(self) -> None:
        self._old, self._served = self._served, self._old
        self._round += 1
        if len(self._old) == 1:  # as many rounds as it takes to pay its debt
            (flow,) = self._old.values()
            self._round += int(-flow.credit // self._quantum)

    def _refill(self, flow: _Flow[K]) -> None:
        """Add a quantum for each round that has begun since the last time, up to one quantum in all."""
        if flow.round < self._round:
            flow.credit = min(flow.credit + (self._round - flow.round) * self._quantum, self._quantum)
            flow.round = self._round

    @staticmethod
    def _append(key: K, flow: _Flow[K], to: OrderedDict[K, _Flow[K]]) -> None:
        to[key] = flow
        flow.waits_in = to

    @staticmethod
    def _leave(key: K, flow: _Flow[K]) -> None:
        if flow.waits_in is not None:
            del flow.waits_in[key]
            flow.waits_in = None
