"""The way from the devices to the clients, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import cast

from twisted.internet.base import DelayedCall
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.counters import Counters
from iphttps.core.errors import DropReason
from iphttps.core.ip.batch import Batch
from iphttps.core.queues.fair_queues import LIMIT, QUANTUM, WRITE_COST
from iphttps.host.device.memory import MemoryDevice
from iphttps.host.device.tun import READS
from iphttps.net import downlink
from iphttps.net.device_reader import READ_AT_ONCE
from iphttps.net.downlink import Downlink
from iphttps.net.eager_reader import MOST_READS, EagerReader

from .support import PRIVATE_HOST, client_address, packet

TURN = 128 * 1024
"""Bytes per turn: less than a read of the device in memory can bring, which has no superpackets."""

TO = [packet(PRIVATE_HOST, client_address(number), bytes(1232)) for number in range(256)]
PING = packet(PRIVATE_HOST, client_address(0), bytes(56))


@dataclass(slots=True)
class Effort:
    """The server's work so far, in bytes of WRITE_COST."""

    done: int = 0


@dataclass(slots=True)
class Writer:
    """A connection, each write with the effort until then."""

    effort: Effort
    batches: list[tuple[int, Batch]] = field(default_factory=list)

    def send(self, batch: Batch) -> None:
        """Count what this costs."""
        self.effort.done += len(batch.data) + WRITE_COST
        self.batches.append((self.effort.done, batch))

    @property
    def size(self) -> int:
        """The number of bytes sent."""
        return sum(len(batch.data) for _, batch in self.batches)


@dataclass(slots=True, eq=False)
class Client:
    """A client of any service."""

    connection: Writer
    counters: Counters = field(default_factory=Counters)


class DownlinkCase(SynchronousTestCase):
    """A device, its reader, and clients that are distinguished by the last byte of their address."""

    def setUp(self) -> None:
        """Start reading."""
        self.patch(downlink, "TURN", TURN)
        self.reactor = MemoryReactorClock()
        self.device = MemoryDevice("iphttps0")
        self.addCleanup(self.device.close)
        self.lost: list[OSError] = []
        self.effort = Effort()
        self.clients = [Client(Writer(self.effort)) for _ in range(51)]
        self.downlink = Downlink(self.reactor)
        self.reader = EagerReader(self.reactor, self.device, self._deliver, self.lost.append, self.downlink)
        self.reader.start()

    def _deliver(self, batch: Batch) -> None:
        for client, packets in groupby(batch, key=itemgetter(39)):
            self.downlink.add(self.clients[client], Batch.of(packets), self.reactor.seconds())

    def inject(self, number: int, client: int) -> None:
        """Have the kernel send packets to a client."""
        for _ in range(number):
            self.device.inject(TO[client])

    @property
    def watched(self) -> bool:
        """True if the reactor watches the device."""
        return self.reader in self.reactor.getReaders()

    @property
    def waits(self) -> bool:
        """True if a turn of the downlink is due."""
        return bool(self.reactor.getDelayedCalls())

    def turn(self) -> None:
        """Let the reactor turn once: what is due now is called, and what that makes due in the next turn."""
        if self.watched:
            self.reader.doRead()
            return
        (call,) = self.reactor.getDelayedCalls()
        due = cast(DelayedCall, call).func
        call.cancel()
        due()


class DownlinkTests(DownlinkCase):
    """The way of packets from the kernel."""

    def test_at_once(self) -> None:
        """Without a queue, packets leave in the turn in which they are read, one write for each client."""
        for _ in range(3):
            for client in (1, 2):
                self.inject(2, client)
        self.reader.doRead()
        self.assertEqual([[6], [6]], [[len(b) for _, b in self.clients[n].connection.batches] for n in (1, 2)])
        self.assertEqual((True, False), (self.watched, self.waits))

    def test_busy(self) -> None:
        """Packets over a turn are sent in the next ones; the device is read in those, and watched again after."""
        self.inject(MOST_READS * READS, 1)
        self.inject(MOST_READS * READS, 2)
        self.reader.doRead()
        self.inject(MOST_READS * READS, 3)
        turns = 0
        while not self.watched:
            self.assertTrue(self.waits)
            before = self.effort.done
            self.turn()
            self.assertLess(self.effort.done - before, TURN + QUANTUM)
            turns += 1
        self.assertGreater(turns, 1)
        self.assertFalse(self.waits)
        sent = [sum(len(batch) for _, batch in self.clients[n].connection.batches) for n in (1, 2, 3)]
        self.assertEqual([MOST_READS * READS] * 3, sent)

    def test_bystander(self) -> None:
        """Beside 50 clients with more packets than the server can send, a ping is sent in the turn after it arrives.

        It goes before all others, and these get equal shares.
        """
        delays: list[int] = []
        due: int | None = None
        for number in range(500):
            for client in range(1, 51):
                self.inject(5, client)
            if due is None and number >= 48 and number % 16 == 0:
                self.device.inject(PING)
                due = self.effort.done
            self.turn()
            if due is not None and self.clients[0].connection.batches:
                at, batch = self.clients[0].connection.batches.pop()
                self.assertEqual([PING], list(batch))
                delays.append(at - due)
                due = None
        self.assertEqual(29, len(delays))
        self.assertLess(max(delays), QUANTUM)
        self.assertEqual({}, self.clients[0].counters.drops)
        busy = [client.connection.size for client in self.clients[1:]]
        self.assertGreater(sum(busy) ** 2 / len(busy) / sum(size**2 for size in busy), 0.99)
        self.assertGreater(self.clients[1].counters.drops[DropReason.OVERLOADED], 0)

    def test_flood_of_one(self) -> None:
        """A client with six times as many packets gets no more than one that has enough."""
        for _ in range(100):
            for _ in range(10):
                self.inject(42, 1)
                self.inject(7, 2)
            self.turn()
        one, other = (self.clients[n].connection.size for n in (1, 2))
        self.assertLess(abs(one - other), 0.02 * other)

    def test_limit(self) -> None:
        """Packets beyond the limit are dropped, and counted for their client."""
        batch = Batch.of([TO[1]] * 100)
        added = 2 * LIMIT // len(batch.data)
        for _ in range(added):
            self.downlink.add(self.clients[1], batch, 0.0)
        dropped = self.clients[1].counters.drops[DropReason.OVERLOADED]
        self.assertGreater(dropped, 0)
        self.downlink.serve()
        while self.waits:
            self.reactor.advance(0)
        sent = sum(len(batch) for _, batch in self.clients[1].connection.batches)
        self.assertEqual(100 * added, sent + self.clients[1].counters.drops[DropReason.OVERLOADED])

    def test_gone(self) -> None:
        """The packets of a client that has left are counted as without receiver, and are not sent."""
        for client in self.clients[:2]:
            self.downlink.add(client, Batch.of([PING] * 2), 0.0)
        for _ in range(2):
            self.downlink.remove(self.clients[0])
        self.downlink.serve()
        self.assertEqual([0, 1], [len(client.connection.batches) for client in self.clients[:2]])
        self.assertEqual({DropReason.NO_NEIGHBOR: 2}, self.clients[0].counters.drops)

    def test_soon(self) -> None:
        """Packets that come from no device are sent in the next turn, if there are any."""
        self.downlink.soon()
        self.assertFalse(self.waits)
        self.downlink.add(self.clients[0], Batch.of([PING]), 0.0)
        for _ in range(2):
            self.downlink.soon()
        self.assertEqual(([], 1), (self.clients[0].connection.batches, len(self.reactor.getDelayedCalls())))
        self.reactor.advance(0)
        self.assertEqual((1, True), (len(self.clients[0].connection.batches), self.watched))

    def test_two_devices(self) -> None:
        """The clients of all devices share the turns."""
        other = MemoryDevice("sstp0")
        self.addCleanup(other.close)
        reader = EagerReader(self.reactor, other, self._deliver, self.lost.append, self.downlink)
        self.inject(MOST_READS * READS, 1)
        self.inject(MOST_READS * READS, 1)
        self.reader.doRead()
        self.assertFalse(self.watched)
        reader.start()
        other.inject(TO[2])
        self.assertNotIn(reader, self.reactor.getReaders())
        self.reactor.advance(0)
        self.assertEqual(1, len(self.clients[2].connection.batches))
        while self.waits:
            self.reactor.advance(0)
        self.assertEqual({self.reader, reader}, set(self.reactor.getReaders()))


class EagerReaderTests(DownlinkCase):
    """When the device is read."""

    def test_start_and_stop(self) -> None:
        """The device is read between `start` and `stop`; each may be said twice, and again."""
        for expected in (True, False) * 2:
            for _ in range(2):
                (self.reader.start if expected else self.reader.stop)()
                self.assertEqual(expected, self.watched)

    def test_stopped_while_busy(self) -> None:
        """Once stopped, the device is read no more, and what was read is still sent."""
        self.inject(2 * MOST_READS * READS, 1)
        self.reader.doRead()
        self.assertTrue(self.waits)
        self.reader.stop()
        while self.waits:
            self.reactor.advance(0)
        self.assertFalse(self.watched)
        self.assertEqual(MOST_READS * READS, sum(len(batch) for _, batch in self.clients[1].connection.batches))

    def test_empty(self) -> None:
        """The kernel's queue is read until it is empty, up to a limit per turn."""
        for waiting, left in ((MOST_READS * READS - 1, 0), (MOST_READS * READS + 3, 3)):
            self.inject(waiting, 1)
            self.reader.doRead()
            self.assertEqual(left, len(self.device.read()))

    def test_many_answers(self) -> None:
        """If so much was written that the answers hardly find room, they are read at once."""
        self.inject(READ_AT_ONCE, 1)
        self.reader.wrote(READ_AT_ONCE)
        self.reactor.advance(0)
        self.assertEqual(READ_AT_ONCE, sum(len(batch) for _, batch in self.clients[1].connection.batches))

    def test_not_within(self) -> None:
        """A write during delivery does not make it read again."""
        depth = []

        def deliver(batch: Batch) -> None:
            depth.append(len(batch))
            self.reader.wrote(READ_AT_ONCE)

        self.reader.stop()
        self.reader = EagerReader(self.reactor, self.device, deliver, self.lost.append, self.downlink)
        self.reader.start()
        self.device.inject(PING)
        self.reader.doRead()
        self.assertEqual([1], depth)

    def test_device_gone(self) -> None:
        """When the device is gone, also during a turn of the downlink, its reader stops and says so once."""
        self.inject(2 * MOST_READS * READS, 1)
        self.reader.doRead()
        self.device.close()
        self.reactor.advance(0)
        self.reactor.advance(0)
        self.assertEqual((1, False), (len(self.lost), self.watched))
