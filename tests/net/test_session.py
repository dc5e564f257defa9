"""The tunnel protocol: phases, congestion, deadlines, the end."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.counters import Counters
from iphttps.core.errors import DropReason
from iphttps.core.ip.batch import Batch, Framer
from iphttps.core.queues.send_limits import MAXIMUM_ROOM, MINIMUM_QUEUE, MINIMUM_ROOM, QUEUE
from iphttps.net.connection import CLOSE_DEADLINE, HANDSHAKE_DEADLINE
from iphttps.net.session import Session

from .support import PRIVATE_HOST, client_address, packet

ONE = packet(client_address(1), PRIVATE_HOST, b"one")
TWO = packet(client_address(1), PRIVATE_HOST, b"the second, of another length")
THREE = packet(client_address(1), PRIVATE_HOST, b"")


class RecordingTunnel(Session):
    """A role without a meaning, which records what it is told; its head is everything up to a full stop."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.told: list[object] = []
        self.head = b""

    def established(self) -> None:
        """Note it."""
        super().established()
        self.told.append("established")

    def head_received(self, data: bytes) -> None:
        """Collect the head."""
        self.head += data
        head, stop, rest = self.head.partition(b".")
        if stop:
            self.told.append(head)
            self.opened(rest, Framer())

    def expired(self) -> None:
        """Note it."""
        self.told.append("expired")

    def deliver(self, batch: Batch) -> None:
        """Note the packets."""
        self.told.append(list(batch))

    def out_of_step(self, fault: DropReason) -> None:
        """Note it."""
        self.told.append(fault)


class TunnelCase(SynchronousTestCase):
    """A tunnel on a transport that takes everything and says nothing."""

    def setUp(self) -> None:
        """Connect."""
        self.clock = Clock()
        self.transport = StringTransport()
        self.tunnel = RecordingTunnel(self.clock)
        self.tunnel.makeConnection(self.transport)

    def end(self) -> None:
        """End the connection."""
        self.tunnel.connectionLost(Failure(ConnectionDone()))


class PhaseTests(TunnelCase):
    """First a head, then packets."""

    def test_established_at_once(self) -> None:
        """Over plain HTTP the connection is established when TCP is (3.1.5.1)."""
        self.assertEqual(self.tunnel.told, ["established"])

    def test_head_then_packets(self) -> None:
        """The bytes after the head are packets, delivered batch by batch (3.1.5.3)."""
        self.tunnel.dataReceived(b"head.")
        self.tunnel.dataReceived(ONE + TWO)
        self.tunnel.dataReceived(THREE)
        self.assertEqual(self.tunnel.told, ["established", b"head", [ONE, TWO], [THREE]])

    def test_packets_in_the_bytes_of_the_head(self) -> None:
        """Packets that arrive in the same bytes as the head are not lost (3.1.5.3)."""
        self.tunnel.dataReceived(b"head." + ONE + TWO)
        self.assertEqual(self.tunnel.told, ["established", b"head", [ONE, TWO]])

    def test_any_cut(self) -> None:
        """Wherever the stream is cut, the same packets come out (3.1.5.3)."""
        stream = b"head." + ONE + TWO + THREE
        for cut in range(len(stream)):
            tunnel = RecordingTunnel(self.clock)
            tunnel.makeConnection(StringTransport())
            tunnel.dataReceived(stream[:cut])
            tunnel.dataReceived(stream[cut:])
            packets = [each for told in tunnel.told if isinstance(told, list) for each in told]
            self.assertEqual(packets, [ONE, TWO, THREE], f"cut at {cut}")

    def test_byte_by_byte(self) -> None:
        """A stream that comes byte by byte gives each packet as soon as its last byte is there (3.1.5.3)."""
        for byte in b"head." + ONE + TWO + THREE:
            self.tunnel.dataReceived(bytes((byte,)))
        self.assertEqual(self.tunnel.told, ["established", b"head", [ONE], [TWO], [THREE]])

    def test_framing_fault(self) -> None:
        """Packets before a framing fault are delivered, those after it are not; it is counted once (3.1.5.3)."""
        self.tunnel.dataReceived(b"head.")
        self.tunnel.dataReceived(ONE + b"GET / HTTP/1.1\r\n" + TWO)
        self.tunnel.dataReceived(THREE)
        self.assertEqual(self.tunnel.told, ["established", b"head", [ONE], DropReason.NOT_IPV6])
        self.assertEqual(self.tunnel.counters.drops, {DropReason.NOT_IPV6: 1})

    def test_bytes_after_the_end(self) -> None:
        """Bytes that a transport still delivers after the end are discarded."""
        self.tunnel.dataReceived(b"head.")
        self.tunnel.disconnect("told to")
        self.tunnel.dataReceived(ONE)
        self.assertEqual(self.tunnel.told, ["established", b"head"])


class DeadlineTests(TunnelCase):
    """A session opens in time or not at all; once open it has all the time there is."""

    def test_handshake_deadline(self) -> None:
        """A session that does not open within the deadline has expired, and not a moment before."""
        self.tunnel.dataReceived(b"hea")
        self.clock.advance(HANDSHAKE_DEADLINE - 0.001)
        self.assertEqual(self.tunnel.told, ["established"])
        self.clock.advance(0.001)
        self.assertEqual(self.tunnel.told, ["established", "expired"])

    def test_slow_bytes_do_not_extend_it(self) -> None:
        """A peer that sends its head a byte at a time gains no time by it."""
        for _ in range(int(HANDSHAKE_DEADLINE)):
            self.tunnel.dataReceived(b"x")
            self.clock.advance(1)
        self.assertEqual(self.tunnel.told, ["established", "expired"])

    def test_open_session_has_no_limit(self) -> None:
        """An idle client is legal: an open session has no time limit (3.2.2)."""
        self.tunnel.dataReceived(b"head.")
        self.clock.advance(10 * 24 * 3600)
        self.assertEqual(self.tunnel.told, ["established", b"head"])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SendTests(TunnelCase):
    """Packets are sent, or dropped and counted."""

    def test_sent_bytes_are_the_packets(self) -> None:
        """Packets laid end to end are the body; nothing is put around them (3.1.5.3)."""
        self.tunnel.send(Batch.of([ONE, TWO]))
        self.tunnel.send(Batch.of([THREE]))
        self.assertEqual(self.transport.value(), ONE + TWO + THREE)
        self.assertEqual(self.tunnel.counters, Counters(packets_out=3, bytes_out=len(ONE + TWO + THREE)))

    def test_congestion(self) -> None:
        """While the transport's buffer is full packets wait, in order, and go out when it is empty again."""
        self.tunnel.send(Batch.of([ONE]))
        self.tunnel.pauseProducing()
        self.tunnel.send(Batch.of([TWO]))
        self.tunnel.send(Batch.of([THREE]))
        self.assertEqual(self.transport.value(), ONE)
        self.tunnel.resumeProducing()
        self.assertEqual(self.transport.value(), ONE + TWO + THREE)
        self.tunnel.send(Batch.of([ONE]))
        self.assertEqual(self.transport.value(), ONE + TWO + THREE + ONE)
        self.assertEqual(self.tunnel.counters, Counters(packets_out=4, bytes_out=len(ONE + TWO + THREE + ONE)))

    def test_no_room(self) -> None:
        """Packets beyond the queue's limit are dropped and counted, packet by packet."""
        self.tunnel.pauseProducing()
        self.tunnel.backlog.room = len(ONE)
        self.tunnel.send(Batch.of([ONE, TWO, THREE]))
        expected = Counters()
        expected.dropped(DropReason.CONGESTED, 2)
        self.assertEqual(self.tunnel.counters, expected)
        self.tunnel.resumeProducing()
        self.assertEqual(self.transport.value(), ONE)
        expected.sent(1, len(ONE))
        self.assertEqual(self.tunnel.counters, expected)

    def test_room_follows_the_rate(self) -> None:
        """A connection that drains slowly has little room in its queues, so that no packet waits for long."""
        for rate, room, queue in ((1e6, MINIMUM_ROOM * 3, MINIMUM_QUEUE), (1e9, MAXIMUM_ROOM, QUEUE)):
            for _ in range(60):
                self.tunnel.send(Batch.of([ONE]))
                self.tunnel.pauseProducing()
                self.clock.advance(self.tunnel._queue / rate)
                self.tunnel.resumeProducing()
            self.tunnel.send(Batch.of([ONE]))
            self.assertLessEqual(abs(self.tunnel.backlog.room - room) / room, 0.05)
            self.assertEqual(queue, self.tunnel._queue)

    def test_resume_without_pause(self) -> None:
        """A transport that was never full says at the beginning that it is empty; nothing is learned from that."""
        self.tunnel.resumeProducing()
        self.assertEqual((self.transport.value(), vars(self.transport)["bufferSize"]), (b"", QUEUE))

    def test_bounded_buffer(self) -> None:
        """The transport is told to say when its buffer holds more than the bound, and to whom."""
        self.assertEqual(vars(self.transport)["bufferSize"], QUEUE)
        self.assertIs(self.transport.producer, self.tunnel)
        self.assertTrue(self.transport.streaming)


class EndTests(TunnelCase):
    """A session ends in order where the peer plays along, and soon in any case."""

    def test_disconnect(self) -> None:
        """To disconnect is to close the transport in order; nothing keeps it from closing."""
        self.tunnel.disconnect("told to")
        self.assertTrue(self.transport.disconnecting)
        self.assertFalse(self.transport.disconnected)
        self.assertIsNone(self.transport.producer)
        self.assertEqual(self.tunnel.ending, "told to")

    def test_close_deadline(self) -> None:
        """A peer that does not answer the close is cut off after the deadline, and not before."""
        self.tunnel.disconnect("told to")
        self.clock.advance(CLOSE_DEADLINE - 0.001)
        self.assertFalse(self.transport.disconnected)
        self.clock.advance(0.001)
        self.assertTrue(self.transport.disconnected)

    def test_answered_close(self) -> None:
        """A peer that answers the close in time leaves nothing to be done."""
        self.tunnel.disconnect("told to")
        self.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertFalse(self.transport.disconnected)

    def test_disconnect_in_handshake(self) -> None:
        """A session given up during the handshake does not expire as well."""
        self.tunnel.disconnect("told to")
        self.end()
        self.clock.advance(HANDSHAKE_DEADLINE)
        self.assertEqual(self.tunnel.told, ["established"])

    def test_disconnect_after_the_end(self) -> None:
        """To disconnect a session that has ended does nothing."""
        self.end()
        self.tunnel.disconnect("told to")
        self.assertFalse(self.transport.disconnecting)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_disconnect_again(self) -> None:
        """A session that is told twice to end has no more time for it than one told once."""
        self.tunnel.disconnect("told to")
        self.clock.advance(CLOSE_DEADLINE / 2)
        self.tunnel.disconnect("told to")
        self.clock.advance(CLOSE_DEADLINE / 2)
        self.assertTrue(self.transport.disconnected)
        self.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_ended(self) -> None:
        """`ended` fires when the connection has ended, and not when it is told to."""
        self.tunnel.disconnect("told to")
        self.assertNoResult(self.tunnel.ended)
        self.end()
        self.assertIsNone(self.successResultOf(self.tunnel.ended))

    def test_no_timer_remains(self) -> None:
        """A connection that ends by itself, in whatever phase, leaves no timer."""
        self.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])
