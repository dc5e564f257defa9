"""Codec and server machine together, as a session joins them, without a network."""

from __future__ import annotations

from scapy.layers.inet import IP, UDP
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import DropReason
from iphttps.core.sstp.codec import ControlPacket, SSTPCodec
from iphttps.core.sstp.machine import Action, Command, Send, VerifyBinding
from iphttps.core.sstp.packet import data_packet
from iphttps.core.sstp.server import ServerMachine
from iphttps.core.sstp.states import Event, State
from tests.core.sstp.calls import ABORT, ACK, CONNECTED, DISCONNECT, DISCONNECT_ACK, ECHO, ECHOED, NONCE, REQUEST
from tests.support import every_cut

PACKETS = [bytes(IP(src="192.0.2.2", dst="192.0.2.1", id=number) / UDP()) for number in range(4)]
FIRST, SECOND, THIRD, FOURTH = (data_packet(b"\xff\x03\x00\x21" + packet) for packet in PACKETS)
RESPONSE = data_packet(b"\xff\x03\xc2\x23\x02")
"""Begins like a CHAP response; the server knows the HLAK once it has it."""


class Session:
    """What joins a codec and a machine; `verdict` is what the check of each binding says."""

    def __init__(self, verdict: Event = Event.VERIFIED) -> None:
        self.codec = SSTPCodec()
        self.machine = ServerMachine(NONCE)
        self.verdict = verdict
        self.delivered: list[bytes] = []
        self.done: list[Command] = []
        self.perform(self.machine.handle(Event.NEW_CONNECTION, 0.0))

    def take(self, chunk: bytes) -> None:
        """Take a chunk of the stream."""
        self.delivered += self.codec.feed(chunk)
        for item in self.codec.control:
            if isinstance(item, ControlPacket):
                self.perform(self.machine.received(item.data, 0.0))
            elif self.machine.control_passes:
                self.perform(self.machine.handle(Event.HLAK, 0.0))
        self.codec.control.clear()
        self.codec.data_passes = self.machine.data_passes
        if self.codec.pending:
            self.take(b"")

    def perform(self, commands: list[Command]) -> None:
        """Note the commands, and answer the one that wants an answer."""
        for command in commands:
            self.done.append(command)
            if isinstance(command, VerifyBinding):
                self.perform(self.machine.handle(self.verdict, 0.0))


class CallTests(SynchronousTestCase):
    """A whole call as a stream, cut at every point."""

    def test_call(self) -> None:
        """Just the data between the verified binding and the end of the call passes (3.3.5.2.3, 3.3.7.2)."""
        stream = FIRST + REQUEST + FIRST + RESPONSE + FIRST + CONNECTED + SECOND + ECHO + THIRD + DISCONNECT + FOURTH
        for pieces in every_cut(stream):
            session = Session()
            for piece in pieces:
                session.take(piece)
            self.assertEqual((PACKETS[1:3], 4), (session.delivered, session.codec.drops[DropReason.NOT_CONNECTED]))
            expected = [Send(ACK), Action.START_PPP, VerifyBinding(CONNECTED), Action.PASS_DATA, Send(ECHOED)]
            self.assertEqual([*expected, Action.STOP_PPP, Send(DISCONNECT_ACK)], session.done)

    def test_held(self) -> None:
        """A held binding opens the gate at the frame that ends authentication, not before (3.3.7.1)."""
        for pieces in every_cut(REQUEST + CONNECTED + FIRST + RESPONSE + SECOND):
            session = Session()
            for piece in pieces:
                session.take(piece)
            self.assertEqual((PACKETS[1:2], 1), (session.delivered, session.codec.drops[DropReason.NOT_CONNECTED]))

    def test_wrong_binding(self) -> None:
        """Behind a binding that is wrong nothing passes, whatever follows (3.3.5.2.3)."""
        for pieces in every_cut(REQUEST + RESPONSE + CONNECTED + FIRST + CONNECTED + RESPONSE + SECOND + ABORT):
            session = Session(Event.NOT_VERIFIED)
            for piece in pieces:
                session.take(piece)
            self.assertEqual(([], 2), (session.delivered, session.codec.drops[DropReason.NOT_CONNECTED]))
            self.assertEqual(State.CALL_ABORT_TIMEOUT_PENDING, session.machine.state)

    def test_no_binding(self) -> None:
        """A client that never sends Call Connected never gets data through (3.3.5.2.3)."""
        session = Session()
        session.take(REQUEST + (RESPONSE + FIRST) * 100)
        self.assertEqual(([], 100), (session.delivered, session.codec.drops[DropReason.NOT_CONNECTED]))
        self.assertIn(Action.STOP_PPP, session.machine.expired(60.0))
