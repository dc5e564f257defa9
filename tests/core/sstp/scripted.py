"""A client made of the parts that the server has too, and both ends of a call with the wire between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

from iphttps.core.ip.batch import Batch
from iphttps.core.sstp.attributes import CryptoBindingRequest, HashProtocol, StatusInfo, encapsulated_protocol, read
from iphttps.core.sstp.call import Call, Command, Drop
from iphttps.core.sstp.codec import ControlPacket, Frame, SSTPCodec
from iphttps.core.sstp.crypto_binding import NO_HLAK, call_connected, certificate_hash, client_hlak, server_hlak
from iphttps.core.sstp.packet import MessageType, data_packet, message
from iphttps.core.sstp.ppp import chap, mschapv2, pap
from iphttps.core.sstp.ppp.automaton import State
from iphttps.core.sstp.ppp.commands import Command as ControlCommand
from iphttps.core.sstp.ppp.commands import Layer
from iphttps.core.sstp.ppp.control import ControlProtocol
from iphttps.core.sstp.ppp.frame import ProtocolNumber, build, parse
from iphttps.core.sstp.ppp.ipcp import ClientIPCP
from iphttps.core.sstp.ppp.ipv6cp import IPV6CP
from iphttps.core.sstp.ppp.lcp import LCP, Authentication
from iphttps.core.sstp.ppp.server import Credentials, Offer
from iphttps.pki.des import encrypt

M = MessageType
MSCHAPV2, PAP = Authentication.MSCHAPV2, Authentication.PAP
CERTIFICATE = b"the certificate"
HASHES = tuple(certificate_hash(CERTIFICATE, each) for each in HashProtocol)
OWN, ASSIGNED, DNS = (bytes((10, 0, 0, last)) for last in (1, 2, 53))
IDENTIFIER, SUGGESTED = bytes(7) + b"\x22", bytes(7) + b"\x02"
OFFER = Offer(OWN, ASSIGNED, (DNS,), SUGGESTED)
IPV4_PACKET = bytes.fromhex("45000014 00000000 40110000") + ASSIGNED + OWN
ANSWERS = {M.CALL_ABORT: M.CALL_ABORT, M.CALL_DISCONNECT: M.CALL_DISCONNECT_ACK, M.ECHO_REQUEST: M.ECHO_RESPONSE}
REQUEST = message(M.CALL_CONNECT_REQUEST, encapsulated_protocol())


def numbers(first: int = 1) -> Callable[[int], bytes]:
    """Return a source of bytes that never come twice."""
    following = count(first)
    return lambda length: next(following).to_bytes(length)


class Client:
    """The client: it answers what the server sends, and keeps `received`, all control packets and frames, in order.

    `connects` says when it sends Call Connected: "late", once it is authenticated; "early", with its credentials;
    "never".
    """

    def __init__(
        self,
        user: str = "alice",
        password: str = "secret",
        offered: Sequence[Authentication] = (MSCHAPV2,),
        protocol: HashProtocol = HashProtocol.SHA256,
        connects: str = "late",
    ) -> None:
        self.user, self.hash, self.connects = user.encode(), mschapv2.nt_password_hash(password), connects
        self.password, self.protocol = password.encode(), protocol
        self.codec = SSTPCodec()
        self.codec.data_passes = True
        self.received: list[ControlPacket | Frame] = []
        self.batches: list[Batch] = []
        self.outgoing: list[bytes] = []
        self.nonce, self.hlak, self.proven = b"", NO_HLAK, False
        self.certificate = CERTIFICATE
        self.mute: set[int] = set()
        """The protocols and the types of messages that it does not answer."""
        self.refused: set[int] = set()
        """The protocols that it answers by a Protocol-Reject."""
        self._response = chap.Response(0, b"", b"", b"")
        magic = numbers(1000)
        self.lcp = LCP(lambda: int.from_bytes(magic(4)), 4091, offered=offered)
        self.ipcp = ClientIPCP()
        self.ipv6cp = IPV6CP(IDENTIFIER, bytes(7) + b"\x33", yielding=True)
        self.networks: dict[int, ControlProtocol] = {
            ProtocolNumber.IPCP: self.ipcp,
            ProtocolNumber.IPV6CP: self.ipv6cp,
        }
        self._challenge = b""

    def send(self, number: int, packet: bytes) -> None:
        """Send a PPP packet."""
        self.outgoing.append(data_packet(build(number, packet)))

    def take(self, data: bytes, now: float) -> None:
        """Process bytes of the server."""
        self.batches.append(self.codec.feed(data))
        assert not self.codec.end
        items, self.codec.control = self.codec.control, []
        self.received += items
        for item in items:
            if isinstance(item, ControlPacket):
                self._message(item.data, now)
            else:
                self._frame(item.data, now)
        if self.codec.pending:
            self.take(b"", now)

    def _message(self, packet: bytes, now: float) -> None:
        found = read(packet)
        if found.kind is M.CALL_CONNECT_ACK:
            request = CryptoBindingRequest.parse(found.attributes[0].value)
            assert request
            self.nonce = request.nonce
            self._run(ProtocolNumber.LCP, [*self.lcp.up(now), *self.lcp.open(now)])
        elif found.kind in ANSWERS and found.kind not in self.mute:
            self.outgoing.append(message(ANSWERS[found.kind]))

    def connected(self) -> bytes:
        """Return its Call Connected."""
        hashed = certificate_hash(self.certificate, self.protocol)
        return call_connected(self.hlak, self.nonce, hashed, self.protocol)

    def _connect(self, when: str) -> None:
        if self.connects == when:
            self.outgoing.append(self.connected())

    def _frame(self, frame: bytes, now: float) -> None:
        parsed = parse(frame)
        assert parsed
        number, start = parsed
        packet = frame[start:]
        if number in self.refused:
            rejected = self.lcp.protocol_reject(number, packet)
            assert rejected
            self.send(ProtocolNumber.LCP, rejected)
        elif number in self.mute:
            pass
        elif number == ProtocolNumber.LCP:
            self._run(number, self.lcp.receive(packet, now))
            if self.lcp.authentication is PAP and self.lcp.state is State.OPENED and not self.proven:
                self.proven = True
                self.send(ProtocolNumber.PAP, pap.AuthenticateRequest(7, self.user, self.password).encode())
                self._connect("early")
        elif number == ProtocolNumber.CHAP:
            self._chap(packet, now)
        elif number == ProtocolNumber.PAP:
            answer = pap.Answer.parse(packet)
            assert answer
            if answer.accepted:
                self._authenticated(now)
        else:
            self._run(number, self.networks[number].receive(packet, now))

    def _chap(self, packet: bytes, now: float) -> None:
        found = chap.parse(packet)
        if isinstance(found, chap.Challenge):
            self._challenge = found.value
            self._response = mschapv2.respond(self.hash, found.identifier, found.value, b"p" * 16, self.user, encrypt)
            keys = mschapv2.client_keys(self.hash, self._response.nt_response)
            self.hlak = client_hlak(keys.send, keys.receive)
            self.send(ProtocolNumber.CHAP, self._response.encode())
            self._connect("early")
        elif isinstance(found, chap.Result) and found.succeeded:
            self.proven = mschapv2.check_success(found.message, self.hash, self._challenge, self._response)
            assert self.proven
            self._authenticated(now)

    def _authenticated(self, now: float) -> None:
        self._connect("late")
        for number, protocol in self.networks.items():
            if protocol.state is State.INITIAL:
                self._run(number, [*protocol.up(now), *protocol.open(now)])

    @property
    def deadline(self) -> float | None:
        """The time to call `expired`."""
        timers = [each.deadline for each in (self.lcp, *self.networks.values())]
        return min((each for each in timers if each is not None), default=None)

    def expired(self, now: float) -> None:
        """Handle the timers of its control protocols."""
        self._run(ProtocolNumber.LCP, self.lcp.expired(now))
        for number, protocol in self.networks.items():
            self._run(number, protocol.expired(now))

    def _run(self, number: int, commands: list[ControlCommand]) -> None:
        for command in commands:
            if isinstance(command, bytes):
                self.send(number, command)
            elif command is Layer.DOWN and number == ProtocolNumber.LCP:
                self.proven = False


class Talk:
    """A call and a client; the owner of the call has one user, alice.

    `said` is what the call says to its owner; `verdicts` holds the credentials while `judges` is False.
    """

    def __init__(
        self,
        client: Client | None = None,
        offer: Offer = OFFER,
        hashes: Sequence[HashProtocol] = tuple(HashProtocol),
        first: int = 1,
    ) -> None:
        self.client = client or Client()
        self.offer = offer
        self.call = Call(numbers(first), b"server", HASHES, hashes, (MSCHAPV2, PAP))
        self.codec = SSTPCodec()
        self.now = 0.0
        self.judges = True
        self.said: list[Command] = []
        self.verdicts: list[Credentials] = []
        self.batches: list[Batch] = []

    def start(self, run: bool = True) -> Talk:
        """Begin: the client sends its request."""
        self.perform(self.call.start(self.now))
        self.client.outgoing.append(REQUEST)
        return self.run() if run else self

    def perform(self, commands: Sequence[Command]) -> None:
        """Act as the owner of the call."""
        for command in commands:
            if isinstance(command, bytes):
                self.client.take(command, self.now)
                continue
            self.said.append(command)
            if isinstance(command, Credentials):
                self.verdicts.append(command)
        self.codec.data_passes = self.call.data_passes
        if self.judges:
            self.judge()

    def run(self) -> Talk:
        """Carry what the client sends, until nobody has anything to send."""
        for _ in range(1000):
            if not self.client.outgoing:
                return self
            self.feed(self.client.outgoing.pop(0))
        raise AssertionError("they go on for ever")

    def feed(self, data: bytes) -> None:
        """Have the call process bytes of the client, as a session does."""
        self.batches.append(self.codec.feed(data))
        for item in self.codec.control:
            self.perform(self.call.receive(item, self.now))
        self.codec.control.clear()
        if self.codec.pending:
            self.feed(b"")
        elif self.codec.end:
            self.perform(self.call.lost_step(self.now))

    def judge(self) -> None:
        """Give the verdicts that are outstanding."""
        while self.verdicts:
            self.perform(self.verdict(self.verdicts.pop(0)))

    def verdict(self, credentials: Credentials) -> list[Command]:
        """Judge credentials, and tell the call."""
        if isinstance(credentials, pap.AuthenticateRequest):
            if (credentials.name, credentials.password) == (b"alice", b"secret"):
                return self.call.accept(self.offer, self.now)
        else:
            alice = credentials.response.name == b"alice"
            nt_hash = mschapv2.nt_password_hash("secret") if alice else None
            proof = mschapv2.verify(nt_hash, credentials.challenge, credentials.response, encrypt)
            if proof:
                hlak = server_hlak(proof.keys.send, proof.keys.receive)
                return self.call.accept(self.offer, self.now, proof.success, hlak)
        return self.call.reject("the password is wrong", chap.FailureCode.AUTHENTICATION_FAILURE, self.now)

    def say(self, *packets: bytes) -> Talk:
        """Have the client send packets, and carry on."""
        self.client.outgoing += packets
        return self.run()

    def ppp(self, number: int, packet: bytes) -> Talk:
        """Have the client send a PPP packet, and carry on."""
        return self.say(data_packet(build(number, packet)))

    def wait(self, seconds: float) -> Talk:
        """Let time pass: the timers of both ends expire when they are due."""
        until = self.now + seconds
        while (deadline := min(self.call.deadline or until, self.client.deadline or until)) < until:
            self.expire(deadline)
        return self.expire(until)

    def expire(self, now: float) -> Talk:
        """Have all timers expire that are due at this time, and carry on."""
        self.now = now
        self.perform(self.call.expired(now))
        assert self.call.deadline is None or self.call.deadline > now, "a timer that has expired already"
        self.client.expired(now)
        return self.run()

    @property
    def messages(self) -> list[tuple[MessageType, tuple[int, int] | None]]:
        """The types of the control packets that the client has received, and what their Status Info says."""
        found = []
        for item in self.client.received:
            if isinstance(item, ControlPacket):
                packet = read(item.data)
                assert packet.kind
                infos = [StatusInfo.parse(each.value) for each in packet.attributes if each.number == 2]
                found.append((packet.kind, (infos[0].attribute, infos[0].status) if infos and infos[0] else None))
        return found

    def frames(self, number: int) -> list[bytes]:
        """Return the packets of a PPP protocol that the client has received."""
        parsed = [(each.data, parse(each.data)) for each in self.client.received if isinstance(each, Frame)]
        return [data[where[1] :] for data, where in parsed if where and where[0] == number]

    def heard(self, kind: type) -> list[Command]:
        """Return what the call has said of this kind."""
        return [each for each in self.said if isinstance(each, kind)]

    @property
    def dropped(self) -> list[Command]:
        """The Drops that the call has asked for."""
        return self.heard(Drop)

    def passes(self) -> bool:
        """Have the client send an IPv4 packet, and tell whether it has passed."""
        before = len(self.batches)
        self.client.outgoing.append(self.client.codec.encode(Batch.of([IPV4_PACKET])))
        self.run()
        return any(self.batches[before:])
