"""The parsers of SSTP and PPP, and a whole call, on inputs of a fuzzer: nothing raises, nothing grows, nothing leaks.

`one_input` takes an input, whose first byte chooses the target. `python -m tests.fuzz sstp` runs it under atheris.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address

from iphttps.core.errors import ProtocolError
from iphttps.core.http.request_head import RequestHead, RequestReader
from iphttps.core.sstp import attributes, request
from iphttps.core.sstp.call import Call, Command, Drop
from iphttps.core.sstp.codec import ControlPacket, SSTPCodec
from iphttps.core.sstp.crypto_binding import HashProtocol, call_connected
from iphttps.core.sstp.packet import MAXIMUM_LENGTH, MessageType, data_packet, message
from iphttps.core.sstp.ppp import chap, frame, mschapv2, options, pap, user_names
from iphttps.core.sstp.ppp.control import MAX_REQUESTS, packet
from iphttps.core.sstp.ppp.frame import ProtocolNumber
from iphttps.core.sstp.ppp.lcp import Authentication
from iphttps.core.sstp.ppp.mschapv2_authenticator import Verify
from iphttps.core.sstp.ppp.server import Credentials, Offer
from iphttps.core.sstp.states import State

CERTIFICATE = bytes(range(32))
HLAK = b"k" * 32
NONCE = b"n" * 32
PROTOCOLS = tuple(ProtocolNumber)
LOGIN = bytes((0, 1, 3, PROTOCOLS.index(ProtocolNumber.LCP), 1, 1, 0, 4, 0, 9, 5)) + b"alice" + bytes((1, 6, 8))
"""A call that gets through: the request, LCP both ways, a login, the verdict, CALL_CONNECTED ([MS-SSTP] 3.2.1)."""

MOST_SENT = 200_000
"""Maximum bytes sent for an input of libFuzzer's usual 4096 bytes, with a margin."""


def parse_anything(data: bytes) -> None:
    """Feed every parser of one packet; what is built of the result reads the same again."""
    found = attributes.read(data)
    for check in (attributes.check_request, attributes.check_connected, attributes.check_bare, attributes.peer_status):
        check(found)
    for each in found.attributes:
        attributes.StatusInfo.parse(each.value)
        binding = attributes.CryptoBinding.parse(each.value)
        assert binding is None or len(binding.build()) == 104
        asked = attributes.CryptoBindingRequest.parse(each.value)
        assert asked is None or attributes.CryptoBindingRequest.parse(asked.build()[4:]) == asked
    assert len(message(MessageType.CALL_CONNECT_NAK, *(e.build() for e in attributes.check_request(found)))) <= (
        MAXIMUM_LENGTH
    )
    listed = options.parse(data)
    assert listed is None or options.build(listed) == data
    said = chap.parse(data)
    assert said is None or chap.parse(said.encode()) == said
    failure = chap.Failure.parse(data)
    assert failure is None or chap.Failure.parse(failure.encode()) is not None
    shown = pap.AuthenticateRequest.parse(data)
    assert shown is None or pap.AuthenticateRequest.parse(shown.encode()) == shown
    pap.Answer.parse(data)
    assert len(user_names.candidates(data)) <= 3
    parsed = frame.parse(data)
    assert parsed is None or parsed[1] <= len(data)


def read_request(data: bytes) -> None:
    """Read the head of a request whole and in pieces, and open a call with it."""
    outcomes = []
    for step in (len(data) or 1, 1 + data[0] % 7 if data else 1):
        reader, head = RequestReader(), None
        try:
            for start in range(0, len(data), step):
                found = reader.feed(data[start : start + step])
                if isinstance(found, RequestHead):
                    head = found
                    break
            outcomes.append(head is not None)
            if head and request.is_path(head.path):
                request.open_call(head)
        except ProtocolError:
            outcomes.append(False)
    assert outcomes[0] == outcomes[1], outcomes


def cut_stream(data: bytes) -> None:
    """Read a stream whole, and cut by its own first bytes: the same comes out, and little is kept."""
    cuts, stream = data[:2], data[2:]
    step = 1 + int.from_bytes(cuts) % 300
    whole = _stream_of(stream, [stream])
    cut = _stream_of(stream, [stream[at : at + step] for at in range(0, len(stream), step)])
    assert whole == cut, (whole, cut)


def _stream_of(stream: bytes, pieces: Sequence[bytes]) -> tuple[list[bytes], str | None, int]:
    codec = SSTPCodec()
    out: list[bytes] = []
    for piece in pieces:
        batch = codec.feed(piece)
        while True:
            out += [batch.data[start:end] for start, end in zip(batch.bounds, batch.bounds[1:], strict=False)]
            for item in codec.control:
                out.append(item.data)
                codec.data_passes = item.data[-1] % 2 == 0 if isinstance(item, ControlPacket) else codec.data_passes
            codec.control.clear()
            if not codec.pending:
                break
            batch = codec.feed(b"")
        assert len(codec._held) < MAXIMUM_LENGTH or codec.end
    assert sum(map(len, out)) <= len(stream)
    return out, codec.end, codec.drops.total()


class Conversation:
    """A call to which an input says what comes next: right messages, wrong ones, raw bytes, verdicts, time."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self.now = 0.0
        self.sent = 0
        self.over = False
        self.bound = self.accepted = self.passed = False
        demanded = (Authentication.MSCHAPV2, Authentication.PAP)[: 1 + self._byte() % 2]
        self.call = Call(self._random, b"server", [CERTIFICATE], demanded=demanded)
        self.codec = SSTPCodec()
        self.requests: list[tuple[int, bytes]] = []
        self.credentials: Credentials | None = None

    def _random(self, count: int) -> bytes:
        return NONCE[:count].ljust(count, b"r")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def _take(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def run(self) -> None:
        """Go on until the input or the call ends."""
        self._perform(self.call.start(self.now))
        while self._at < len(self._data) and not self.over:
            self._step(self._byte())
            assert self.sent <= MOST_SENT, "it sends without end"
            if self.call.data_passes:
                self.passed = True
                assert self.bound and self.accepted, "data passes without a login and its crypto binding"
        if not self.over:
            self._perform(self.call.lost(self.now))
        assert self.call.state is State.SERVER_CALL_DISCONNECTED

    def _step(self, what: int) -> None:
        match what % 10:
            case 0:
                self._feed(self._take(self._byte()))
            case 1:
                self._feed(message(MessageType.CALL_CONNECT_REQUEST, attributes.encapsulated_protocol()))
            case 2:
                self._feed(message(MessageType(1 + self._byte() % 9), self._take(self._byte())))
            case 3:
                protocol = PROTOCOLS[self._byte() % len(PROTOCOLS)]
                self._frame(protocol, packet(self._byte(), self._byte(), self._take(self._byte())))
            case 4 if self.requests:  # agree to what the server has asked for
                number, asked = self.requests[self._byte() % len(self.requests)]
                self._frame(number, b"\2" + asked[1:])
            case 5:
                self.now += self._byte() / 4
                self._perform(self.call.expired(self.now))
            case 6 if self.credentials:
                self.credentials, self.accepted = None, True
                offer = Offer(
                    IPv4Address("10.0.0.1").packed, IPv4Address("10.0.0.2").packed, identifier=bytes(7) + b"\2"
                )
                self._perform(self.call.accept(offer, self.now, b"S=" + bytes(40), HLAK))
            case 7:
                self._perform(self.call.reject("the password is wrong", 691, self.now))
            case 8:
                self.bound = True
                self._feed(call_connected(HLAK, NONCE, CERTIFICATE, HashProtocol.SHA256))
            case 9:  # a login as a client makes it
                name = self._take(self._byte())
                if self.call.ppp.lcp.authentication is Authentication.PAP:
                    self._frame(ProtocolNumber.PAP, pap.AuthenticateRequest(self._byte(), name, b"secret").encode())
                else:
                    response = chap.Response(self._byte(), bytes(16), bytes(24), name)
                    self._frame(ProtocolNumber.CHAP, response.encode())

    def _frame(self, number: int, information: bytes) -> None:
        self._feed(data_packet(frame.build(number, information)))

    def _feed(self, data: bytes) -> None:
        """Do with bytes of the client what a session does."""
        self.codec.feed(data)
        self.call.heard(self.now)
        while True:
            items, self.codec.control = self.codec.control, []
            for item in items:
                if not self.over:
                    self._perform(self.call.receive(item, self.now))
                self.codec.data_passes = self.call.data_passes
            if not self.codec.pending:
                break
            self.codec.feed(b"")
        if self.codec.end and not self.over:
            self._perform(self.call.lost_step(self.now))

    def _perform(self, commands: Sequence[Command]) -> None:
        for command in commands:
            match command:
                case bytes():
                    self.sent += len(command)
                    self._note(command)
                case Drop(words):
                    assert words
                    self.over = True
                case Verify() | pap.AuthenticateRequest():
                    self.credentials = command
                case _:
                    assert self.call.data_passes or self.call.state is not State.SERVER_CALL_DISCONNECTED
        assert self.call.deadline is None or self.call.deadline >= 0

    def _note(self, sent: bytes) -> None:
        parsed = frame.parse(sent, 4) if not sent[1] & 1 else None
        if parsed and sent[parsed[1]] == 1:
            self.requests.append((parsed[0], sent[parsed[1] :]))
            assert len(self.requests) <= 6 * MAX_REQUESTS, "it asks without end"


def hold_call(data: bytes) -> None:
    """Hold a call."""
    Conversation(data).run()


SEEDS = {"login": b"\3" + LOGIN}
"""Inputs for `one_input` to begin with, by name."""


def log_in(data: bytes) -> None:
    """Check the packets of MS-CHAPv2 that a client makes up."""
    said = chap.parse(data)
    if isinstance(said, chap.Response):
        assert mschapv2.verify(None, bytes(16), said, lambda key, block: block) is None


TARGETS: Sequence[Callable[[bytes], None]] = (parse_anything, read_request, cut_stream, hold_call, hold_call, log_in)


def one_input(data: bytes) -> None:
    """Give an input to the target that its first byte chooses."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])
