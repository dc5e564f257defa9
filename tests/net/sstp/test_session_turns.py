"""A session's budget in a turn of the reactor, and what it owes."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from iphttps.core.errors import DropReason
from iphttps.net.paced import BUDGET
from iphttps.net.sstp.session import MOST_OWED
from tests.net.sstp.support import SSTPCase, to_far
from tests.sstp_client import (
    CALL_DISCONNECT,
    CALL_DISCONNECT_ACK,
    ECHO_REQUEST,
    ECHO_RESPONSE,
    message,
    packet,
)

LCP = 0xC021


def lost() -> Failure:
    """Return what a connection ends with."""
    return Failure(ConnectionDone())


class TurnTests(SSTPCase):
    """A session's budget in a turn of the reactor."""

    def test_many(self) -> None:
        """Packets over the budget come in later turns, in order, and the connection is not read meanwhile."""
        caller = self.connected()
        sent = [to_far(caller, number) for number in range(2 * BUDGET + 10)]
        caller.session.dataReceived(b"".join(map(packet, sent)))
        self.assertEqual((len(self.device.taken), caller.transport.producerState), (BUDGET, "paused"))
        self.clock.pump([0] * 4)
        self.assertEqual((self.device.taken, caller.transport.producerState), (sent, "producing"))

    def test_with_control(self) -> None:
        """Control packets keep their place between data: data after a Call Disconnect does not pass (3.3.7.1)."""
        caller = self.connected()
        sent = [to_far(caller, number) for number in range(2 * BUDGET)]
        stream = b"".join(map(packet, sent)) + message(CALL_DISCONNECT) + packet(to_far(caller, 9999))
        caller.session.dataReceived(stream)
        caller.session.dataReceived(packet(to_far(caller, 9998)))
        self.assertFalse(caller.session.call.ends)
        self.clock.pump([0] * 4)
        self.assertEqual(self.device.taken, sent)
        caller.take()
        self.assertEqual((caller.kinds, caller.transport.producerState), ([CALL_DISCONNECT_ACK], "producing"))
        self.assertEqual(caller.entry.counters.drops, {DropReason.NOT_CONNECTED: 2})

    def test_in_order(self) -> None:
        """Later data waits for the queued work."""
        caller = self.connected()
        sent = [to_far(caller, number) for number in range(2 * BUDGET + 1)]
        caller.session.dataReceived(b"".join(map(packet, sent[:-1])))
        caller.session.dataReceived(packet(sent[-1]))
        self.clock.pump([0] * 4)
        self.assertEqual(self.device.taken, sent)

    def test_ended(self) -> None:
        """Of a call that ends nothing is forwarded any more, also not what was put off (3.3.7.1)."""
        caller = self.connected()
        sent = [to_far(caller, number) for number in range(2 * BUDGET)]
        caller.session.dataReceived(b"".join(map(packet, sent)))
        caller.session.disconnect("enough")
        self.clock.pump([0] * 4)
        self.assertEqual(self.device.taken, sent[:BUDGET])
        self.assertEqual(caller.entry.counters.drops, {DropReason.NOT_CONNECTED: BUDGET})

    def test_echoes(self) -> None:
        """Echo Requests count, too, and are answered together (3.3.5.2.7)."""
        caller = self.connected()
        written: list[bytes] = []
        self.patch(caller.transport, "write", written.append)
        caller.session.dataReceived(message(ECHO_REQUEST) * (BUDGET + 1))
        self.assertEqual(written, [message(ECHO_RESPONSE) * BUDGET])
        self.clock.pump([0] * 3)
        self.assertEqual(written[1:], [message(ECHO_RESPONSE)])

    def test_lost(self) -> None:
        """Data received before the loss of the connection is delivered."""
        caller = self.connected()
        sent = [to_far(caller, number) for number in range(2 * BUDGET)]
        caller.session.dataReceived(b"".join(map(packet, sent)))
        caller.session.connectionLost(lost())
        self.assertEqual((self.device.taken, self.timers()), (sent, []))

    def test_does_not_read(self) -> None:
        """A client that asks and never reads is ended: the answers would pile up."""
        caller = self.connected()
        caller.session.pauseProducing()
        asking = message(ECHO_REQUEST) * (MOST_OWED // 8)
        caller.session.dataReceived(asking)
        self.clock.pump([0] * 40)
        self.assertFalse(caller.transport.disconnecting)
        caller.session.dataReceived(message(ECHO_REQUEST))
        self.assertTrue(caller.transport.disconnecting)
        self.assertEqual(len(self.table), 0)

    def test_reads_again(self) -> None:
        """One that reads again may ask again."""
        caller = self.connected()
        for _ in range(3):
            caller.session.pauseProducing()
            caller.session.dataReceived(message(ECHO_REQUEST) * (MOST_OWED // 8))
            self.clock.pump([0] * 40)
            caller.session.resumeProducing()
        self.assertFalse(caller.transport.disconnecting)
