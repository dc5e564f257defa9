"""The SSTP client on inputs of a fuzzer: the answer to its request, and a whole call with a server.

`one_input` takes an input, whose first byte chooses the target. `python -m tests.fuzz sstp_client` runs it
under atheris.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from iphttps.core.errors import ProtocolError
from iphttps.core.sstp.attributes import CryptoBindingRequest, HashProtocol
from iphttps.core.sstp.client_call import ClientCall, Command, Drop, LinkDown, LinkUp
from iphttps.core.sstp.client_request import ClientHandshake
from iphttps.core.sstp.codec import SSTPCodec
from iphttps.core.sstp.packet import MessageType, data_packet, message
from iphttps.core.sstp.ppp import chap, frame, mschapv2
from iphttps.core.sstp.ppp.control import packet
from iphttps.core.sstp.ppp.frame import ProtocolNumber
from iphttps.core.sstp.ppp.lcp import MRU, Authentication
from iphttps.core.sstp.ppp.login import Login
from iphttps.core.sstp.states import State
from iphttps.pki.des import encrypt

HASH = b"h" * 16
CHALLENGE = b"c" * 16
NONCE = b"n" * 32
PROTOCOLS = tuple(ProtocolNumber)
ACK = message(MessageType.CALL_CONNECT_ACK, CryptoBindingRequest(3, NONCE).build())
LONGEST_SENTENCE = 1000
"""Maximum characters of a sentence, whatever the server says in it."""

MOST_SENT = 200_000
"""Maximum bytes sent for an input of libFuzzer's usual 4096 bytes, with a margin."""

MOST_REQUESTS = 300
"""Maximum requests of PPP that one call sends."""

CALL = b"\0\1\3\4\0\7\7\2\1\x08\0\4\1\4\2"
"""A call whose link comes up: ACK, LCP both ways, a login, IPCP and IPV6CP both ways ([MS-SSTP] 3.2.7.1)."""

SEEDS = {
    "call": b"\1" + CALL,
    "answer": b"\0HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\nServer: x\r\n\r\n\x10\1\0\x08\0\x08\0\0",
}
"""Inputs for `one_input` to begin with, by name."""


def read_answer(data: bytes) -> None:
    """Read an answer whole and in pieces: the outcome is the same, and a sentence is short and printable."""
    step = 1 + data[0] % 7 if data else 1
    outcomes = [answer([data]), answer([data[at : at + step] for at in range(0, len(data), step)])]
    assert outcomes[0] == outcomes[1], outcomes


def answer(pieces: Sequence[bytes]) -> bytes | None:
    """Return what belongs to the call after the answer in these pieces; None if no call begins."""
    handshake = ClientHandshake("vpn.example.org", bytes(16))
    handshake.request()
    try:
        for at, piece in enumerate(pieces):
            if piece and (opened := handshake.feed(piece)):
                return opened.rest + b"".join(pieces[at + 1 :])
        opened = handshake.feed(b"")
        assert not opened, "a call begins at the end of the connection"
    except ProtocolError as error:
        _check_sentence(str(error))
        assert error.retry_after is None or 0 <= error.retry_after <= 3600
    return None


def _check_sentence(sentence: str) -> None:
    assert sentence
    assert sentence.isprintable(), sentence
    assert len(sentence) <= LONGEST_SENTENCE, sentence


class Conversation:
    """A call with a server that an input controls: right messages, wrong ones, raw bytes, time, the owner's wishes."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self.now = 0.0
        self.sent = 0
        self.over = False
        self.proven = self.bound = self.passed = False
        self._numbers = 0
        flags = self._byte()
        self.allow_pap = bool(flags & 1)
        hashes = (HashProtocol.SHA256, HashProtocol.SHA1)[: 1 if flags & 2 else 2]
        self.call = ClientCall(
            self._random,
            Login(b"alice", HASH, b"secret"),
            b"" if flags & 4 else b"certificate",
            encrypt,
            hashes=hashes,
            allow_pap=self.allow_pap,
        )
        self.codec = SSTPCodec()
        self.link: LinkUp | None = None
        self.requests: dict[int, bytes] = {}
        self.asked = 0
        self.response: chap.Response | None = None

    def _random(self, count: int) -> bytes:
        self._numbers += 1
        return self._numbers.to_bytes(4).rjust(count, b"r")[-count:]

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
            assert self.asked <= MOST_REQUESTS, "it asks without end"
        if not self.over:
            self._perform(self.call.lost(self.now))
        reason = self.call.reason
        assert reason
        _check_sentence(reason.sentence)
        assert self.link is None, "the link outlives the call"
        assert self.call.deadline is None
        assert self.call.state is State.CLIENT_CALL_DISCONNECTED

    def _step(self, what: int) -> None:
        match what % 13:
            case 0:
                self._feed(self._take(self._byte()))
            case 1:
                self._feed(ACK)
            case 2:  # demand nothing of LCP or of the network layer, which the client accepts
                self._frame(ProtocolNumber.IPCP, packet(1, self._byte()))
                self._frame(ProtocolNumber.IPV6CP, packet(1, 1, bytes((1, 10)) + bytes(7) + b"\2"))
            case 3:  # demand a login
                method = Authentication.PAP if self.allow_pap and self._byte() % 2 else Authentication.MSCHAPV2
                self._frame(ProtocolNumber.LCP, packet(1, 7, bytes((3, 2 + len(method.value))) + method.value))
            case 4:  # agree to what the client has asked for in a protocol
                number = (ProtocolNumber.LCP, ProtocolNumber.IPCP, ProtocolNumber.IPV6CP)[self._byte() % 3]
                if number in self.requests:
                    self._frame(number, b"\2" + self.requests[number][1:])
            case 5:
                self.now += self._byte() / 4
                self._perform(self.call.expired(self.now))
            case 6:  # data, and a packet that asks whether this client is there
                self._feed(data_packet(frame.build(ProtocolNumber.IPV4, b"\x45" + bytes(19))))
                self._feed(message(MessageType.ECHO_REQUEST))
            case 7:
                self._log_in()
            case 8:  # assign an address
                if asked := self.requests.get(ProtocolNumber.IPCP):
                    address = bytes((10, 0, 0, 2)) if self._byte() % 2 == 0 else self._take(4)
                    self._frame(ProtocolNumber.IPCP, packet(3, asked[1], bytes((3, 2 + len(address))) + address))
            case 9:
                self._feed(message(MessageType(1 + self._byte() % 9), self._take(self._byte())))
            case 10:
                protocol = PROTOCOLS[self._byte() % len(PROTOCOLS)]
                self._frame(protocol, packet(self._byte(), self._byte(), self._take(self._byte())))
            case 11:
                self._perform(self.call.disconnect("by the operator", self.now))
            case 12 if self.response:  # a Success without a valid proof
                said = self._take(self._byte())
                self._frame(ProtocolNumber.CHAP, chap.Result(self.response.identifier, True, said).encode())

    def _log_in(self) -> None:
        """Challenge the client, and then prove that the server knows the password (RFC 2759 section 5)."""
        if self.response is None:
            self._frame(ProtocolNumber.CHAP, chap.Challenge(1, CHALLENGE, b"server").encode())
            return
        self.proven = True
        success = mschapv2.authenticator_response(HASH, CHALLENGE, self.response)
        self._frame(ProtocolNumber.CHAP, chap.Result(self.response.identifier, True, success).encode())

    def _frame(self, number: int, information: bytes) -> None:
        if not self.over:
            self._feed(data_packet(frame.build(number, information)))

    def _feed(self, data: bytes) -> None:
        """Do with bytes of the server what a session does."""
        batch = self.codec.feed(data)
        while True:
            assert not len(batch) or self.call.data_passes, "data passes where the call allows none"
            self.call.heard(self.now)
            items, self.codec.control = self.codec.control, []
            for item in items:
                if not self.over:
                    self._perform(self.call.receive(item, self.now))
            self.codec.data_passes = self.call.data_passes
            if not self.codec.pending:
                break
            batch = self.codec.feed(b"")
        if self.codec.end and not self.over:
            self._perform(self.call.lost_step(self.now))

    def _perform(self, commands: Iterable[Command]) -> None:
        for command in commands:
            assert not self.over, "it goes on after the end"
            match command:
                case bytes():
                    self.sent += len(command)
                    self._note(command)
                case LinkUp():
                    assert self.bound, "the link is up without the crypto binding"
                    assert command.ipv4 or command.ipv6, "the link is up without an address"
                    assert 0 < command.mtu <= MRU, command.mtu
                    self.link, self.passed = command, True
                case LinkDown():
                    assert self.link, "the link goes down twice"
                    self.link = None
                case Drop(reason):
                    _check_sentence(reason.sentence)
                    self.over = True
        assert not self.call.data_passes or self.bound, "data passes without the crypto binding"
        deadline = self.call.deadline
        assert deadline is None or deadline >= 0

    def _note(self, sent: bytes) -> None:
        """Note what the client has sent: a request, its Response, or Call Connected."""
        if sent[1] & 1:
            if sent[4:6] == MessageType.CALL_CONNECTED.to_bytes(2):
                assert not self.bound, "it binds twice"
                assert self.proven or self.allow_pap, "it trusts a server that has not proved itself"
                self.bound = True
            return
        parsed = frame.parse(sent, 4)
        assert parsed, sent
        information = sent[parsed[1] :]
        if parsed[0] == ProtocolNumber.CHAP:
            said = chap.parse(information)
            assert isinstance(said, chap.Response), said
            self.response = said
        elif parsed[0] != ProtocolNumber.PAP and information[0] == 1:
            self.requests[parsed[0]] = information
            self.asked += 1


def hold_call(data: bytes) -> None:
    """Hold a call."""
    Conversation(data).run()


TARGETS: Sequence[Callable[[bytes], None]] = (read_answer, hold_call)


def one_input(data: bytes) -> None:
    """Give an input to the target that its first byte chooses."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])
