"""Tests for iphttps.core.sstp.call: whatever a client does, and whenever its owner and the timers have their say."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.call import Command
from iphttps.core.sstp.codec import ControlPacket, Frame
from iphttps.core.sstp.crypto_binding import HashProtocol, Mismatch, check_call_connected, server_hlak
from iphttps.core.sstp.packet import MAXIMUM_LENGTH, MessageType, data_packet, message
from iphttps.core.sstp.ppp import mschapv2
from iphttps.core.sstp.ppp.frame import ProtocolNumber, build
from iphttps.core.sstp.ppp.mschapv2_authenticator import Verify
from iphttps.core.sstp.states import State
from tests.core.sstp.anything import control, frames
from tests.core.sstp.ppp.support import configure, plain
from tests.core.sstp.scripted import HASHES, MSCHAPV2, PAP, REQUEST, Client, Talk

M, S = MessageType, State
MOST = 300
"""Bytes of an answer, beyond those of the item that it answers: all that is built by ourselves."""


class Watched(Talk):
    """A call of which nothing happens by itself, and which is watched."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.judges = False
        self.limit = MOST
        self.packets: list[bytes] = []
        self.hlak: bytes | None = None

    def perform(self, commands: Sequence[Command]) -> None:
        """Act as the owner, after a look at the commands and at the call."""
        assert sum(len(each) for each in commands if isinstance(each, bytes)) <= self.limit, commands
        super().perform(commands)
        self.check()

    def check(self) -> None:
        """Assert that no data passes unless the client has been accepted, and has sent a right binding."""
        call = self.call
        if call.data_passes:
            assert self.hlak is not None
            assert any(
                check_call_connected(each, hlak=self.hlak, nonce=self.client.nonce, certificate_hashes=HASHES)
                is Mismatch.NONE
                for each in self.packets
            )
        ending = call.state not in (
            S.SERVER_CONNECT_REQUEST_PENDING,
            S.SERVER_CALL_CONNECTED_PENDING,
            S.SERVER_CALL_CONNECTED,
        )
        assert ending == bool(call.ending), (call.state, call.ending)
        assert (call.deadline is None) == (call.state is S.SERVER_CALL_DISCONNECTED)

    def item(self, item: ControlPacket | Frame) -> None:
        """Have the call receive an item."""
        frame = isinstance(item, Frame)
        self.limit = MOST + len(item.data) if frame else MAXIMUM_LENGTH
        if not frame:
            self.packets.append(item.data)
        self.perform(self.call.receive(item, self.now))
        self.limit = MOST

    def step(self, step: ControlPacket | Frame | str) -> None:
        """Take a step of a script."""
        if not isinstance(step, str):
            self.item(step)
        elif step in ("next", "lose") and self.client.outgoing:
            packet = self.client.outgoing.pop(0)
            if step == "next":
                self.item(ControlPacket(packet) if packet[1] else Frame(packet[4:]))
        elif step == "connect" and self.client.nonce:
            self.item(ControlPacket(self.client.connected()))
        elif step == "again" and self.packets:
            self.item(ControlPacket(self.packets[-1]))
        elif step == "judge" and self.verdicts:
            credentials = self.verdicts.pop(0)
            if self.call.ppp.awaits_verdict and self.call.ppp.user == b"alice":
                hlak = bytes(32)
                if isinstance(credentials, Verify):
                    keys = mschapv2.server_keys(self.client.hash, credentials.response.nt_response)
                    hlak = server_hlak(keys.send, keys.receive)
                self.hlak = hlak
            self.perform(self.verdict(credentials))
        elif step == "expire" and (deadline := self.call.deadline) is not None:
            self.now = deadline
            self.perform(self.call.expired(self.now))
            assert self.call.deadline is None or self.call.deadline > self.now
            self.client.expired(self.now)
        elif step == "wait":
            self.now += 0.5
            self.perform(self.call.expired(self.now))
        elif step == "heard":
            self.call.heard(self.now)
        elif step == "disconnect":
            self.perform(self.call.disconnect("by the operator", self.now))
        elif step == "lost":
            self.perform(self.call.lost(self.now))
        elif step == "undelineable":
            self.perform(self.call.lost_step(self.now))
        self.check()

    def come(self, far: int) -> None:
        """Begin, and let the client come this far, in packets; it is judged at once."""
        self.perform(self.call.start(0.0))
        self.client.outgoing.append(REQUEST)
        for _ in range(far):
            self.step("next")
            self.step("judge")


usual = st.sampled_from(["next", "judge"])
words = st.sampled_from(
    ["lose", "connect", "again", "expire", "wait", "heard", "disconnect", "lost", "undelineable", "next", "judge"]
)
scripts = st.lists(st.one_of(usual, usual, words, frames, control), max_size=40)


class AnythingTests(SynchronousTestCase):
    """Arbitrary scripts."""

    @given(st.sampled_from((MSCHAPV2, PAP)), st.sampled_from(("early", "late", "never")), st.integers(0, 14), scripts)
    def test_anything(
        self, authentication: object, when: str, far: int, script: list[ControlPacket | Frame | str]
    ) -> None:
        """Nothing raises, answers are bounded, and no data passes before a right binding (3.3.5.2.3)."""
        offered = (PAP,) if authentication is PAP else (MSCHAPV2,)
        watched = Watched(Client(offered=offered, connects=when))
        watched.come(far)
        for step in script:
            watched.step(step)

    def test_all_pairs(self) -> None:
        """Each message and each event, at each point of a call, and each other after it."""
        events: list[ControlPacket | Frame | str] = [ControlPacket(message(kind)) for kind in M]
        events += [
            ControlPacket(REQUEST),
            Frame(build(ProtocolNumber.LCP, plain(5, 1))),
            Frame(b"\xff\x03\x80\xfd\x01"),
        ]
        events += ["connect", "expire", "disconnect", "lost", "undelineable", "heard", "judge"]
        for far, first, second in product((1, 4, 9, 14), events, events):
            watched = Watched(Client())
            watched.come(far)
            for step in (first, second, "next", "expire", "expire"):
                watched.step(step)

    def test_reaches(self) -> None:
        """The scripts above get to where data passes, or they would show nothing."""
        for authentication, protocol, when in product((MSCHAPV2, PAP), HashProtocol, ("early", "late")):
            watched = Watched(Client(offered=(authentication,), protocol=protocol, connects=when))
            watched.come(14)
            self.assertTrue(watched.call.data_passes)

    def test_flood(self) -> None:
        """A client that repeats any one packet for ever gets a bounded number of bytes, and is bounded in memory."""
        for packet in (plain(9, 1, bytes(4)), configure(1, 1, (99, b"")), configure(1, 1), b"\x01\x01\x00\x04"):
            for number in (ProtocolNumber.LCP, ProtocolNumber.IPCP, ProtocolNumber.CHAP, ProtocolNumber.CCP):
                talk = Talk().start()
                before = len(talk.client.received)
                for _ in range(200):
                    talk.feed(data_packet(build(number, packet)))
                    talk.client.outgoing.clear()
                self.assertLessEqual(len(talk.client.received) - before, 201)
                self.assertLessEqual(len(talk.said), 100)
