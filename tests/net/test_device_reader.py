"""Reading a device at the reactor's pace."""

from __future__ import annotations

import errno

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip.batch import Batch
from iphttps.host.device.memory import MemoryDevice
from iphttps.host.device.tun import READS
from iphttps.net.device_reader import MOST_READS, READ_AT_ONCE, DeviceReader

from .support import PRIVATE_HOST, client_address, packet

PACKET = packet(client_address(1), PRIVATE_HOST)


class DeviceReaderTests(SynchronousTestCase):
    """A reader of a memory device."""

    def setUp(self) -> None:
        """Make the reader; nothing is read yet."""
        self.reactor = MemoryReactorClock()
        self.device = MemoryDevice("iphttps0")
        self.addCleanup(self.device.close)
        self.delivered: list[Batch] = []
        self.lost: list[OSError] = []
        self.reader = DeviceReader(self.reactor, self.device, self.delivered.append, self.lost.append)

    def test_start_and_stop(self) -> None:
        """The device is read between `start` and `stop`; each may be said twice, and again."""
        for expected in ([self.reader], []) * 2:
            for _ in range(2):
                (self.reader.start if expected else self.reader.stop)()
                self.assertEqual(self.reactor.getReaders(), expected)

    def test_descriptor(self) -> None:
        """The reactor watches the device's own descriptor, and logs it under the device's name."""
        self.assertEqual((self.reader.fileno(), self.reader.logPrefix()), (self.device.fileno(), "iphttps0"))

    def test_one_batch_each_turn(self) -> None:
        """One turn of the reactor takes a bounded batch, so that the other direction does not starve."""
        for _ in range(READS + 1):
            self.device.inject(PACKET)
        self.reader.doRead()
        self.assertEqual([len(batch) for batch in self.delivered], [READS])
        self.reader.doRead()
        self.assertEqual([len(batch) for batch in self.delivered], [READS, 1])

    def test_answers(self) -> None:
        """If more was written than read, by as much as the queue takes, it is read; then it is as before."""
        for written, taken in ((READ_AT_ONCE - 1, 1), (READS, 1), (READS + 1, 4), (0, 1), (10_000, MOST_READS)):
            for _ in range(READS * MOST_READS):
                self.device.inject(PACKET)
            self.reader.wrote(written)
            self.reader.doRead()
            self.assertEqual(len(self.delivered[-1]), taken * READS)

    def test_many_answers(self) -> None:
        """If so much was written that the answers hardly find room, they are read at once, while it runs at all."""
        for _ in range(READ_AT_ONCE):
            self.device.inject(PACKET)
        self.reader.wrote(READ_AT_ONCE)
        self.assertEqual([], self.delivered)
        self.reader.start()
        self.reader.wrote(1)
        self.assertEqual([READ_AT_ONCE], [len(batch) for batch in self.delivered])

    def test_not_within(self) -> None:
        """A write during delivery makes it read later, without recursion."""
        depth = []

        def deliver(batch: Batch) -> None:
            depth.append(len(batch))
            self.device.inject(PACKET)
            self.reader.wrote(READ_AT_ONCE)

        self.reader = DeviceReader(self.reactor, self.device, deliver, self.lost.append)
        self.reader.start()
        self.device.inject(PACKET)
        self.reader.doRead()
        self.assertEqual([1], depth)

    def test_nothing_waits(self) -> None:
        """If nothing waits, or only rubbish does, nothing is delivered."""
        self.reader.doRead()
        self.device.inject(b"rubbish")
        self.reader.doRead()
        self.assertEqual((self.delivered, self.lost), ([], []))

    def test_device_gone(self) -> None:
        """When the device is gone its reader stops, and says so once."""
        self.reader.start()
        self.device.close()
        self.reader.doRead()
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual([error.errno for error in self.lost], [errno.EBADF])

    def test_reactor_lets_go(self) -> None:
        """When the reactor loses interest, the device is still there to be written to."""
        self.reader.connectionLost(Failure(ConnectionDone()))
        self.device.write(Batch.of([PACKET]))
        self.assertEqual(self.device.taken, [PACKET])
