"""Deficit round robin with priority for sparse flows, as in FQ-CoDel (RFC 8290 sections 4.1 and 4.2).

Flows that have used little wait in lists of new flows, which are served first, those that have used least before the
others; busy flows wait in a list of old flows, and receive a quantum when it is their turn. So a flow that needs much
less than its share never waits behind the quanta of the others.

In RFC 8290 every flow that was empty is new when it comes back. With many flows whose queue holds less than a quantum
all would be new, and a sparse flow one among them; hence the order by use, in this round and those before. RFC 8290
keeps a flow from gaining by leaving and coming back in that it passes through the list of old flows first; here a flow
keeps its credit while it is away, and receives more only with the next round. So a flow that sends several packets in a
round, each of which finds it empty, remains sparse.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from math import ldexp
from typing import Generic, TypeVar

__all__ = ["DeficitRoundRobin"]

SPARSE = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
"""Maximum use of a flow in each list of new flows, in quanta; the use of a round counts half in the next."""

K = TypeVar("K", bound=Hashable)


class _Flow(Generic[K]):
    """The state of one flow as of a round, and the list that it waits in; None if it has nothing to do."""

    __slots__ = ("credit", "round", "used", "waits_in")

    def __init__(self, credit: float, now: int) -> None:
        self.credit = credit
        self.used = 0.0
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
        self._new: list[tuple[float, OrderedDict[K, _Flow[K]]]] = [(quantum * part, OrderedDict()) for part in SPARSE]
        """The lists of new flows, each with the most that a flow in it has used."""
        self._old: OrderedDict[K, _Flow[K]] = OrderedDict()
        self._served: OrderedDict[K, _Flow[K]] = OrderedDict()
        """The old flows whose turn is in the next round."""

    def __len__(self) -> int:
        """Return the number of keys that have something to do."""
        return len(self._old) + len(self._served) + sum(len(flows) for _, flows in self._new)

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
        self._append(key, flow)

    def next(self) -> K | None:
        """Return the key to serve now, the same one until its share is used up; None if no key has anything to do."""
        for most, flows in self._new:
            while flows:
                key, flow = next(iter(flows.items()))
                if flow.credit > 0 and flow.used <= most:
                    return key
                self._leave(key, flow)
                self._append(key, flow)
        while self._old or self._served:
            if not self._old:
                self._begin_round()
            key, flow = next(iter(self._old.items()))
            self._refill(flow)
            if flow.credit > 0:
                return key
            self._leave(key, flow)
            self._append(key, flow)
        return None

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
        flow = self._flows[key]
        flow.credit -= cost
        flow.used += cost

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
        rounds = self._round - flow.round
        if rounds:
            flow.credit = min(flow.credit + rounds * self._quantum, self._quantum)
            flow.used = ldexp(flow.used, -rounds)
            flow.round = self._round

    def _append(self, key: K, flow: _Flow[K]) -> None:
        """Have a flow wait in the list for its credit and its use."""
        if flow.credit <= 0:
            flow.waits_in = self._served
        else:
            flow.waits_in = next((flows for most, flows in self._new if flow.used <= most), self._old)
        flow.waits_in[key] = flow

    @staticmethod
    def _leave(key: K, flow: _Flow[K]) -> None:
        if flow.waits_in is not None:
            del flow.waits_in[key]
            flow.waits_in = None
