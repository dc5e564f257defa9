"""Sessions that are read in their turn, by a scheduler that they share.

A session is served a quantum at a time (`net/stream/read_scheduler.py`). How many packets are in a number of bytes is
known only afterwards, so the size of a read follows the packets and TLS records in the one before. Should a read
contain many more, packets over BUDGET wait for the session's next turn: processing them all at once would delay reading
the device until its queue in the kernel overflows, and packets for other clients are lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import cast

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure

from ..core.codec import Codec
from ..core.queues.memory import SharedMemory
from ..core.queues.send_limits import QUEUE
from .session import Session
from .stream.read_scheduler import ReadScheduler
from .stream.socket_reader import SocketReader

__all__ = ["BUDGET", "PacedSession"]

BUDGET = 256
"""Maximum number of packets processed from one session at a time."""

PACKET = 512
RECORD = 1024
"""The costs of a packet and of a TLS record, in bytes whose decryption and forwarding takes as long."""

MINIMUM_READ = 2 * 1024
INITIAL_READ = 32 * 1024
MAXIMUM_READ = QUEUE
"""Limits of the bytes read at a time; each read may have twice the size of the one before."""


class PacedSession(Session):
    """A session that is read in its turn; what is over its budget is put off, and the connection not read meanwhile.

    Work is an iterator that does one step for each value, which is the number of packets of that step.
    """

    def __init__(self, clock: IReactorTime, memory: SharedMemory, reads: ReadScheduler) -> None:
        super().__init__(clock, memory=memory)
        self._reads = reads
        self._reader: SocketReader | None = None
        self._size = INITIAL_READ
        self._most = MAXIMUM_READ
        self._at_end = True
        """True if the last read found less in the socket than it would have taken."""
        self.packets = 0
        """The number of packets in the last read."""
        self._records = 0
        self._put_off: deque[Iterator[int]] = deque()
        self._paused = self._waits = self._owes = False
        """True while the connection is not read; while the session waits for its turn; while it exceeds its rate."""

    def opened(self, rest: bytes, codec: Codec) -> None:
        """Enter the packet phase; from now on the connection is read by the scheduler."""
        carrier: object = self._carrier
        if isinstance(carrier, Connection):
            self._reader = SocketReader(carrier, partial(self._reads.readable, self))
        super().opened(rest, codec)

    def records_received(self, data: bytes, records: int) -> None:
        """Collect the data of several TLS records."""
        self._records += records - 1  # `turn_over` counts it as one
        super().records_received(data, records)

    def turn_over(self) -> None:
        """Process the data of all TLS records from one read of the socket together."""
        self._records += len(self._gathered)
        super().turn_over()

    # What the scheduler calls.

    @property
    def drained(self) -> bool:
        """True if nothing is put off, and the last read has emptied the socket or exceeded the rate."""
        return not self._put_off and (self._at_end or self._owes)

    def serve(self, quantum: int) -> int:
        """Do what was put off, up to BUDGET, or else read the connection once; return the cost."""
        if self._put_off:
            self._work_off()
            return 0  # paid for when it was read
        if self._reader is None or self._owes:
            return 0
        self.packets = self._records = 0
        size = min(self._size, self._most)
        got = self._reader.read(size)
        cost = got + PACKET * self.packets + RECORD * self._records
        self._at_end = got < size
        if not self._at_end:  # a few bytes say nothing about many
            self._size = int(min(max(quantum * got / cost, MINIMUM_READ), 2 * size, MAXIMUM_READ))
        return cost

    def pause(self) -> None:
        """Stop reading while the session waits for its turn."""
        self._waits = True
        self._set_reading()

    def resume(self) -> None:
        """Read again: nothing waits for a turn."""
        self._waits = False
        self._set_reading()

    def _set_reading(self) -> None:
        """Read the connection unless there is a reason not to."""
        paused = self._waits or self._owes
        if paused is not self._paused:
            self._paused = paused
            producer = cast(IPushProducer, self.transport)
            (producer.pauseProducing if paused else producer.resumeProducing)()

    def abort(self) -> None:
        """End the connection at once."""
        self.wire.abortConnection()

    # What the limit of its rate calls.

    def pause_reading(self) -> None:
        """Read no more, until `resume_reading` is called."""
        self._owes = True
        self._set_reading()

    def resume_reading(self) -> None:
        """Read again, unless the session waits for its turn."""
        self._owes = False
        self._set_reading()

    def bound_reads(self, size: int | None) -> None:
        """Read at most `size` bytes of the connection at a time; None is the default."""
        self._most = min(size or MAXIMUM_READ, MAXIMUM_READ)

    # What is put off.

    def work(self, steps: Iterator[int]) -> None:
        """Do these steps behind those that wait: up to BUDGET now, the rest in the session's next turns."""
        self._put_off.append(steps)
        if len(self._put_off) == 1:
            self._work_off()

    def _work_off(self) -> None:
        done = 0
        while done < BUDGET and self._put_off:
            packets = next(self._put_off[0], None)
            if packets is not None:
                done += packets
            elif self._put_off:  # the last step may have ended the session
                self._put_off.popleft()
        if self._put_off:
            self.pause()
            self._reads.add(self)

    def settle(self) -> None:
        """Do now what was put off: the stream has ended, or its framing is lost."""
        while self._put_off:
            for _ in self._put_off.popleft():
                pass

    def drop_work(self) -> None:
        """Discard what was put off: the session has ended."""
        self._put_off.clear()

    # The end.

    def disconnect(self, sentence: str) -> None:
        """End the session; the connection is read again, to receive the peer's close_notify."""
        self.drop_work()
        self._waits = self._owes = False
        self._set_reading()
        super().disconnect(sentence)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave the scheduler; subclasses extend this."""
        self._reads.remove(self)
        if self._reader:
            self._reader.release()
            self._reader = None
        super().connectionLost(reason)
