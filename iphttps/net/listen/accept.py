"""The accept filter: the first stage of a connection, before TLS, or before HTTP without TLS.

Connections from a source with too many connections in the handshake phase are rejected. A trusted proxy can announce
its client by the PROXY protocol. The TLS object of a connection is created only on its first bytes, because that takes
far longer than accepting it. Then the next protocol replaces this one at the transport, so that it costs nothing later.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from cryptography import x509
from cryptography.x509.oid import NameOID
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocol, IProtocolFactory, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

from ...core.admission import HandshakeLimiter
from ...core.errors import ProtocolError
from ...core.identity import Identity
from ...core.ip.address import IPAddress, endpoint, plain
from ...core.proxy.proxy_protocol import Announcement, ProxyProtocol
from ...core.proxy.trusted_proxies import TrustedProxies
from ...pki.certificates import distinguished
from .rejections import RejectionLog

HEADER_DEADLINE = 10.0
"""Seconds within which a proxy must send its PROXY header, the first data of a connection."""

SILENCE = 10.0
"""Seconds within which a client must send its first bytes, unless the handshake timeout is shorter."""


@implementer(IAddress)
@dataclass(frozen=True, slots=True)
class PeerInfo:
    """The information about a client that is known before TLS and HTTP.

    `peer` is the client's outer address as text, and `address` as an object, None if a proxy hides it. `identity` is
    the client's identity as verified by a proxy. `fronts` are the proxies whose X-Forwarded-For headers are trusted,
    None if the connection is not from one of them.
    """

    peer: str
    address: IPAddress | None = None
    identity: Identity | None = None
    fronts: TrustedProxies | None = None

    @classmethod
    def of(cls, address: object) -> PeerInfo:
        """Return the information for a connection's address alone."""
        if isinstance(address, PeerInfo):
            return address
        if not isinstance(address, IPv4Address | IPv6Address):
            return cls(str(address))
        host = plain(address.host)
        return cls(endpoint(host, address.port), host)


class AcceptFilter(ServerFactory):
    """Builds the protocols of new connections, from proxies and from clients."""

    noisy = False

    def __init__(
        self,
        wrapped: IProtocolFactory,
        clock: IReactorTime,
        limiter: HandshakeLimiter[Any],
        rejections: RejectionLog,
        fronts: TrustedProxies,
        *,
        proxy_protocol: bool,
        patience: Callable[[], float] = lambda: SILENCE,
        only_fronts: bool = False,
    ) -> None:
        self._wrapped = wrapped
        self.clock = clock
        self.rejections = rejections
        self.limiter = limiter
        self._fronts = fronts
        self._proxy_protocol = proxy_protocol
        self.patience = patience
        """Returns the maximum duration of the handshake phase in seconds."""
        self._only_fronts = only_fronts  # connections by a UNIX socket, whose file mode grants access
        self.announcing: HandshakeLimiter[ProxyHeaderProtocol] = HandshakeLimiter()
        """Connections whose PROXY header is pending; limited separately, as their clients are not known yet."""
        self.silent: set[SilentProtocol] = set()

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """Build the first protocol of a connection, or return None to close it."""
        peer_info = PeerInfo.of(addr)
        if self._only_fronts:
            peer_info = PeerInfo("the front's socket")
        elif peer_info.address is None or peer_info.address not in self._fronts:
            return self.admit(peer_info)
        if self._proxy_protocol:
            return self._announced(peer_info)
        return self.admit(PeerInfo(peer_info.peer, fronts=self._fronts))

    def admit(self, peer_info: PeerInfo) -> Protocol | None:
        """Build the protocol that waits for a client's first bytes; None if the source has too many connections."""
        if not self._has_room(peer_info):
            return None
        silent = SilentProtocol(self, peer_info)
        if displaced := self.limiter.add(silent, peer_info.address):
            displaced.give_way()
        return silent

    def _announced(self, front: PeerInfo) -> Protocol:
        protocol = ProxyHeaderProtocol(self, front)
        if displaced := self.announcing.add(protocol, None):
            displaced.give_way()
        return protocol

    def greet(self, peer_info: PeerInfo) -> IProtocol | None:
        """Build the protocol that follows a client's first bytes; None if the source has too many connections."""
        return self._wrapped.buildProtocol(peer_info) if self._has_room(peer_info) else None

    def _has_room(self, peer_info: PeerInfo) -> bool:
        if self.limiter.allows(peer_info.address):
            return True
        self.rejections.note(peer_info.peer, "too many of its connections have no session yet", "too many")
        return False

    def doStart(self) -> None:
        """Start the wrapped factory: the port is open."""
        self._wrapped.doStart()

    def doStop(self) -> None:
        """Abort all waiting connections: the port is closed."""
        for protocol in tuple(self.announcing):
            protocol.abort()
        for silent in tuple(self.silent):
            silent.abort()
        self._wrapped.doStop()


class WaitingProtocol(Protocol):
    """A connection that must send data within a deadline, and then gets its next protocol."""

    def __init__(self, accept_filter: AcceptFilter) -> None:
        self._accept_filter = accept_filter
        self._deadline: IDelayedCall | None = None

    def abort(self) -> None:
        """End the connection at once, without a response."""
        self._leave()
        cast(ITCPTransport, self.transport).abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop waiting: the connection has ended."""
        self._leave()

    def _leave(self) -> None:
        """Stop waiting."""
        if self._deadline and self._deadline.active():
            self._deadline.cancel()

    def _give_place(self, protocol: IProtocol, data: bytes) -> None:
        """Attach the next protocol to the transport, and pass it this data first."""
        transport = cast(Connection, self.transport)
        transport.protocol = protocol
        protocol.makeConnection(transport)
        if data:
            protocol.dataReceived(data)


class ProxyHeaderProtocol(WaitingProtocol):
    """A proxy's connection until its PROXY header is complete."""

    def __init__(self, accept_filter: AcceptFilter, front: PeerInfo) -> None:
        super().__init__(accept_filter)
        self._front = front
        self._header = ProxyProtocol()

    def connectionMade(self) -> None:
        """Wait for the header until the deadline."""
        self._deadline = self._accept_filter.clock.callLater(
            HEADER_DEADLINE, self._refuse, "it sent no PROXY header in time"
        )

    def dataReceived(self, data: bytes) -> None:
        """Read the header."""
        self._accept_filter.announcing.heard(self)
        try:
            announcement = self._header.feed(data)
            peer_info = announcement and self._peer_info(announcement)
        except ProtocolError as error:
            self._refuse(str(error))
            return
        if announcement and peer_info:
            self._hand_over(peer_info, announcement.rest)

    def _peer_info(self, announcement: Announcement) -> PeerInfo:
        identity = _identity(announcement.common_name) if announcement.common_name else None
        if announcement.address is None:
            return PeerInfo(self._front.peer, identity=identity)
        address = announcement.address
        if address.version == 6:
            address = address.ipv4_mapped or address
        return PeerInfo(endpoint(address, announcement.port), address, identity)

    def _hand_over(self, peer_info: PeerInfo, rest: bytes) -> None:
        self._leave()
        protocol = cast("IProtocol | None", self._accept_filter.admit(peer_info))
        if protocol is None:
            self.abort()
            return
        self._leave()
        self._give_place(protocol, rest)

    def _refuse(self, sentence: str) -> None:
        self._accept_filter.rejections.note(self._front.peer, sentence, "the PROXY protocol")
        self.abort()

    def give_way(self) -> None:
        """End at once, displaced by a newer connection."""
        self._accept_filter.rejections.note(
            self._front.peer, "it sent no PROXY header and was displaced by a newer connection", "too many"
        )
        self.abort()

    def _leave(self) -> None:
        self._accept_filter.announcing.remove(self)
        super()._leave()


class SilentProtocol(WaitingProtocol):
    """A client's connection until its first bytes arrive."""

    def __init__(self, accept_filter: AcceptFilter, peer_info: PeerInfo) -> None:
        super().__init__(accept_filter)
        self._peer_info = peer_info

    def connectionMade(self) -> None:
        """Wait for the first bytes until the deadline."""
        if self._spoken():
            self._accept_filter.limiter.heard(self)
        self._accept_filter.silent.add(self)
        self._deadline = self._accept_filter.clock.callLater(
            min(SILENCE, self._accept_filter.patience()), self._expired
        )

    def dataReceived(self, data: bytes) -> None:
        """Hand over to the next protocol."""
        self._leave()
        protocol = self._accept_filter.greet(self._peer_info)
        if protocol is None:
            self.abort()
            return
        self._give_place(protocol, data)

    def _spoken(self) -> bool:
        """Return whether data is waiting in the socket: many connections may be accepted before one is read."""
        handle = getattr(self.transport, "getHandle", lambda: None)()
        if not isinstance(handle, socket.socket):
            return False
        try:
            return bool(handle.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False

    def _expired(self) -> None:
        self._accept_filter.rejections.note(self._peer_info.peer, "it sent no complete request in time", "too late")
        self.abort()

    def give_way(self) -> None:
        """End at once, displaced by a newer connection."""
        self._accept_filter.rejections.note(
            self._peer_info.peer, "it sent no data and was displaced by a newer connection", "too many"
        )
        self.abort()

    def _leave(self) -> None:
        self._accept_filter.limiter.remove(self)
        self._accept_filter.silent.discard(self)
        super()._leave()


def _identity(common_name: str) -> Identity:
    """Return the identity of a certificate with this common name and no alternative names.

    Raises:
        ProtocolError: The name is not valid in a certificate.
    """
    try:
        return Identity(distinguished(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])))
    except ValueError as error:
        raise ProtocolError("the name in the PROXY header is not valid in a certificate") from error
