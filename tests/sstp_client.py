"""A client of SSTP without a network: bytes of the server in, the answers out.

It does what it should unless it is told not to.
Its negotiations are those of the client's side of core/sstp/ppp; the framing of SSTP is its own.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable

from iphttps.core.sstp.crypto_binding import HashProtocol, call_connected, client_hlak
from iphttps.core.sstp.ppp import chap, mschapv2
from iphttps.core.sstp.ppp.commands import Command, Layer
from iphttps.core.sstp.ppp.control import ControlProtocol
from iphttps.core.sstp.ppp.frame import ProtocolNumber, build, parse
from iphttps.core.sstp.ppp.ipcp import ClientIPCP
from iphttps.core.sstp.ppp.ipv6cp import IPV6CP
from iphttps.core.sstp.ppp.lcp import LCP, Authentication
from iphttps.pki import des

REQUEST_HEAD = (
    b"SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n"
    b"Host: gateway.example\r\nContent-Length: 18446744073709551615\r\n\r\n"
)
CALL_CONNECT_REQUEST = bytes.fromhex("1001000e 0001 0001 0001 0006 0001")
CALL_CONNECT_ACK, CALL_CONNECT_NAK, CALL_CONNECTED, CALL_ABORT, CALL_DISCONNECT, CALL_DISCONNECT_ACK = range(2, 8)
ECHO_REQUEST, ECHO_RESPONSE = 8, 9


def message(kind: int, attributes: bytes = b"", count: int = 0) -> bytes:
    """Build a control packet."""
    return struct.pack("!BBHHH", 0x10, 1, 8 + len(attributes), kind, count) + attributes


def data(protocol: int, information: bytes, header: bytes = b"\xff\x03") -> bytes:
    """Build a data packet."""
    frame = header + protocol.to_bytes(2) + information
    return struct.pack("!BBH", 0x10, 0, 4 + len(frame)) + frame


def packet(ip: bytes) -> bytes:
    """Build a data packet around an IP packet."""
    return data(0x0057 if ip[0] >> 4 == 6 else 0x0021, ip)


class SSTPClient:
    """One call of a client."""

    def __init__(
        self, user: str = "alice", password: str = "secret", interface_id: bytes = b"\x02" + bytes(6) + b"\x07"
    ) -> None:
        self.user, self.password = user.encode(), password
        self.certificate_hash = bytes(32)
        """The SHA-256 of the server's certificate."""
        self.nonce = b""
        self.hlak = b""
        """Once the server has accepted the user."""
        self.refused = b""
        """The Message of the Failure, once the server has rejected the user."""
        self.bind: Callable[[], bytes] = self.bound
        """The frames to send once the user is accepted."""
        self.lcp = LCP(lambda: 0x01020304, 4091, offered=(Authentication.MSCHAPV2,))
        self.ipcp = ClientIPCP()
        self.ipv6cp = IPV6CP(interface_id, b"\x02" + bytes(7), yielding=True)
        self.networks: dict[int, ControlProtocol] = {
            ProtocolNumber.IPCP: self.ipcp,
            ProtocolNumber.IPV6CP: self.ipv6cp,
        }
        self.up: set[int] = set()
        """The protocols that are open."""
        self.messages: list[bytes] = []
        """The control packets that the server has sent."""
        self.frames: list[tuple[int, bytes]] = []
        """The control frames that it has sent: protocol and packet."""
        self.packets: list[bytes] = []
        """The IP packets that it has sent."""
        self._stream = b""

    @property
    def kinds(self) -> list[int]:
        """The types of the server's control packets."""
        return [each[5] for each in self.messages]

    @property
    def status(self) -> int | None:
        """The status of the last message, which has one: a Call Abort."""
        return int.from_bytes(self.messages[-1][16:20]) if self.messages and len(self.messages[-1]) >= 20 else None

    @property
    def ready(self) -> bool:
        """True if both network protocols are open."""
        return len(self.up & set(self.networks)) == len(self.networks)

    def receive(self, stream: bytes) -> bytes:
        """Take the server's bytes; return the answers."""
        self._stream += stream
        answers = []
        while len(self._stream) >= 4:
            version, kind, length = struct.unpack_from("!BBH", self._stream)
            assert version == 0x10 and kind in (0, 1) and 4 <= length <= 4095, self._stream[:20]
            if len(self._stream) < length:
                break
            whole, self._stream = self._stream[:length], self._stream[length:]
            answers.append(self._message(whole) if kind else self._frame(whole[4:]))
        return b"".join(answers)

    def bound(self) -> bytes:
        """Return the Call Connected."""
        return call_connected(self.hlak, self.nonce, self.certificate_hash, HashProtocol.SHA256)

    def _message(self, whole: bytes) -> bytes:
        self.messages.append(whole)
        kind = whole[5]
        if kind == CALL_CONNECT_ACK:
            self.nonce = whole[16:48]
            return self._commands(ProtocolNumber.LCP, [*self.lcp.open(0.0), *self.lcp.up(0.0)])
        if kind == ECHO_REQUEST:
            return message(ECHO_RESPONSE)
        return b""

    def _frame(self, frame: bytes) -> bytes:
        parsed = parse(frame)
        assert parsed, frame
        number, start = parsed
        information = frame[start:]
        if number in (ProtocolNumber.IPV4, ProtocolNumber.IPV6):
            self.packets.append(information)
            return b""
        self.frames.append((number, information))
        if number == ProtocolNumber.CHAP:
            return self._chap(information)
        protocol = self.lcp if number == ProtocolNumber.LCP else self.networks.get(number)
        return self._commands(number, protocol.receive(information, 0.0)) if protocol else b""

    def _chap(self, information: bytes) -> bytes:
        found = chap.parse(information)
        nt_hash = mschapv2.nt_password_hash(self.password)
        if isinstance(found, chap.Challenge):
            self.response = mschapv2.respond(nt_hash, found.identifier, found.value, bytes(16), self.user, des.encrypt)
            return data(ProtocolNumber.CHAP, self.response.encode())
        assert isinstance(found, chap.Result)
        if not found.succeeded:
            self.refused = found.message
            return b""
        if self.hlak:
            return b""  # the same again
        keys = mschapv2.client_keys(nt_hash, self.response.nt_response)
        self.hlak = client_hlak(keys.send, keys.receive)
        begun = [self._commands(each, [*its.open(0.0), *its.up(0.0)]) for each, its in self.networks.items()]
        return b"".join(itertools.chain([self.bind()], begun))

    def _commands(self, number: int, commands: list[Command]) -> bytes:
        found = []
        for command in commands:
            if isinstance(command, bytes):
                found.append(data(number, command))
            elif command is Layer.UP:
                self.up.add(number)
            elif command is Layer.DOWN:
                self.up.discard(number)
        return b"".join(found)


def built(number: int, information: bytes) -> bytes:
    """Return a frame's bytes with both fields compressed, where that is possible."""
    return build(number, information, acfc=True, pfc=True)
