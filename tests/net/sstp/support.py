"""A listener with SSTP on plain HTTP, in memory, and clients without a network; time stands still."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network
from itertools import count
from typing import cast

from twisted.internet.address import IPv4Address
from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import LogEvent, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.admission import HandshakeLimiter
from iphttps.core.http.answer import DEFAULT_SERVER
from iphttps.core.ip import ipv4, ipv6
from iphttps.core.ip.address import IPAddress
from iphttps.core.ip.batch import Batch
from iphttps.core.ip.router import Router
from iphttps.core.ip.router_advertisement import RouterAdvertisement
from iphttps.core.seats import Seats
from iphttps.core.sstp.crypto_binding import HashProtocol, server_hlak
from iphttps.core.sstp.ppp import mschapv2
from iphttps.core.sstp.ppp.mschapv2_authenticator import Verify
from iphttps.core.sstp.ppp.pool import AddressPool
from iphttps.core.sstp.ppp.server import Credentials
from iphttps.core.sstp.sessions import SessionEntry, SessionTable
from iphttps.host.device.memory import MemoryDevice
from iphttps.net.listen.listener import Listener
from iphttps.net.sstp.login import Denied, Granted
from iphttps.net.sstp.service import Binding, SSTPService
from iphttps.net.sstp.session import SSTPSession
from iphttps.pki import des
from tests.net.support import PREFIX, PRIVATE_HOST, SERVER, SERVER_LINK_LOCAL, Port
from tests.sstp_client import CALL_CONNECT_REQUEST, REQUEST_HEAD, SSTPClient

CERTIFICATE_HASH = bytes(range(32))
"""The content of a front's certificate."""

POOL = IPv4Network("10.99.0.0/29")
FAR, FAR_IPV6 = bytes((198, 51, 100, 1)), PRIVATE_HOST.packed
NOW = 1700000000.0


class Users:
    """Everybody's password is "secret", unless `denied` says why not; with `later`, a test has verdicts come."""

    def __init__(self) -> None:
        self.denied: Denied | None = None
        self.later = False
        self.waiting: list[tuple[Deferred[Granted | Denied], Granted | Denied]] = []
        self.addresses: list[IPAddress | None] = []
        self.cancelled = 0

    def check(self, credentials: Credentials, address: IPAddress | None) -> Deferred[Granted | Denied]:
        """Check a response."""
        self.addresses.append(address)
        found: Deferred[Granted | Denied] = Deferred(self._cancel)
        if self.later:
            self.waiting.append((found, self._judge(credentials)))
        else:
            found.callback(self._judge(credentials))
        return found

    def _cancel(self, found: object) -> None:
        self.cancelled += 1

    def _judge(self, credentials: Credentials) -> Granted | Denied:
        assert isinstance(credentials, Verify)
        if self.denied:
            return self.denied
        nt_hash = mschapv2.nt_password_hash("secret")
        proof = mschapv2.verify(nt_hash, credentials.challenge, credentials.response, des.encrypt)
        if proof is None:
            return Denied(691, "the name or the password is wrong")
        name = credentials.response.name.decode()
        return Granted(name, proof.success, server_hlak(proof.keys.send, proof.keys.receive))


class Caller(SSTPClient):
    """A client at a transport in memory."""

    def __init__(self, protocol: Protocol, transport: StringTransport, user: str, interface_id: bytes) -> None:
        super().__init__(user, interface_id=interface_id)
        self.certificate_hash = CERTIFICATE_HASH
        self.transport = transport
        protocol.dataReceived(REQUEST_HEAD)
        self.head, _, rest = transport.value().partition(b"\r\n\r\n")
        transport.clear()
        self.receive(rest)

    @property
    def session(self) -> SSTPSession:
        """The session at the other end."""
        session = vars(self.transport)["protocol"]
        assert isinstance(session, SSTPSession)
        return session

    @property
    def entry(self) -> SessionEntry:
        """Its entry, while it has one."""
        assert self.session.entry
        return self.session.entry

    def send(self, *stream: bytes) -> None:
        """Send these bytes in one piece, take the answers, and answer them, until there is nothing more to say."""
        answer = b"".join(stream)
        while answer:
            self.session.dataReceived(answer)
            answer = self.take()

    def take(self) -> bytes:
        """Take what the server has sent; return the answers, which are not sent yet."""
        found = self.transport.value()
        self.transport.clear()
        return self.receive(found)

    def call(self) -> None:
        """Call, and do all it takes to be connected."""
        self.send(CALL_CONNECT_REQUEST)


class SSTPCase(SynchronousTestCase):
    """A server with a pool of five addresses and a prefix, which binds by the hash of a front's certificate."""

    maximum, per_user, handshakes = 8, 2, 4

    def setUp(self) -> None:
        """Start the server at a known time of day."""
        self.clock = MemoryReactorClock()
        self.clock.advance(NOW)
        self.device = MemoryDevice("sstp", ipv4=True)
        self.addCleanup(self.device.close)
        self.users = Users()
        self.table = SessionTable(Seats(self.maximum), self.per_user)
        random = (bytes((number % 256,)) for number in count(1))
        self.pool = AddressPool(POOL)
        self.service = SSTPService(
            self.clock,
            self.users,
            self.table,
            self.device,
            lambda length: next(random) * length,
            own=frozenset((SERVER_LINK_LOCAL.packed, SERVER.packed, self.pool.server.packed)),
            pool=self.pool,
            prefix=PREFIX.network_address.packed[:8],
            router=Router(RouterAdvertisement(PREFIX), SERVER_LINK_LOCAL.packed),
            dns=(bytes((10, 0, 0, 53)),),
            binding=Binding(tuple(HashProtocol), (CERTIFICATE_HASH,)),
            limiter=HandshakeLimiter(self.handshakes, self.handshakes),
            day=self.clock.seconds,
        )
        self.ports: list[Port] = []
        self.listener = Listener(self.clock, self._listen, (self.service,), name=DEFAULT_SERVER, day=self.clock.seconds)
        self.listener.start()
        self._callers = 0

    def _listen(self, factory: IProtocolFactory) -> IListeningPort:
        self.ports.append(Port())
        return cast(IListeningPort, self.ports[-1])

    def caller(self, user: str = "alice", address: str = "192.0.2.7") -> Caller:
        """Connect a client, which has the answer to its request."""
        self._callers += 1
        protocol = self.listener.buildProtocol(IPv4Address("TCP", address, 1000 + self._callers))
        transport = StringTransport()
        protocol.makeConnection(transport)
        return Caller(protocol, transport, user, b"\x02" + bytes(6) + bytes((self._callers,)))

    def connected(self, user: str = "alice", address: str = "192.0.2.7") -> Caller:
        """Connect a client whose packets pass; forget what was sent so far."""
        caller = self.caller(user, address)
        caller.call()
        self.assertTrue(caller.ready, caller.kinds)
        caller.packets.clear()
        caller.messages.clear()
        return caller

    def from_host(self, *packets: bytes) -> None:
        """Let the server's kernel send these packets into the link."""
        self.service.from_host(Batch.of(packets))
        self.service.downlink.serve()

    def timers(self) -> list[object]:
        """Return the timers of sessions and their connections."""
        calls = cast(list[DelayedCall], self.clock.getDelayedCalls())
        theirs = (SSTPSession, StringTransport)
        return [each.func for each in calls if isinstance(getattr(each.func, "__self__", None), theirs)]


def to_far(caller: SSTPClient, number: int = 0) -> bytes:
    """Build a packet of a client's to beyond the server, without an SSTP header."""
    return ipv4.packet(caller.ipcp.address, FAR, ipv6.UDP, bytes(8), identification=number % 0x10000)


def from_far(caller: SSTPClient, length: int = 100, flags: int = ipv4.DONT_FRAGMENT) -> bytes:
    """Build a packet for a client, of this length."""
    return ipv4.packet(FAR, caller.ipcp.address, ipv6.UDP, bytes(length - ipv4.HEADER_LENGTH), flags=flags)


def from_far_ipv6(destination: bytes, length: int = 100) -> bytes:
    """Build a packet of IPv6 for an address, of this length."""
    return ipv6.packet(FAR_IPV6, destination, ipv6.UDP, bytes(length - ipv6.HEADER_LENGTH), 64)


def leave(caller: Caller) -> None:
    """Have the connection end."""
    caller.session.connectionLost(Failure(ConnectionDone()))


def said(events: Sequence[LogEvent], name: str) -> list[str]:
    """Return the texts of the events with this name."""
    return [str(formatEvent(event)) for event in events if event.get("event") == name]
