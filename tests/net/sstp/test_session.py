"""A session: the call on its connection, what passes, and what is left when it has ended."""

from __future__ import annotations

import gc
from weakref import ref

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from iphttps.core.errors import DropReason
from iphttps.core.ip.batch import Batch
from iphttps.core.sstp.states import DISCONNECT_1, HELLO, NEGOTIATION, State
from iphttps.net.connection import CLOSE_DEADLINE
from iphttps.net.paced import BUDGET
from iphttps.net.sstp.session import SHUTDOWN
from tests.net.sstp.support import SSTPCase, from_far, to_far
from tests.sstp_client import (
    CALL_ABORT,
    CALL_CONNECT_ACK,
    CALL_CONNECT_REQUEST,
    CALL_DISCONNECT,
    CALL_DISCONNECT_ACK,
    ECHO_REQUEST,
    REQUEST_HEAD,
    message,
    packet,
)

LCP = 0xC021


def lost() -> Failure:
    """Return what a connection ends with."""
    return Failure(ConnectionDone())


class CallTests(SSTPCase):
    """A call from its request to its end."""

    def test_call(self) -> None:
        """A client that does everything right is connected by both families ([MS-SSTP] 3.3)."""
        caller = self.caller()
        self.assertTrue(caller.head.startswith(b"HTTP/1.1 200 "), caller.head)
        caller.call()
        self.assertEqual((caller.kinds, caller.ready), ([CALL_CONNECT_ACK], True))
        self.assertEqual(caller.ipcp.address, bytes((10, 99, 0, 2)))
        self.assertIs(caller.session.call.state, State.SERVER_CALL_CONNECTED)

    def test_byte_by_byte(self) -> None:
        """However its bytes are cut, the call goes on as it should."""
        caller = self.caller()
        answer = CALL_CONNECT_REQUEST
        while answer:
            for byte in answer:
                caller.session.dataReceived(bytes((byte,)))
            answer = caller.take()
        self.assertTrue(caller.ready)

    def bare(self, *stream: bytes) -> StringTransport:
        """Connect a client whose first bytes, with the request, are these."""
        protocol, transport = self.listener.buildProtocol(IPv4Address("TCP", "192.0.2.7", 1)), StringTransport()
        protocol.makeConnection(transport)
        protocol.dataReceived(REQUEST_HEAD + b"".join(stream))
        return transport

    def test_early_message(self) -> None:
        """A client need not wait for the answer to its request with its first message."""
        transport = self.bare(CALL_CONNECT_REQUEST)
        _, _, rest = transport.value().partition(b"\r\n\r\n")
        self.assertEqual(rest[5], CALL_CONNECT_ACK)

    def test_ended_with_the_request(self) -> None:
        """What cannot be delineated, in the same bytes as the request, ends the connection without a word (3.1.5.1)."""
        transport = self.bare(b"\x11")
        self.assertEqual((transport.value().partition(b"\r\n\r\n")[2], transport.disconnecting), (b"", True))
        self.assertEqual(len(self.table), 0)
        self.clock.advance(CLOSE_DEADLINE)
        self.assertEqual(self.timers(), [])

    def test_both_ways(self) -> None:
        """Packets pass both ways once the binding is verified (3.3.5.2.3)."""
        caller = self.connected()
        caller.send(packet(to_far(caller)))
        self.assertEqual(self.device.taken, [to_far(caller)])
        sent = from_far(caller)
        self.from_host(sent)
        caller.take()
        self.assertEqual(caller.packets, [sent])

    def test_data_too_early(self) -> None:
        """Data before the binding is dropped and counted, whatever PPP has agreed on (3.3.5.2.3, 3.3.7.2)."""
        caller = self.caller()
        caller.bind = lambda: b""
        caller.call()
        self.assertTrue(caller.ready)
        caller.send(packet(to_far(caller)), packet(to_far(caller)))
        self.assertEqual(self.device.taken, [])
        self.from_host(from_far(caller))
        caller.take()
        self.assertEqual(caller.packets, [])
        self.assertEqual(caller.entry.counters.drops, {DropReason.NOT_CONNECTED: 2})

    def test_order(self) -> None:
        """Data right behind the binding passes, data right before it does not (3.3.5.2.3)."""
        caller = self.caller()
        caller.bind = lambda: b""
        caller.call()
        first, second = to_far(caller, 1), to_far(caller, 2)
        caller.session.dataReceived(packet(first) + caller.bound() + packet(second))
        self.assertEqual(self.device.taken, [second])

    def test_hello(self) -> None:
        """A silent client is asked once, and dropped without a word if it stays silent (3.1.2.3)."""
        caller = self.connected()
        self.clock.advance(HELLO)
        self.clock.advance(0)
        caller.take()
        self.assertEqual(caller.kinds, [ECHO_REQUEST])
        self.clock.advance(HELLO)
        self.assertTrue(caller.transport.disconnecting)
        caller.take()
        self.assertEqual((caller.kinds, len(self.table)), ([ECHO_REQUEST], 0))

    def test_hello_answered(self) -> None:
        """Data counts as an answer, too; the timer of the session needs no new one for each packet."""
        caller = self.connected()
        for _ in range(5):
            self.clock.advance(HELLO - 1)
            caller.send(packet(to_far(caller)))
            self.assertEqual(len(self.timers()), 1)
        self.assertEqual((caller.kinds, caller.transport.disconnecting), ([], False))

    def test_negotiation_timeout(self) -> None:
        """A client that does not call is aborted after 60 s, and dropped if it does not answer (3.3.2.1)."""
        caller = self.caller()
        self.clock.advance(NEGOTIATION)
        caller.take()
        self.assertEqual((caller.kinds, caller.status), ([CALL_ABORT], 8))
        self.clock.pump([1.0] * 4)
        self.assertEqual((caller.transport.disconnecting, len(self.table)), (True, 0))

    def test_lost(self) -> None:
        """A connection that is lost leaves nothing behind (3.1.7.2)."""
        caller = self.connected()
        caller.session.connectionLost(lost())
        self.assertEqual((len(self.table), len(self.pool), len(self.service._outer)), (0, 0, 0))
        self.assertEqual((self.timers(), self.listener._sessions), ([], {}))

    def test_why(self) -> None:
        """The record has the reason of the end, not that of the connection's, if the call has ended before."""
        caller = self.connected()
        with capturedLogs() as events:
            caller.session.disconnect("the user was removed")
            caller.session.connectionLost(Failure(ConnectionLost()))
        self.assertIn("disconnected: the user was removed;", "\n".join(str(formatEvent(each)) for each in events))

    def test_gone(self) -> None:
        """Nothing of an ended session refers to itself: it is gone at once."""
        gc.disable()
        self.addCleanup(gc.enable)
        for act in (
            lambda caller: caller.session.connectionLost(lost()),
            lambda caller: caller.session.disconnect("enough"),
            lambda caller: caller.send(message(CALL_DISCONNECT)),
            lambda caller: caller.send(b"\x11"),
            lambda caller: caller.send(packet(to_far(caller)) * (3 * BUDGET)),
        ):
            caller = self.connected()
            old = ref(caller.session), ref(caller.session.call._machine)
            act(caller)
            self.clock.pump([0.5] * 30)
            if not caller.session.ended.called:
                caller.session.connectionLost(lost())
            del vars(caller.transport)["protocol"]
            caller.transport.producer = None
            del caller
            self.assertEqual([each() for each in old], [None] * 2)


class EndTests(SSTPCase):
    """Ends by this side."""

    def test_disconnect(self) -> None:
        """A call ends by Call Disconnect, and the connection with the client's acknowledgement (3.3.4)."""
        caller = self.connected()
        caller.session.disconnect("enough")
        caller.take()
        self.assertEqual((caller.kinds, caller.transport.disconnecting), ([CALL_DISCONNECT], False))
        caller.send(message(CALL_DISCONNECT_ACK))
        self.assertEqual((caller.transport.disconnecting, len(self.table)), (True, 0))

    def test_no_acknowledgement(self) -> None:
        """Without one it ends 5 s later (3.1.2.2)."""
        caller = self.connected()
        caller.session.disconnect("enough")
        self.clock.advance(DISCONNECT_1 - 0.1)
        self.assertFalse(caller.transport.disconnecting)
        self.clock.advance(0.1)
        self.assertTrue(caller.transport.disconnecting)

    def test_nothing_passes_then(self) -> None:
        """From the Call Disconnect on no data passes, either way, and its addresses are free (3.3.7.1)."""
        caller = self.connected()
        caller.session.disconnect("enough")
        caller.send(packet(to_far(caller)))
        self.assertEqual(self.device.taken, [])
        self.from_host(from_far(caller))
        self.service.advertise()
        caller.take()
        self.assertEqual((caller.packets, len(self.pool)), ([], 0))

    def test_nothing_is_sent_then(self) -> None:
        """Whoever still wants to send to it, sends nothing."""
        caller = self.connected()
        caller.session.disconnect("enough")
        caller.session.send(Batch.of([from_far(caller)]))
        caller.take()
        self.assertEqual((caller.kinds, caller.packets), ([CALL_DISCONNECT], []))

    def test_backlog_then(self) -> None:
        """What waited for a congested client goes nowhere once its call has ended."""
        caller = self.connected()
        caller.session.pauseProducing()
        self.from_host(from_far(caller))
        caller.session.disconnect("enough")
        caller.session.resumeProducing()
        caller.take()
        self.assertEqual((caller.kinds, caller.packets), ([CALL_DISCONNECT], []))

    def test_shutdown(self) -> None:
        """A server that shuts down waits 2 s at most; told twice, it has one timer, and none is left."""
        caller, silent = self.connected(), self.connected()
        self.listener.stop()
        self.listener.disconnect("the server is shutting down")
        self.listener.disconnect("the server is shutting down")
        gone = self.listener.wait_closed()
        self.assertEqual(len(self.timers()), 4)
        caller.send(message(CALL_DISCONNECT_ACK))
        caller.session.connectionLost(lost())
        self.assertEqual(len(self.timers()), 2)
        self.clock.advance(SHUTDOWN)
        self.assertTrue(silent.transport.disconnecting)
        silent.session.connectionLost(lost())
        self.assertEqual(self.timers(), [])
        self.successResultOf(gone)

    def test_late_words(self) -> None:
        """An ended session is not told anything more."""
        caller = self.connected()
        session = caller.session
        session.connectionLost(lost())
        session.disconnect("again")
        session.resumeProducing()
        self.assertEqual(self.timers(), [])
