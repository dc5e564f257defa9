"""The way from the devices to the clients: packets wait per client, and a bounded part is sent in each reactor turn.

A device is read before its kernel queue fills, where the packets of all clients wait in one line. As long as the
clients take everything in the turn in which it is read, nothing waits. Once something is left, the devices are read
and the clients are served in turns of bounded length, in between those of the connections, until all is sent.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ..core.counters import Counters
from ..core.errors import DropReason
from ..core.ip.batch import Batch
from ..core.queues.fair_queues import WRITE_COST, FairQueues

__all__ = ["TURN", "Downlink", "Receiver", "Source"]

TURN = 1024 * 1024
"""Bytes sent per reactor turn, each write with its WRITE_COST, after which no further client is served.

They take a millisecond or two. A limit in time alone would leave next to nothing where the server shares its processor.
"""

LONGEST = 0.004
"""Maximum seconds by which a turn is longer, where the rest of the reactor's work takes as long: each direction gets
half of the time at least.
"""


class Connection(Protocol):
    """A client's connection."""

    def send(self, batch: Batch) -> None: ...


class Receiver(Protocol):
    """A client: the entry of a service's table."""

    def __hash__(self) -> int: ...
    @property
    def connection(self) -> Connection: ...
    @property
    def counters(self) -> Counters: ...


class Source(Protocol):
    """A reader of a device."""

    def read(self) -> None:
        """Read the device, and have the packets added."""

    def watch(self, *, readable: bool) -> None:
        """Have the reactor watch the device, or not."""


class Downlink:
    """Sends packets to the clients of all services, in fair shares."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._queues: FairQueues[Receiver] = FairQueues()
        self._sources: list[Source] = []
        self._next: IDelayedCall | None = None
        self._ended = clock.seconds()

    def attach(self, source: Source) -> None:
        """Read this device as well."""
        self._sources.append(source)
        source.watch(readable=self._next is None)

    def detach(self, source: Source) -> None:
        """Do not read this device any more."""
        self._sources.remove(source)
        source.watch(readable=False)

    def add(self, receiver: Receiver, batch: Batch, now: float) -> None:
        """Queue packets for a client, at least one; `serve` or the next turn sends them. `now` is the clock's time."""
        if dropped := self._queues.add(receiver, batch, now):
            receiver.counters.dropped(DropReason.OVERLOADED, dropped)

    def remove(self, receiver: Receiver) -> None:
        """Drop and count the packets of a client that has left."""
        if dropped := self._queues.remove(receiver):
            receiver.counters.dropped(DropReason.NO_NEIGHBOR, dropped)

    def serve(self) -> None:
        """Send what waits, up to TURN; the rest in the next turns of the reactor."""
        if self._next is None and self._send():
            self._schedule()

    def soon(self) -> None:
        """Serve in the next turn of the reactor."""
        if self._next is None and self._queues:
            self._schedule()

    def _schedule(self) -> None:
        self._next = self._clock.callLater(0, self._turn)
        for source in self._sources:
            source.watch(readable=False)

    def _send(self) -> bool:
        """Send up to TURN, or as long as the reactor's other work took; return whether anything is left."""
        seconds = self._clock.seconds
        now = seconds()
        until = now + min(now - self._ended, LONGEST)
        sent = 0
        while sent < TURN or seconds() < until:
            taken = self._queues.take(now)
            if taken is None:
                break
            receiver, batch, dropped = taken
            if dropped:
                receiver.counters.dropped(DropReason.OVERLOADED, dropped)
            receiver.connection.send(batch)
            sent += len(batch.data) + WRITE_COST
        self._ended = seconds()
        return bool(self._queues)

    def _turn(self) -> None:
        self._next = self._clock.callLater(0, self._turn)  # first, so that the turns continue whatever happens
        for source in tuple(self._sources):  # one may fail, and be detached
            source.read()
        if not self._send():
            self._next.cancel()
            self._next = None
            for source in self._sources:
                source.watch(readable=True)
