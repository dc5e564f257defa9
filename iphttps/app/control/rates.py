"""The rates of the server's clients: bits per second in each direction, over the last seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from ...core.counters import Counters
from ...net.stream.poller import Poller
from .status import Value

__all__ = ["INTERVAL", "Rated", "Rates"]

INTERVAL = 5.0
"""Seconds between two readings of the counters; a rate is the average since the reading before the last."""


@dataclass(frozen=True, slots=True)
class Rated:
    """A client whose rates are measured: its `number`, its `counters`, and the time at which it connected."""

    number: int
    counters: Counters
    since: float


class Rates(Poller):
    """Reads the counters of all clients at intervals; `clients` returns the clients."""

    def __init__(self, clock: IReactorTime, clients: Callable[[], Iterable[Rated]]) -> None:
        super().__init__(clock, INTERVAL)
        self._clock = clock
        self._clients = clients
        self._before: dict[int, tuple[float, int, int]] = {}
        self._last: dict[int, tuple[float, int, int]] = {}

    def look(self) -> None:
        """Read the counters; forget those of disconnected clients."""
        now = self._clock.seconds()
        self._before = self._last
        self._last = {
            client.number: (now, client.counters.bytes_in, client.counters.bytes_out) for client in self._clients()
        }

    def of(self, client: Rated) -> Value:
        """Return the rates of a client in bits per second, over the last 5 to 10 seconds or since it connected."""
        then, bytes_in, bytes_out = self._before.get(client.number, (client.since, 0, 0))
        seconds = max(self._clock.seconds() - then, 1.0)
        counters = client.counters
        return {
            "in": round(8 * (counters.bytes_in - bytes_in) / seconds),
            "out": round(8 * (counters.bytes_out - bytes_out) / seconds),
        }
