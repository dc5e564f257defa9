"""RADIUS over UDP, with retransmission and failover to the next server (RFC 2865 section 2.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from twisted.internet.defer import Deferred, DeferredSemaphore, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IListeningPort
from twisted.internet.protocol import DatagramProtocol

from ...core.ip.address import IPAddress, endpoint, plain
from ...net.interfaces import IReactor
from ...net.log import logger
from .radius_packets import Answer, Request

__all__ = ["PACKET", "RadiusServers", "Server"]

TRIES = 3
"""Number of transmissions of a request to one server."""

WAIT = 2.0
"""Seconds to wait for the answer to each transmission."""

MOST = 200
"""Maximum number of outstanding requests: the identifier of a packet has 8 bits."""

PACKET = 4096
"""Maximum length of a packet (RFC 2865 section 3)."""

MakeRequest = Callable[[int], Request]
"""Builds the request with this identifier; each server gets its own request."""


@dataclass(frozen=True, slots=True)
class Server:
    """The address and port of a server."""

    address: IPAddress
    port: int

    def __str__(self) -> str:
        return endpoint(self.address, self.port)


class RadiusServers:
    """Sends requests to servers of one kind, authentication or accounting, starting with the one that last answered."""

    log = logger()

    def __init__(self, reactor: IReactor, servers: Sequence[Server]) -> None:
        self.servers = tuple(servers)
        self.silent = False
        """True if no server has answered the last request."""
        self.unanswered = 0
        """The number of requests that have ended without an answer."""
        self._unproved = False
        self._reactor = reactor
        self._turn = 0
        self._outstanding = 0
        self._closed = False
        self._idle: Deferred[None] | None = None
        self._semaphore = DeferredSemaphore(MOST)
        self._ports: dict[int, tuple[_Receiver, IListeningPort]] = {}
        self._waiting: dict[tuple[Server, int], _Asking] = {}
        self._identifiers = count()

    def ask(self, make: MakeRequest) -> Deferred[Answer | None]:
        """Send a request; fires with the answer, or with None if no server answers."""
        self._outstanding += 1
        return self._semaphore.run(self._ask, make).addBoth(self._asked)

    def _asked(self, result: Answer | None) -> Answer | None:
        self._outstanding -= 1
        self.unanswered += result is None
        self._close_if_idle()
        return result

    def _ask(self, make: MakeRequest) -> Deferred[Answer | None]:
        if self._closed:
            return succeed(None)
        order = self.servers[self._turn :] + self.servers[: self._turn]
        asking = _Asking(self, self._reactor, make, order)
        asking.start()
        return asking.answered

    def close(self, *, at_once: bool) -> Deferred[None]:
        """Close the ports, at once or when no request is outstanding; fires when they are closed.

        If they are closed at once, outstanding requests end without an answer.
        """
        self._idle = self._idle or Deferred()
        self._closed = self._closed or at_once
        if at_once:
            for asking in list(self._waiting.values()):
                asking.end(None)
        idle = self._idle
        self._close_if_idle()
        return idle

    def _close_if_idle(self) -> None:
        if self._idle and not self._outstanding:
            for _, port in self._ports.values():
                port.stopListening()
            self._ports.clear()
            if not self._idle.called:
                self._idle.callback(None)

    @property
    def silence(self) -> str:
        """The sentence for log and status if no server answers."""
        servers = ", ".join(map(str, self.servers))
        if self._unproved:
            return f"RADIUS servers answer only with another secret or without a Message-Authenticator: {servers}"
        return f"no RADIUS server answers: {servers}"

    # The interface used by _Asking.

    def unused(self, server: Server) -> int:
        """Return an identifier that no outstanding request to this server uses."""
        return next(each for n in self._identifiers if (server, each := n % 256) not in self._waiting)

    def expect(self, server: Server, identifier: int, asking: _Asking) -> None:
        """Register a request that waits for its answer."""
        self._waiting[server, identifier] = asking

    def forget(self, server: Server, identifier: int) -> None:
        """Free an identifier."""
        del self._waiting[server, identifier]

    def send(self, server: Server, data: bytes) -> None:
        """Send a packet; a failure counts as packet loss."""
        version = server.address.version
        try:
            if version not in self._ports:
                everywhere = "::" if version == 6 else "0.0.0.0"
                receiver = _Receiver(self._received)
                self._ports[version] = receiver, self._reactor.listenUDP(0, receiver, everywhere, PACKET)
            self._ports[version][0].send(data, server)
        except (OSError, CannotListenError) as error:
            self.log.debug(
                "cannot send to {server}: {error}", event="radius-unsent", server=str(server), error=str(error)
            )

    def unproved(self) -> None:
        """Note an answer with a wrong authenticator."""
        self._unproved = True

    def answered(self, server: Server | None) -> None:
        """Note the server that answered, or None if no server did."""
        if server:
            self._unproved = False
            self._turn = self.servers.index(server)
        silent = server is None
        if silent != self.silent:
            self.silent = silent
            if silent:
                self.log.warn("{sentence}", event="radius-silent", sentence=self.silence)
            else:
                self.log.info("the RADIUS server {server} answers", event="radius-answers", server=str(server))

    def _received(self, data: bytes, source: Server) -> None:
        asking = self._waiting.get((source, data[1])) if len(data) > 1 else None
        if asking:
            asking.received(data)


class _Asking:
    """One request, sent to one server after another."""

    def __init__(self, servers: RadiusServers, reactor: IReactor, make: MakeRequest, order: Sequence[Server]) -> None:
        self.answered: Deferred[Answer | None] = Deferred()
        self._servers = servers
        self._reactor = reactor
        self._make = make
        self._left = list(order)
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Send to the next server; if there is none, end without an answer."""
        if not self._left:
            self._servers.answered(None)
            self.answered.callback(None)
            return
        self._server = self._left.pop(0)
        self._identifier = self._servers.unused(self._server)
        self._request = self._make(self._identifier)
        self._servers.expect(self._server, self._identifier, self)
        self._tries = 0
        self._send()

    def _send(self) -> None:
        self._timer = None
        if self._tries == TRIES:
            self._servers.forget(self._server, self._identifier)
            self.start()
            return
        self._tries += 1
        self._servers.send(self._server, self._request.data)
        self._timer = self._reactor.callLater(WAIT, self._send)

    def received(self, data: bytes) -> None:
        """Accept an answer with a valid authenticator; a forged one must not end the wait."""
        answer = self._request.read(data)
        if answer:
            self._servers.answered(self._server)
            self.end(answer)
        else:
            self._servers.unproved()

    def end(self, answer: Answer | None) -> None:
        """Fire the result with this answer."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._servers.forget(self._server, self._identifier)
        self.answered.callback(answer)


class _Receiver(DatagramProtocol):
    noisy = False

    def __init__(self, received: Callable[[bytes, Server], None]) -> None:
        self._received = received

    def send(self, data: bytes, server: Server) -> None:
        """Send a packet to a server."""
        if self.transport:
            self.transport.write(data, (str(server.address), server.port))

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """Hand a datagram over with its source."""
        self._received(datagram, Server(plain(addr[0]), addr[1]))
