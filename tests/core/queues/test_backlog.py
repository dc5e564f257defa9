"""Tests for iphttps.core.queues.backlog."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip import ipv4, ipv6
from iphttps.core.ip.batch import EMPTY, Batch
from iphttps.core.ip.ecn import CE, ECT_0, codepoint
from iphttps.core.ip.ipv6 import internet_checksum
from iphttps.core.queues.backlog import RESERVED, Backlog, Taken
from iphttps.core.queues.codel import INTERVAL, TARGET

PACKET = 1000
ALL = 1 << 30
"""More bytes than any backlog holds."""


def batch(count: int, first: int = 0) -> Batch:
    """Return so many packets, each with its number in it; their transport is not ECN-capable."""
    return Batch.of(bytes((number % 256, 0)) * (PACKET // 2) for number in range(first, first + count))


def capable(count: int, version: int = 6) -> Batch:
    """Return so many packets of an ECN-capable transport."""
    if version == 6:
        whole = bytearray(ipv6.packet(bytes(16), bytes(16), ipv6.TCP, bytes(PACKET - ipv6.HEADER_LENGTH)))
        whole[1] |= ECT_0 << 4
    else:
        whole = bytearray(ipv4.packet(bytes(4), bytes(4), ipv6.TCP, bytes(PACKET - ipv4.HEADER_LENGTH)))
        whole[1] |= ECT_0
        whole[ipv4.CHECKSUM : ipv4.CHECKSUM + 2] = bytes(2)
        whole[ipv4.CHECKSUM : ipv4.CHECKSUM + 2] = internet_checksum(bytes(whole[: ipv4.HEADER_LENGTH])).to_bytes(2)
    return Batch.of([bytes(whole)] * count)


class BacklogTests(SynchronousTestCase):
    """Packets that are queued, and those that are not."""

    def test_order(self) -> None:
        """Queued packets are returned whole, in order and once."""
        backlog = Backlog()
        self.assertFalse(backlog)
        counts = [backlog.add(batch(3), 1.0), backlog.add(batch(2, 3), 1.0), backlog.add(EMPTY, 1.0)]
        self.assertEqual(([3, 2, 0], True, 5 * PACKET), (counts, bool(backlog), backlog.size))
        self.assertEqual(Taken(batch(5).data, 5, 5 * PACKET, 0, 0), backlog.take(1.0, ALL))
        self.assertEqual(Taken(b"", 0, 0, 0, 0), backlog.take(1.0, ALL))
        self.assertEqual((False, 0), (bool(backlog), backlog.size))

    def test_encoded(self) -> None:
        """Packets are encoded when they leave, a batch at a time, and only those that fitted."""
        backlog = Backlog()
        backlog.room = 3 * PACKET
        self.assertEqual([2, 1], [backlog.add(batch(2), 1.0), backlog.add(batch(3, 7), 1.0)])
        self.assertTrue(backlog.add_urgent(batch(1, 9)))
        backlog.encode = lambda batch: b"<%d:%b>" % (len(batch), batch.data[:1])
        self.assertEqual(b"<1:\x09><2:\x00><1:\x07>", backlog.take(1.0, ALL).data)

    def test_room(self) -> None:
        """Of a batch those packets wait that find room, and only whole ones; with room again, others do."""
        backlog = Backlog()
        backlog.room = 2 * PACKET + PACKET // 2
        self.assertEqual(2, backlog.add(batch(5), 1.0))
        self.assertEqual(0, backlog.add(batch(1), 1.0))
        self.assertEqual(batch(2).data, backlog.take(1.0, ALL).data)
        self.assertEqual(1, backlog.add(batch(1), 1.0))

    def test_portions(self) -> None:
        """Packets of as many bytes are taken as are asked for, but at least one; the others keep their order."""
        backlog = Backlog()
        backlog.add(batch(5), 1.0)
        backlog.add(batch(3, 5), 1.0)
        sizes = [backlog.take(1.0, most).packets for most in (1, PACKET, 2 * PACKET + 1, 3 * PACKET, PACKET)]
        self.assertEqual([1, 1, 2, 3, 1], sizes)
        self.assertFalse(backlog)

    def test_portions_while_waiting_long(self) -> None:
        """The same holds for packets that have waited for longer than TARGET."""
        backlog = Backlog()
        backlog.add(batch(5), 1.0)
        backlog.add(batch(3, 5), 1.0)
        taken = [backlog.take(1.0 + 2 * TARGET, most) for most in (1, PACKET, 2 * PACKET, 4 * PACKET)]
        self.assertEqual([1, 1, 2, 4], [each.packets for each in taken])
        self.assertEqual(batch(8).data, b"".join(each.data for each in taken))

    def test_refused(self) -> None:
        """Rejected packets leave no memory behind."""
        backlog = Backlog()
        backlog.room = PACKET // 2
        for _ in range(1000):
            self.assertEqual(0, backlog.add(batch(1), 1.0))
        self.assertFalse(backlog._waiting)

    def test_cleared(self) -> None:
        """Discarded packets are counted, and nothing of them remains."""
        backlog = Backlog()
        backlog.add(batch(5), 1.0)
        backlog.add(batch(3), 1.0)
        backlog.add_urgent(batch(1))
        backlog.take(1.0, 2 * PACKET)
        self.assertEqual((6, False, 0), (backlog.clear(), bool(backlog), backlog.size))
        self.assertEqual(0, backlog.clear())

    def test_urgent(self) -> None:
        """Urgent packets have room of their own, whatever else waits, and leave first, in order."""
        backlog = Backlog()
        backlog.room = PACKET
        self.assertEqual(1, backlog.add(batch(2), 1.0))
        self.assertTrue(backlog.add_urgent(batch(1, 10)))
        self.assertTrue(backlog.add_urgent(batch(2, 11)))
        self.assertTrue(backlog.waits(batch(1, 10)))
        self.assertFalse(backlog.waits(batch(1)))
        self.assertEqual(batch(3, 10).data + batch(1).data, backlog.take(1.0, ALL).data)
        self.assertEqual(b"", backlog.take(1.0, ALL).data)

    def test_urgent_room(self) -> None:
        """The room is bounded; a batch is rejected as a whole, and there is room again once the queue is drained."""
        backlog = Backlog()
        self.assertFalse(backlog.add_urgent(batch(RESERVED // PACKET + 1)))
        self.assertTrue(backlog.add_urgent(batch(RESERVED // PACKET)))
        self.assertFalse(backlog.add_urgent(batch(1)))
        backlog.take(1.0, ALL)
        self.assertTrue(backlog.add_urgent(batch(1)))

    def test_less_than_before(self) -> None:
        """If the room has shrunk below what waits already, nothing more is taken."""
        backlog = Backlog()
        backlog.add(batch(100), 1.0)
        backlog.room = PACKET
        self.assertEqual(0, backlog.add(batch(1), 1.0))
        self.assertEqual(batch(100).data, backlog.take(1.0, ALL).data)

    @given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20 * PACKET), st.integers(0, 99))), st.integers(0, 60))
    def test_every_packet(self, steps: list[tuple[int, int, int]], room: int) -> None:
        """For any input the queue stays within its limit, and each packet is rejected, dropped, sent or waits."""
        backlog = Backlog()
        backlog.room = room * PACKET
        now, queued, left, dropped = 1.0, 0, 0, 0
        for count, most, pause in steps:
            queued += backlog.add(batch(count), now)
            self.assertLessEqual(backlog.size, backlog.room)
            now += pause / 1000
            taken = backlog.take(now, most)
            self.assertEqual(len(taken.data), taken.size)
            self.assertTrue(taken.size <= most or taken.packets == 1)
            left += taken.packets
            dropped += taken.dropped
        self.assertEqual(queued, left + dropped + backlog.size // PACKET)


class ControlledDelayTests(SynchronousTestCase):
    """CoDel at the head of the queue (RFC 8289), with packets that wait for 50 ms each."""

    def stand(self, packets: Batch, seconds: float) -> list[Taken]:
        """Have a standing queue for a time: every 10 ms a packet leaves and others come."""
        backlog = Backlog()
        now, taken = 1.0, []
        for _ in range(5):
            backlog.add(packets, now)
            now += 0.01
        for _ in range(int(seconds * 100)):
            backlog.add(packets, now)
            taken.append(backlog.take(now, len(packets.data)))
            now += 0.01
        return taken

    def test_burst(self) -> None:
        """A queue that has stood for less than INTERVAL drops nothing (RFC 8289 section 4.3)."""
        self.assertEqual(0, sum(each.dropped for each in self.stand(batch(2), INTERVAL)))

    def test_standing(self) -> None:
        """From a standing queue packets are dropped at its head, so that the others follow sooner (RFC 8289)."""
        taken = self.stand(batch(2), 5 * INTERVAL)
        self.assertEqual((0, 2 * len(taken)), (sum(each.marked for each in taken), sum(each.packets for each in taken)))
        self.assertTrue(0 < sum(each.dropped for each in taken) < 10)

    def test_marked(self) -> None:
        """Packets of an ECN-capable transport are marked in place of being dropped (RFC 3168 section 5)."""
        for version in (4, 6):
            taken = self.stand(capable(2, version), 5 * INTERVAL)
            self.assertEqual(0, sum(each.dropped for each in taken))
            packets = [packet for each in taken for packet in Batch(each.data, range(0, each.size + 1, PACKET))]
            marks = sum(codepoint(packet) == CE for packet in packets)
            self.assertEqual(sum(each.marked for each in taken), marks)
            self.assertTrue(0 < marks < 10)
            checked = [internet_checksum(packet[: ipv4.HEADER_LENGTH]) for packet in packets if version == 4]
            self.assertFalse(any(checked))

    def test_nothing_left(self) -> None:
        """A batch whose packets are all dropped leaves the queue, and the next one is taken in its place."""
        backlog = Backlog()
        for tick in range(40):
            backlog.add(batch(1), 1.0 + tick / 100)
        taken = [backlog.take(2.0 + tick / 10, 1) for tick in range(10)]
        self.assertEqual([1] * 10, [each.packets for each in taken])
        self.assertGreater(sum(each.dropped for each in taken), 2)


class SparseTests(SynchronousTestCase):
    """Packets of flows that send little, beside those of a flow that fills the queue."""

    def setUp(self) -> None:
        """Have a flow fill the queue: its first packets are those of a new flow."""
        self.backlog = Backlog()
        self.backlog.sparse_first = True
        self.backlog.add(self.bulk(60), 1.0)
        self.backlog.take(1.0, 20 * PACKET)

    def bulk(self, count: int) -> Batch:
        """Return packets of the busy flow, each with its number in it."""
        whole = ipv6.packet(bytes(16), bytes(16), ipv6.UDP, b"bulk" + bytes(PACKET - ipv6.HEADER_LENGTH - 4))
        return Batch.of([whole] * count)

    def ping(self, number: int = 0) -> Batch:
        """Return a packet of another flow."""
        return Batch.of([ipv6.packet(bytes(16), bytes(15) + bytes((1 + number,)), ipv6.ICMPV6, bytes(60))])

    def test_first(self) -> None:
        """A packet of a sparse flow leaves before those that came earlier, and one of the busy flow does not."""
        for number in range(3):
            self.backlog.add(self.ping(number), 1.001)
            self.backlog.add(self.bulk(1), 1.001)
        size = self.backlog.size
        taken = self.backlog.take(1.002, 1000)
        self.assertEqual(b"".join(self.ping(number).data for number in range(3)), taken.data)
        self.assertEqual(size - taken.size, self.backlog.size)
        self.assertEqual(self.bulk(1).data, self.backlog.take(1.002, 1).data)

    def test_one_batch(self) -> None:
        """The packets of one batch are told apart."""
        self.backlog.add(Batch.joined([self.bulk(2), self.ping(), self.bulk(2)]), 1.001)
        self.assertEqual(self.ping().data + self.bulk(1).data, self.backlog.take(1.002, 1200).data)

    def test_half(self) -> None:
        """However many flows are sparse, the others get half of the connection."""
        self.backlog.room = ALL
        for number in range(200):
            self.backlog.add(self.ping(number), 1.001)
        taken = self.backlog.take(1.002, 12 * PACKET)
        self.assertGreater(taken.data.count(b"bulk"), 2)
        self.assertGreater(taken.packets, 60)

    def test_alone(self) -> None:
        """With no other packets they just follow each other, as far as they fit."""
        self.backlog.take(1.0, ALL)
        for number in range(60):
            self.backlog.add(self.ping(number), 1.001)
        self.assertEqual([1, 2, 57], [self.backlog.take(1.002, most).packets for most in (1, 250, ALL)])

    def test_cleared(self) -> None:
        """They are discarded with the others."""
        self.backlog.add(self.ping(), 1.001)
        self.assertEqual((41, False, 0), (self.backlog.clear(), bool(self.backlog), self.backlog.size))

    def test_not_asked_for(self) -> None:
        """Unless asked for, all packets keep their order."""
        self.backlog.sparse_first = False
        self.backlog.add(self.ping(), 1.001)
        self.assertTrue(self.backlog.take(1.002, ALL).data.endswith(self.ping().data))
