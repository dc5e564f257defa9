"""A connection to a listener until its service is known.

It buffers the head of the request, passes it to the service, and hands over the connection. It takes no part in the
packet phase.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from OpenSSL import SSL
from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from ...core.admission import HandshakeLimiter
from ...core.errors import ProtocolError
from ...core.http.answer import Answer
from ...core.http.dispatch import dispatch
from ...core.http.request_head import Progress, RequestHead, RequestReader
from ...core.identity import Identity
from ...core.ip.address import endpoint
from ..connection import PeerConnection, discard
from ..explain import sentence
from ..stream.producer import LAST_PIECE_TIMEOUT, PIECE, ContentProducer
from .accept import PeerInfo
from .service import CertificatePolicy, NotAdmitted, Peer, Service


class Owner(Protocol):
    """The interface of the listener used by a request."""

    @property
    def clock(self) -> IReactorTime: ...
    @property
    def handshake_deadline(self) -> float: ...
    @property
    def name(self) -> str: ...
    @property
    def limiter(self) -> HandshakeLimiter[RequestProtocol]: ...
    @property
    def services(self) -> tuple[Service, ...]: ...

    def day(self) -> float: ...
    def refused(self, connection: RequestProtocol, sentence: str, kind: str) -> None: ...
    def failed(self, connection: RequestProtocol, sentence: str, kind: str) -> None: ...
    def admitted(self, connection: RequestProtocol, session: PeerConnection, service: Service) -> None: ...
    @property
    def opened(self) -> Callable[[PeerConnection], None]: ...


class RequestProtocol(PeerConnection):
    """Reads the head of a request, and sends a response or hands over the connection to a session."""

    def __init__(self, listener: Owner, peer_info: PeerInfo) -> None:
        super().__init__(listener.clock, listener.handshake_deadline)
        self.peer_info = peer_info
        self.peer = peer_info.peer
        """The client's outer address as text."""
        self._listener = listener
        self._reader = RequestReader()
        self._answered = False

    def begun(self) -> None:
        """Record that the client has sent data, TLS or HTTP."""
        self._listener.limiter.heard(self)

    def head_received(self, data: bytes) -> None:
        """Read the request, and let its service admit or reject it."""
        self.begun()
        try:
            head = self._reader.feed(data)
            if head is Progress.NEED_DATA:
                return
            service = dispatch(head, self._listener.services)
            admitted = service.admit(self._checked(service, head), head)
        except ProtocolError as error:
            self._refuse(error)
        except NotAdmitted as error:
            self._listener.refused(self, str(error), error.kind)
            # 3.2.5.1: "If the attempt fails, it MUST disconnect the client": without a 200.
            self.disconnect("not admitted")
        else:
            if isinstance(admitted, Answer):
                self._answer(admitted)
            else:
                self._listener.admitted(self, admitted, service)
                admitted.take_over(self)
                self._listener.opened(admitted)

    def _checked(self, service: Service, head: RequestHead) -> Peer:
        """Return the client's data; raises ProtocolError or NotAdmitted if its certificate does not suffice."""
        identity = self._identity(service)
        # The lists may have changed since the handshake.
        if objection := self.tls and self.tls.objection():
            raise NotAdmitted(objection, "the certificate")
        address, fronts = self.peer_info.address, self.peer_info.fronts
        forwarded_for = b",".join(head.values(b"x-forwarded-for")).decode("latin-1")
        if fronts and (client := fronts.client(forwarded_for)):
            self.peer, address = endpoint(client), client
        return Peer(self.peer, address, identity, self.tls)

    def _identity(self, service: Service) -> Identity | None:
        """Return the client's identity by its certificate, or without TLS by the one verified by a reverse proxy.

        Raises ProtocolError if the service requires a certificate and there is none (3.2.5.1).
        """
        if service.certificate is not CertificatePolicy.REQUIRED:
            return None
        identity = self.tls.check.identity if self.tls else self.peer_info.identity
        if identity is None:
            missing = "the client presented no certificate, and this path requires one"
            sentence = missing if self.tls else "the proxy reports no client certificate"
            raise ProtocolError(sentence, HTTPStatus.FORBIDDEN)
        return identity

    def _refuse(self, error: ProtocolError) -> None:
        self._listener.refused(self, str(error), f"HTTP {error.status}")
        self.wire.write(self._reader.refuse(error, self._listener.name, self._listener.day()))
        self._answered = True
        self.disconnect(str(error))

    def _answer(self, answer: Answer) -> None:
        """Send a response to the client, which must receive it within the handshake deadline."""
        self._answered = self._producing = True
        self._receive = discard
        self.wire.write(answer.head)
        self._carrier.bufferSize = PIECE  # the maximum buffered for a slow client
        ContentProducer(self.wire, answer.content, self._sent).start()

    def _sent(self) -> None:
        self.disconnect("the response was sent")
        if self._deadline and self._deadline.active():
            self._deadline.reset(LAST_PIECE_TIMEOUT)

    def expired(self) -> None:
        """End the connection: the client has not sent its request, or not received the response, in time."""
        if self._answered:
            self.wire.abortConnection()
            return
        sentence = "it sent no complete request in time"
        self._listener.refused(self, sentence, "too late")
        self.disconnect(sentence)

    def give_way(self) -> None:
        """End at once during the handshake phase, displaced by a newer connection."""
        sentence = "displaced by a newer connection: too many connections have no session yet"
        self._listener.refused(self, sentence, "too many")
        self.disconnect(sentence)
        self.wire.abortConnection()

    def hang_up(self) -> None:
        """Close the connection, but continue to read data from a rejected client for a while.

        TCP resets a connection closed with unread data, which can destroy the response (RFC 9112 section 9.6). TLS
        waits for the peer's close_notify anyway.
        """
        if self._answered and self.tls is None and ITCPTransport.providedBy(self.transport):
            self.wire.loseWriteConnection()
        else:
            super().hang_up()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Record a rejection by TLS, or a failed handshake."""
        if not self.ending and self.tls and (self.tls.check.failure or isinstance(reason.value, SSL.Error)):
            if self.tls.check.failure:
                self._listener.refused(self, self.tls.check.failure, "TLS")
            else:
                self._listener.failed(self, sentence(reason, "client"), "TLS")
        super().connectionLost(reason)
