"""A server of SSTP that does just what a test tells it, with the standard library's TLS: honest, or not at all.

Each method of Peer takes a call one step further, after the steps before it, and waits for what the client has to say
there. A test calls those it wants, and says anything else with `say`.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import IPv4Address
from threading import Thread

from iphttps.core.sstp.attributes import NO_ERROR, CryptoBindingRequest, HashProtocol, Message, read
from iphttps.core.sstp.packet import MessageType, data_packet, message
from iphttps.core.sstp.ppp import chap, mschapv2
from iphttps.core.sstp.ppp.automaton import State
from iphttps.core.sstp.ppp.commands import Command
from iphttps.core.sstp.ppp.control import ControlProtocol
from iphttps.core.sstp.ppp.frame import ProtocolNumber, build, parse
from iphttps.core.sstp.ppp.ipcp import ServerIPCP
from iphttps.core.sstp.ppp.ipv6cp import IPV6CP
from iphttps.core.sstp.ppp.lcp import LCP, Authentication
from iphttps.lab.authority import Identity
from iphttps.pki import des

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\nServer: raw\r\n\r\n"
USER, PASSWORD = "alice", "secret"
OWN, ASSIGNED = "10.99.0.1", "10.99.0.2"
BOTH_HASHES = HashProtocol.SHA1 | HashProtocol.SHA256
CHALLENGE = bytes(range(16))

PATIENCE = 90.0
"""Seconds that a client may take for the next step, or to hang up: some wait for 60 seconds."""

CHUNK = 1 << 16

_ANSWERS: dict[MessageType | None, MessageType] = {
    MessageType.CALL_ABORT: MessageType.CALL_ABORT,
    MessageType.CALL_DISCONNECT: MessageType.CALL_DISCONNECT_ACK,
    MessageType.ECHO_REQUEST: MessageType.ECHO_RESPONSE,
}


class HungUp(Exception):
    """The client has closed the connection; what a test does next is nothing."""


class Peer:
    """The server's end of one connection, from the TLS handshake on.

    `lcp`, `ipcp` and `ipv6cp` may be replaced before their step, by None as well: then that protocol is rejected.
    """

    def __init__(self, wire: ssl.SSLSocket) -> None:
        self.wire = wire
        self.head = b""
        """The HTTP request."""
        self.messages: list[Message] = []
        """The control messages that have come."""
        self.frames: list[tuple[int, bytes]] = []
        """The PPP frames that have come: protocol and packet."""
        self.response: chap.Response | None = None
        """The client's last answer to a Challenge."""
        self.lcp: ControlProtocol = LCP(lambda: 0x52415721, demanded=(Authentication.MSCHAPV2,))
        self.ipcp: ControlProtocol | None = ServerIPCP(IPv4Address(OWN).packed, IPv4Address(ASSIGNED).packed)
        self.ipv6cp: ControlProtocol | None = IPV6CP(b"\2" + bytes(6) + b"\1", b"\2" + bytes(6) + b"\2")
        self.answers_frames = True
        """True if it negotiates; else received frames are only kept."""
        self.polite = True
        """True if it answers a Call Abort, a Call Disconnect and an Echo Request of the client."""
        self._heard: Counter[MessageType | None] = Counter()
        self._stream = b""

    # The steps.

    def request(self) -> None:
        """Read the HTTP request."""
        while b"\r\n\r\n" not in self._stream:
            self._receive()
        self.head, _, self._stream = self._stream.partition(b"\r\n\r\n")

    def accept(self) -> None:
        """Answer the HTTP request."""
        self.request()
        self.say(OK)

    def called(self) -> None:
        """Read the Call Connect Request."""
        self.accept()
        self.hear(MessageType.CALL_CONNECT_REQUEST)

    def call(self, hashes: int = BOTH_HASHES) -> None:
        """Acknowledge the call."""
        self.called()
        self.say(message(MessageType.CALL_CONNECT_ACK, CryptoBindingRequest(hashes, bytes(32)).build()))

    def link(self) -> None:
        """Negotiate LCP."""
        self.call()
        self.open(ProtocolNumber.LCP)
        self.until(lambda: self.lcp.state is State.OPENED)

    def challenge(self) -> None:
        """Challenge the client, and read its response."""
        self.link()
        self.frame(ProtocolNumber.CHAP, chap.Challenge(1, CHALLENGE, b"raw").encode())
        self.until(lambda: self.response)

    def login(self) -> None:
        """Accept the response, whatever it is, with a right proof, and read Call Connected."""
        self.challenge()
        self.result(True, self.proof() + b" M=Welcome")
        self.hear(MessageType.CALL_CONNECTED)

    def up(self) -> None:
        """Negotiate IPCP and IPV6CP, those that are not None."""
        self.login()
        wanted = [each for each in (self.ipcp, self.ipv6cp) if each]
        for number in (ProtocolNumber.IPCP, ProtocolNumber.IPV6CP):
            self.open(number)
        self.until(lambda: all(each.state is State.OPENED for each in wanted))

    # What a step is made of.

    def say(self, *pieces: bytes) -> None:
        """Send bytes."""
        for piece in pieces:
            self.wire.sendall(piece)

    def frame(self, number: int, packet: bytes) -> None:
        """Send a frame of PPP."""
        self.say(data_packet(build(number, packet)))

    def open(self, number: int) -> None:
        """Begin to negotiate a protocol."""
        if protocol := self._protocols.get(number):
            now = time.monotonic()
            self._perform(number, [*protocol.open(now), *protocol.up(now)])

    def proof(self) -> bytes:
        """Return the proof that the server knows the password, `S=` and 40 digits (RFC 2759 section 5)."""
        assert self.response
        proof = mschapv2.verify(mschapv2.nt_password_hash(PASSWORD), CHALLENGE, self.response, des.encrypt)
        return proof.success if proof else b"S=" + b"0" * 40

    def result(self, succeeded: bool, text: bytes) -> None:
        """Send Success or Failure with this message."""
        assert self.response
        self.frame(ProtocolNumber.CHAP, chap.Result(self.response.identifier, succeeded, text).encode())

    def hear(self, *kinds: MessageType, times: int = 1) -> None:
        """Read until so many control messages of these kinds have come."""
        self.until(lambda: sum(self._heard[kind] for kind in kinds) >= times)

    def disconnect(self) -> None:
        """Disconnect the call, and wait for the client's word about it (3.3.4.2)."""
        self.say(message(MessageType.CALL_DISCONNECT, NO_ERROR.build()))
        self.hear(MessageType.CALL_DISCONNECT_ACK)

    def until(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Read and answer until the condition holds.

        Raises:
            HungUp: The client closes the connection, or says nothing any more.
        """
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise HungUp("it takes too long")
            if not self._take():
                self._receive()

    def wait(self) -> None:
        """Go on until the client closes the connection."""
        self.until(lambda: False)

    @property
    def _protocols(self) -> dict[int, ControlProtocol]:
        found = {ProtocolNumber.LCP: self.lcp, ProtocolNumber.IPCP: self.ipcp, ProtocolNumber.IPV6CP: self.ipv6cp}
        return {number: each for number, each in found.items() if each}

    def _receive(self) -> None:
        try:
            data = self.wire.recv(CHUNK)
        except OSError as error:
            raise HungUp(str(error)) from error
        if not data:
            raise HungUp("the client hangs up")
        self._stream += data

    def _take(self) -> bool:
        """Take one packet off the stream; tell whether there was one."""
        length = int.from_bytes(self._stream[2:4]) & 0x0FFF
        if len(self._stream) < 4 or len(self._stream) < length:
            return False
        packet, self._stream = self._stream[:length], self._stream[length:]
        if packet[1] & 1:
            found = read(packet)
            self.messages.append(found)
            self._heard[found.kind] += 1
            if self.polite and (answer := _ANSWERS.get(found.kind)):
                self.say(message(answer))
            return True
        frame = parse(packet[4:])
        if frame and self.answers_frames:
            self._frame(frame[0], packet[4 + frame[1] :])
        elif frame:
            self.frames.append((frame[0], packet[4 + frame[1] :]))
        return True

    def _frame(self, number: int, packet: bytes) -> None:
        self.frames.append((number, packet))
        if protocol := self._protocols.get(number):
            self._perform(number, protocol.receive(packet, time.monotonic()))
        elif number == ProtocolNumber.CHAP:
            found = chap.parse(packet)
            self.response = found if isinstance(found, chap.Response) else self.response
        elif isinstance(self.lcp, LCP) and (reject := self.lcp.protocol_reject(number, packet)):
            self.frame(ProtocolNumber.LCP, reject)

    def _perform(self, number: int, commands: Iterable[Command]) -> None:
        for command in commands:
            if isinstance(command, bytes):
                self.frame(number, command)


Act = Callable[[Peer], None]
"""The server's treatment of a client; when it returns, the connection is closed."""


class RawServer:
    """A socket that listens, and what one client after the other meets there."""

    def __init__(self, listening: socket.socket, identity: Identity) -> None:
        self.listening = listening
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(identity.certificate, identity.private_key)

    def serve(self, act: Act) -> None:
        """Let the next client meet this; return when the connection is closed."""
        bare, _ = self.listening.accept()
        bare.settimeout(PATIENCE)
        with bare, suppress(OSError, HungUp):
            bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._context.wrap_socket(bare, server_side=True) as wire:
                act(Peer(wire))

    def start(self, act: Act) -> Thread:
        """Serve the next client in a thread, which ends where none comes."""

        def serve() -> None:
            with suppress(OSError):
                self.serve(act)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        return thread
