"""Limits on the bytes queued for a connection, from the rate at which it delivers and its round-trip time.

Below the backlog, bytes wait in the transport's buffer, in the kernel's send buffer, and in the queue of the slowest
link, which the congestion control of most TCPs fills. None of these queues knows packets. On a fast connection they
hold them for less than a millisecond. On a slow one the usual sizes are seconds. There the bytes in the kernel,
unsent and unacknowledged, are limited to what the connection delivers in its own round-trip time and some milliseconds
more. The queue then forms in the backlog, where CoDel controls it.

The limit must not keep the connection from being faster than it was. A longer round-trip time than the shortest so far
may come from a queue, or from a new path; so in every 16th interval the limit is raised, and if the rate follows, there
was no queue.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "INITIAL_ROOM",
    "INITIAL_UNSENT",
    "MAXIMUM_IN_KERNEL",
    "MAXIMUM_ROOM",
    "MAXIMUM_UNSENT",
    "MINIMUM_ROOM",
    "QUEUE",
    "ConnectionInfo",
    "SendLimits",
]

INTERVAL = 0.1
"""Minimum seconds between measurements; two round-trip times if that is longer."""

SLACK = 0.01
"""Seconds of data in the kernel beyond those of the round-trip time."""

DELAYED = 0.005
"""Seconds beyond the shortest round-trip time from which a connection counts as one that fills a queue."""

LONG_DELAYED = 0.02
"""The same without congestion."""

MINIMUM_IN_KERNEL = 4 * 1024
MAXIMUM_IN_KERNEL = 192 * 1024
"""Bounds of the limit in the kernel, in bytes: four packets, so that acknowledgements are not delayed (RFC 5681 section
4.2); and what every kernel accepts, above which a connection has no such limit.
"""

WRITING = 0.003
"""Seconds of data written at once to a connection with a limit: a TLS record can only be read as a whole."""

DELAY = 0.01
"""Seconds of data in the transport's buffer of a connection without such a limit."""

QUEUE = 256 * 1024
"""Bytes in the transport's buffer above which a session counts as congested; the maximum, on a fast connection."""

MINIMUM_QUEUE = 32 * 1024

MAXIMUM_UNSENT = 128 * 1024
INITIAL_UNSENT = 32 * 1024
"""Bounds of the unsent bytes in the kernel (TCP_NOTSENT_LOWAT); the smaller applies before the rate is known."""

BURST = 0.1
"""Seconds of data that may wait in the backlog, the INTERVAL of CoDel: it does not react to shorter bursts."""

MINIMUM_ROOM = 32 * 1024
INITIAL_ROOM = 256 * 1024
MAXIMUM_ROOM = 2 * 1024 * 1024
"""Limits of the backlog, in bytes: on a slow connection; before a rate is known, which is also that of a peer that
never reads; on the fastest connection.
"""

_STALE = 4
"""Intervals after which an earlier measurement is too old to be compared."""

_CYCLE = 16
"""Intervals of which one has a raised limit."""

_RAISED = 1.5
_FOLLOWS = 1.25
"""The factor of the raised limit, and that of the rate above which the rate has followed."""

_FORGETTING = 64
"""Intervals after which most of what was learned in this way is forgotten."""


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """TCP's state of a connection: bytes acknowledged in all, times in seconds, bytes per second."""

    acked: int
    rtt: float
    min_rtt: float
    delivery_rate: float


class SendLimits:
    """The limits of one connection, in bytes."""

    __slots__ = (
        "_acked", "_base", "_latest", "_measured", "_raised", "_rounds", "_rtt", "in_kernel", "next", "piece", "queue",
        "rate", "room", "unsent",
    )  # fmt: skip

    def __init__(self) -> None:
        self.rate = 0.0
        """Bytes per second that the connection delivers; 0 if unknown."""
        self.next = 0.0
        """When to measure next."""
        self.in_kernel: int | None = None
        """Maximum bytes in the kernel, unsent and unacknowledged; None if there is no limit."""
        self.unsent = INITIAL_UNSENT
        """Maximum unsent bytes in the kernel."""
        self.queue = MINIMUM_QUEUE
        """Bytes in the transport's buffer above which the session is congested."""
        self.piece = MAXIMUM_ROOM
        """Maximum bytes to write at once."""
        self.room = INITIAL_ROOM
        """Maximum bytes in the backlog."""
        self._measured = self._base = self._rtt = self._latest = 0.0
        self._acked = self._rounds = 0
        self._raised = False

    def drained(self, size: int, seconds: float) -> None:
        """Adapt to a connection of which TCP says nothing: it has drained `size` bytes in `seconds` seconds."""
        rate = size / max(seconds, 1e-6)
        self.rate += (rate - self.rate) / 4 if self.rate else rate
        self._adapt()

    def measure(self, now: float, info: ConnectionInfo, *, congested: bool) -> None:
        """Adapt to a connection that is `congested` now, and has been since the last call, or else may have been idle.

        Without congestion nothing but a long delay is of interest.
        """
        interval = max(INTERVAL, 2 * info.rtt)
        elapsed = now - self._measured
        self._base = max(self._base + (info.min_rtt - self._base) / _FORGETTING, info.min_rtt)
        delay = info.rtt - self._base
        busy = congested or delay > LONG_DELAYED
        if self._measured and (busy or self.in_kernel is not None) and (congested or elapsed < _STALE * interval):
            self._compare((info.acked - self._acked) / elapsed)
        elif self.in_kernel is None:
            self.rate = info.delivery_rate
            self._rounds = 0
        self._acked, self._measured, self._rtt = info.acked, now, info.rtt
        self.next = now + interval
        self._raised = self.in_kernel is not None and self._rounds % _CYCLE == 0
        self._limit(delay, congested)
        self._adapt()

    def _compare(self, rate: float) -> None:
        if self._raised and rate > self._latest * _FOLLOWS:
            self._base = self._rtt  # more in the kernel was delivered in the same time: no queue had caused it
        self._latest = rate
        weight = 1 if not self._rounds else 2 if rate > self.rate else 4
        self.rate += (rate - self.rate) / weight
        self._rounds += 1

    def _limit(self, delay: float, congested: bool) -> None:
        """Set or remove the limit in the kernel; `delay` is the time beyond the shortest round-trip time."""
        size = max(self.rate * (self._base + SLACK), MINIMUM_IN_KERNEL) * (_RAISED if self._raised else 1.0)
        if self.in_kernel is None:
            limited = size < MAXIMUM_IN_KERNEL / 2 and delay > (DELAYED if congested else LONG_DELAYED)
        else:
            limited = size < MAXIMUM_IN_KERNEL and delay > DELAYED / 2
        self.in_kernel = int(size) if limited else None

    def _adapt(self) -> None:
        """Derive the other limits from the rate."""
        self.room = int(min(max(self.rate * BURST, MINIMUM_ROOM), MAXIMUM_ROOM))
        if self.in_kernel is None:
            delayed = int(self.rate * DELAY)
            self.unsent = min(max(delayed, INITIAL_UNSENT), MAXIMUM_UNSENT)
            self.queue = min(max(delayed, MINIMUM_QUEUE), QUEUE)
            self.piece = MAXIMUM_ROOM
        else:
            self.queue = 0
            self.piece = max(int(self.rate * WRITING), 1)
