"""A client's call and a server's, with the wire between them, on which a test may change what the server sends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.failure import FailureReason, Stage
from iphttps.core.sstp.call import Call
from iphttps.core.sstp.call import Command as ServerCommand
from iphttps.core.sstp.client_call import ClientCall, Command, Drop, LinkDown, LinkUp
from iphttps.core.sstp.codec import ControlPacket, SSTPCodec
from iphttps.core.sstp.crypto_binding import HashProtocol
from iphttps.core.sstp.packet import MessageType, data_packet
from iphttps.core.sstp.ppp.frame import build, parse
from iphttps.core.sstp.ppp.lcp import Authentication
from iphttps.core.sstp.ppp.login import Login
from iphttps.core.sstp.ppp.mschapv2 import nt_password_hash
from iphttps.core.sstp.ppp.server import Credentials, Offer
from iphttps.core.sstp.states import State
from iphttps.pki.des import encrypt
from tests.core.sstp.calls import ABORT, DISCONNECT, ECHO
from tests.core.sstp.scripted import CERTIFICATE, HASHES, MSCHAPV2, OFFER, Talk, numbers

ALICE = Login(b"alice", nt_password_hash("secret"), b"secret")

Edit = Callable[[int, bytes], Iterable[bytes] | None]
"""Gets the protocol and the packet of a frame that the server sends, or 0 and a control packet.

It returns what is sent in its place: packets of the same protocol, or whole control packets; None for no change.
"""


def unchanged(number: int, packet: bytes) -> None:
    """Change nothing."""


def client_call(
    login: Login = ALICE,
    hashes: Sequence[HashProtocol] = tuple(HashProtocol),
    certificate: bytes = CERTIFICATE,
    allow_pap: bool = False,
    identifier: bytes = b"",
    address: bytes = b"",
) -> ClientCall:
    """Return a client's call that has not started."""
    return ClientCall(
        numbers(5000),
        login,
        certificate,
        encrypt,
        hashes=hashes,
        allow_pap=allow_pap,
        identifier=identifier,
        address=address,
    )


class ClientTalk:
    """A client's call, the server's, and the owners of both; `said` is what the client's call says to its owner.

    The server's owner is that of `Talk`, who has one user, alice, with the password "secret".
    """

    def __init__(
        self,
        call: ClientCall | None = None,
        offer: Offer = OFFER,
        hashes: Sequence[HashProtocol] = tuple(HashProtocol),
        demanded: Sequence[Authentication] = (MSCHAPV2,),
        edit: Edit = unchanged,
    ) -> None:
        self.call = call or client_call()
        self.owner = Talk(offer=offer)
        self.server = self.owner.call = Call(numbers(), b"server", HASHES, hashes, demanded)
        self.edit = edit
        self.codec, self.server_codec = SSTPCodec(), SSTPCodec()
        self.to_client: list[bytes] = []
        self.to_server: list[bytes] = []
        self.said: list[Command] = []
        self.sent: list[bytes] = []
        """The packets that the client has sent."""
        self.now = 0.0
        self.judges = True
        self.answers = True
        """True if the server gets the packets of the client."""
        self.deaf = False
        """True if the client gets no packets of the server."""

    def start(self) -> ClientTalk:
        """Begin, and carry on until nobody has anything to send."""
        self.serve(self.server.start(self.now))
        self.act(self.call.start(self.now))
        return self.run()

    def act(self, commands: Iterable[Command]) -> None:
        """Act as the owner of the client's call."""
        for command in commands:
            if isinstance(command, bytes):
                self.sent.append(command)
                self.to_server += [command] if self.answers else []
            else:
                self.said.append(command)
        self.codec.data_passes = self.call.data_passes

    def serve(self, commands: Iterable[ServerCommand]) -> None:
        """Act as the owner of the server's call."""
        for command in commands:
            if isinstance(command, bytes):
                self.to_client += [] if self.deaf else self.edited(command)
            elif isinstance(command, Credentials) and self.judges:
                self.serve(self.owner.verdict(command))

    def edited(self, packet: bytes) -> list[bytes]:
        """Return what the server sends in the place of a packet."""
        parsed = None if packet[1] else parse(packet, 4)
        if not parsed:
            control = self.edit(0, packet)
            return [packet] if control is None else [*control]
        number, start = parsed
        changed = self.edit(number, packet[start:])
        return [packet] if changed is None else [data_packet(build(number, each)) for each in changed]

    def run(self) -> ClientTalk:
        """Carry packets both ways until nobody has anything to send."""
        for _ in range(1000):
            if self.to_client:
                self.take(self.to_client.pop(0))
            elif self.to_server:
                self.server_takes(self.to_server.pop(0))
            else:
                return self
        raise AssertionError("they go on for ever")

    def take(self, data: bytes) -> None:
        """Have the client's call process bytes of the server, as a session does."""
        self.codec.feed(data)
        items, self.codec.control = self.codec.control, []
        for item in items:
            self.act(self.call.receive(item, self.now))
        if self.codec.pending:
            self.take(b"")
        elif self.codec.end:
            self.act(self.call.lost_step(self.now))

    def server_takes(self, data: bytes) -> None:
        """Have the server's call process bytes of the client."""
        self.server_codec.feed(data)
        items, self.server_codec.control = self.server_codec.control, []
        for item in items:
            self.serve(self.server.receive(item, self.now))

    def tell(self, *packets: bytes) -> ClientTalk:
        """Have the server send control packets, and carry on."""
        for packet in packets:
            self.act(self.call.receive(ControlPacket(packet), self.now))
        return self.run()

    def ppp(self, number: int, packet: bytes) -> ClientTalk:
        """Have the server send a PPP packet, and carry on."""
        self.take(data_packet(build(number, packet)))
        return self.run()

    def wait(self, seconds: float) -> ClientTalk:
        """Let time pass: the timers of both ends expire when they are due."""
        until = self.now + seconds
        while (deadline := min(self.call.deadline or until, self.server.deadline or until)) < until:
            self.expire(deadline)
        return self.expire(until)

    def expire(self, now: float) -> ClientTalk:
        """Have all timers expire that are due at this time, and carry on."""
        self.now = now
        self.act(self.call.expired(now))
        assert self.call.deadline is None or self.call.deadline > now, "a timer that has expired already"
        self.serve(self.server.expired(now))
        return self.run()

    @property
    def link(self) -> LinkUp | None:
        """The last LinkUp; None if the link is down."""
        last = next((each for each in self.said[::-1] if isinstance(each, LinkUp | LinkDown)), None)
        return last if isinstance(last, LinkUp) else None

    @property
    def reason(self) -> FailureReason:
        """The reason for the end of the call."""
        assert self.call.reason
        return self.call.reason

    @property
    def dropped(self) -> list[FailureReason]:
        """The reasons of the Drops."""
        return [each.reason for each in self.said if isinstance(each, Drop)]

    @property
    def messages(self) -> list[MessageType]:
        """The types of the control packets that the client has sent."""
        return [MessageType(int.from_bytes(each[4:6])) for each in self.sent if each[1]]

    def frames(self, number: int) -> list[bytes]:
        """Return the packets of a PPP protocol that the client has sent."""
        parsed = [(each, parse(each, 4)) for each in self.sent if not each[1]]
        return [data[where[1] :] for data, where in parsed if where and where[0] == number]


def instead(of: int, code: int, *packets: bytes | Callable[[bytes], bytes]) -> Edit:
    """Return what sends these packets in the place of those of a protocol with this code."""

    def edit(number: int, packet: bytes) -> Iterable[bytes] | None:
        if number != of or (packet[0] if number else packet[5]) != code:
            return None
        return [each if isinstance(each, bytes) else each(packet) for each in packets]

    return edit


class EndCase(SynchronousTestCase):
    """Assertions about the end of a call."""

    def assert_ends(self, talk: ClientTalk, stage: Stage, code: str | None, *words: str) -> None:
        """Assert that a call ends at this stage, with this code and words, and only once."""
        reason = talk.reason
        for word in words:
            self.assertIn(word, reason.sentence)
        self.assertEqual((stage, code), (reason.stage, reason.code), reason.sentence)
        self.assertTrue(reason.sentence.isprintable())
        self.assertTrue(talk.call.ends)
        self.assertIs(stage, talk.call.stage)
        talk.wait(20.0)
        self.assertEqual([reason], talk.dropped, "dropped just once")
        self.assertEqual((State.CLIENT_CALL_DISCONNECTED, None), (talk.call.state, talk.call.deadline))
        sent = len(talk.sent)
        talk.tell(ABORT, ECHO, DISCONNECT).wait(200.0)
        self.assertEqual((sent, [reason]), (len(talk.sent), talk.dropped))
        self.assertIsNone(talk.link)

    def ended(self, edit: Edit, stage: Stage, code: str | None, *words: str) -> ClientTalk:
        """Assert that a call with a server which is changed in this way ends so."""
        talk = ClientTalk(edit=edit).start()
        self.assert_ends(talk, stage, code, *words)
        return talk
