"""Tests for iphttps.core.sstp.client_call: arbitrary servers, with the owner and the timers at arbitrary times."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.client_call import Command, Drop, LinkDown, LinkUp
from iphttps.core.sstp.codec import ControlPacket, Frame
from iphttps.core.sstp.packet import MAXIMUM_LENGTH, MessageType, data_packet, message
from iphttps.core.sstp.ppp.frame import ProtocolNumber, build
from iphttps.core.sstp.states import State
from tests.core.sstp.anything import control, frames
from tests.core.sstp.calls import ACK, NAK
from tests.core.sstp.client_talk import ClientTalk, client_call
from tests.core.sstp.ppp.support import configure, plain
from tests.core.sstp.scripted import MSCHAPV2, PAP

M, S = MessageType, State
MOST = 400
"""Bytes of an answer, beyond those of the item that it answers: all that is built by ourselves."""


class Watched(ClientTalk):
    """A client's call that proceeds only by the steps of a script, with checks after each."""

    limit = MOST

    def act(self, commands: Iterable[Command]) -> None:
        """Act as the owner, and check the commands and the call."""
        commands = [*commands]
        assert sum(len(each) for each in commands if isinstance(each, bytes)) <= self.limit, commands
        super().act(commands)
        self.check()

    def check(self) -> None:
        """Assert that data passes after the binding only, and that LinkUp, LinkDown and Drop come in order."""
        call = self.call
        assert call.data_passes == (call.state is S.CLIENT_CALL_CONNECTED)
        assert not call.data_passes or M.CALL_CONNECTED in self.messages
        assert self.messages.count(M.CALL_CONNECTED) <= 1
        assert call.ends == bool(call.reason), (call.state, call.reason)
        assert (call.deadline is None) == (call.state is S.CLIENT_CALL_DISCONNECTED)
        changes = [each for each in self.said if isinstance(each, LinkUp | LinkDown)]
        assert all(isinstance(each, LinkDown) == bool(at % 2) for at, each in enumerate(changes)), changes
        assert bool(self.link) == (len(changes) % 2 == 1)
        assert not self.link or call.data_passes
        drops = [each for each in self.said if isinstance(each, Drop)]
        assert len(drops) <= 1
        assert not drops or self.said[-1] == drops[0]

    def item(self, item: ControlPacket | Frame) -> None:
        """Have the call receive an item."""
        self.limit = MOST + len(item.data)
        self.act(self.call.receive(item, self.now))
        self.limit = MOST

    def step(self, step: ControlPacket | Frame | str) -> None:
        """Take a step of a script."""
        if not isinstance(step, str):
            self.item(step)
        elif step in ("next", "lose"):
            if not self.to_client:
                while self.to_server:
                    self.server_takes(self.to_server.pop(0))
            packet = self.to_client.pop(0) if self.to_client else b""
            if step == "next" and packet:
                self.item(ControlPacket(packet) if packet[1] else Frame(packet[4:]))
        elif step == "expire" and (deadline := self.call.deadline) is not None:
            self.now = max(deadline, self.now)
            self.act(self.call.expired(self.now))
            assert self.call.deadline is None or self.call.deadline > self.now
        elif step == "wait":
            self.now += 0.5
            self.act(self.call.expired(self.now))
        elif step == "heard":
            self.call.heard(self.now)
        elif step == "disconnect":
            self.act(self.call.disconnect("by the operator", self.now))
        elif step == "lost":
            self.act(self.call.lost(self.now))
        elif step == "undelineable":
            self.act(self.call.lost_step(self.now))
        self.check()

    def come(self, far: int) -> Watched:
        """Begin, and let the server come this far, in packets."""
        self.serve(self.server.start(self.now))
        self.act(self.call.start(self.now))
        for _ in range(far):
            self.step("next")
        return self


words = st.sampled_from(["lose", "expire", "wait", "heard", "disconnect", "lost", "undelineable", "next"])
scripts = st.lists(st.one_of(st.just("next"), words, frames, control), max_size=40)


class AnythingTests(SynchronousTestCase):
    """Arbitrary scripts."""

    @given(st.booleans(), st.integers(0, 14), scripts)
    def test_anything(self, pap: bool, far: int, script: list[ControlPacket | Frame | str]) -> None:
        """Nothing raises, answers are bounded, no data passes before the binding, and LinkDown comes before Drop."""
        watched = Watched(client_call(allow_pap=pap), demanded=(PAP,) if pap else (MSCHAPV2,)).come(far)
        for step in script:
            watched.step(step)

    def test_all_pairs(self) -> None:
        """Each message and each event, at each point of a call, and each other after it."""
        events: list[ControlPacket | Frame | str] = [ControlPacket(message(kind)) for kind in M]
        events += [ControlPacket(ACK), ControlPacket(NAK)]
        events += [Frame(build(ProtocolNumber.LCP, plain(5, 1))), Frame(b"\xff\x03\x80\xfd\x01")]
        events += ["expire", "disconnect", "lost", "undelineable", "heard"]
        for far, first, second in product((0, 1, 3, 6, 12), events, events):
            watched = Watched().come(far)
            for step in (first, second, "next", "expire", "expire"):
                watched.step(step)

    def test_reaches(self) -> None:
        """The scripts above reach the state in which data passes."""
        for pap in (False, True):
            talk = Watched(client_call(allow_pap=pap), demanded=(PAP,) if pap else (MSCHAPV2,)).come(14)
            self.assertIsNotNone(talk.link)

    def test_flood(self) -> None:
        """A server that repeats any one packet for ever gets a bounded number of bytes in answer to each."""
        for packet in (plain(9, 1, bytes(4)), configure(1, 1, (99, b"")), configure(1, 1), b"\x01\x01\x00\x04"):
            for number in (ProtocolNumber.LCP, ProtocolNumber.IPCP, ProtocolNumber.CHAP, ProtocolNumber.CCP):
                talk = ClientTalk().start()
                talk.answers = False
                before, size = len(talk.sent), len(data_packet(build(number, packet)))
                for _ in range(200):
                    talk.ppp(number, packet)
                self.assertLessEqual(len(talk.sent) - before, 201)
                self.assertLessEqual(sum(map(len, talk.sent[before:])), 200 * (size + 20) + MAXIMUM_LENGTH)
