"""A RADIUS server for tests, written from the RFCs with nothing but hashes, and UDP ports on a clock."""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IUDPTransport
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock

from iphttps.net.interfaces import IReactor

SECRET = b"a shared secret"
MESSAGE_AUTHENTICATOR = 80
Pairs = Iterable[tuple[int, bytes]]


class FakePort:
    """An open UDP port; what is written to it is kept with its destination."""

    def __init__(self, number: int, protocol: DatagramProtocol, interface: str) -> None:
        self.number, self.protocol, self.interface = number, protocol, interface
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        self.open = True
        self.broken = False

    def write(self, data: bytes, address: tuple[str, int]) -> None:
        """Keep a datagram."""
        if self.broken:
            raise OSError(101, "Network is unreachable")
        self.sent.append((data, address))

    def stopListening(self) -> Deferred[None]:
        """Close the port."""
        self.open = False
        return succeed(None)


class UDPClock(Clock):
    """A clock on which UDP ports can be opened."""

    def __init__(self) -> None:
        super().__init__()
        self.ports: list[FakePort] = []
        self.occupied: set[int] = set()

    def listenUDP(self, port: int, protocol: DatagramProtocol, interface: str = "", maxPacketSize: int = 0) -> FakePort:
        """Open a port, unless it is occupied."""
        if port in self.occupied:
            raise CannotListenError(interface, port, OSError(98, "Address already in use"))
        self.ports.append(FakePort(port, protocol, interface))
        protocol.transport = cast(IUDPTransport, self.ports[-1])
        return self.ports[-1]

    @property
    def reactor(self) -> IReactor:
        """The clock as a reactor, of which it has what RADIUS uses."""
        return cast(IReactor, self)

    def sent(self, port: int) -> list[tuple[bytes, tuple[str, int]]]:
        """Take the datagrams sent to this port number since the last time."""
        found = []
        for each in self.ports:
            found += [item for item in each.sent if item[1][1] == port]
            each.sent = [item for item in each.sent if item[1][1] != port]
        return found

    def answer(self, data: bytes, source: tuple[str, int]) -> None:
        """Deliver a datagram to the ports that requests are sent from."""
        for each in self.ports:
            if each.open and each.number == 0:
                each.protocol.datagramReceived(data, source)


def encode(pairs: Pairs) -> bytes:
    """Return attributes as in a packet; types over 255 are Microsoft's with 1000 added, or WISPr's with 2000."""
    found = b""
    for kind, value in pairs:
        if kind > 1000:
            inner = bytes((kind % 1000, len(value) + 2)) + value
            kind, value = 26, struct.pack("!I", 14122 if kind > 2000 else 311) + inner
        found += bytes((kind, len(value) + 2)) + value
    return found


def decode(data: bytes) -> list[tuple[int, bytes]]:
    """Return the attributes of a packet."""
    found = []
    while data:
        kind, length = data[0], data[1]
        assert 2 <= length <= len(data)
        value, data = data[2:length], data[length:]
        if kind == 26 and value[:4] == struct.pack("!I", 311):
            assert value[5] == len(value) - 4
            kind, value = 1000 + value[4], value[6:]
        found.append((kind, value))
    return found


@dataclass
class Query:
    """A request, as the server sees it."""

    data: bytes
    secret: bytes = SECRET
    values: dict[int, bytes] = field(init=False)

    def __post_init__(self) -> None:
        """Decode it."""
        self.code, self.identifier, length = struct.unpack_from("!BBH", self.data)
        assert length == len(self.data)
        self.authenticator = self.data[4:20]
        self.values = dict(decode(self.data[20:]))

    @property
    def is_proved(self) -> bool:
        """True if the Message-Authenticator is right (RFC 2869 section 5.14), and first, as is recommended."""
        zeroed = self.data[20:].replace(self.values[MESSAGE_AUTHENTICATOR], bytes(16))
        authenticator = self.authenticator if self.code == 1 else bytes(16)
        expected = hmac.digest(self.secret, self.data[:4] + authenticator + zeroed, "md5")
        return self.data[20] == MESSAGE_AUTHENTICATOR and expected == self.values[MESSAGE_AUTHENTICATOR]

    @property
    def password(self) -> bytes:
        """The password of PAP (RFC 2865 section 5.2)."""
        return self._unmasked(self.values[2], self.authenticator).rstrip(b"\0")

    def _unmasked(self, hidden: bytes, last: bytes) -> bytes:
        found = b""
        for start in range(0, len(hidden), 16):
            block = hidden[start : start + 16]
            mask = hashlib.md5(self.secret + last).digest()
            found += bytes(each ^ other for each, other in zip(block, mask, strict=True))
            last = block
        return found

    def hidden(self, key: bytes, salt: bytes) -> bytes:
        """Encrypt a key of at most 31 bytes for the answer (RFC 2548 section 2.4.2)."""
        plain = (bytes((len(key),)) + key).ljust(32, b"\0")
        found, last = b"", self.authenticator + salt
        for block in (plain[:16], plain[16:]):
            mask = hashlib.md5(self.secret + last).digest()
            last = bytes(each ^ other for each, other in zip(block, mask, strict=True))
            found += last
        return salt + found

    def reply(self, code: int, pairs: Pairs = (), *, proved: bool = True, secret: bytes = SECRET) -> bytes:
        """Return an answer with its authenticators, the Message-Authenticator too if it is to be proved."""
        attributes = encode(pairs)
        length = 20 + len(attributes) + (18 if proved else 0)
        head = struct.pack("!BBH", code, self.identifier, length)
        if proved:
            vector = self.authenticator if self.code == 1 else bytes(16)
            empty = bytes((MESSAGE_AUTHENTICATOR, 18)) + bytes(16) + attributes
            attributes = empty[:2] + hmac.digest(secret, head + vector + empty, "md5") + empty[18:]
        return head + hashlib.md5(head + self.authenticator + attributes + secret).digest() + attributes


def order(code: int, pairs: Pairs, identifier: int = 1, secret: bytes = SECRET) -> bytes:
    """Return a request of the server, such as a Disconnect-Request (RFC 5176 section 2.3)."""
    attributes = encode(pairs)
    head = struct.pack("!BBH", code, identifier, 20 + len(attributes))
    return head + hashlib.md5(head + bytes(16) + attributes + secret).digest() + attributes
