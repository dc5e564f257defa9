"""A second protocol for a listener's port: lines that come back, for clients without a certificate."""

from __future__ import annotations

from http import HTTPStatus

from twisted.internet.interfaces import IReactorTime

from iphttps.core.errors import ProtocolError
from iphttps.core.http import answer
from iphttps.core.http.request_head import RequestHead
from iphttps.net.connection import PeerConnection
from iphttps.net.listen.service import CertificatePolicy, NotAdmitted, Peer

PATH = "/echo"
REQUEST = b"ECHO /echo HTTP/1.1\r\nHost: gateway.example\r\n\r\n"
ANSWER = answer.head(HTTPStatus.OK, "echo", 0.0)


class EchoSession(PeerConnection):
    """Sends each line back."""

    def __init__(self, clock: IReactorTime, rest: bytes) -> None:
        super().__init__(clock)
        self._waiting = rest

    def attached(self) -> None:
        """Answer the request."""
        self.wire.write(ANSWER)
        self._receive = self._lines_received
        self._lines_received(b"")

    def _lines_received(self, data: bytes) -> None:
        *lines, self._waiting = (self._waiting + data).split(b"\n")
        for line in lines:
            self.wire.write(line + b"\n")


class EchoService:
    """Admits everybody, but for a client that is not `welcome`."""

    methods = ("ECHO",)
    wrong_method = "only ECHO is spoken here"
    certificate = CertificatePolicy.OPTIONAL

    def __init__(self, clock: IReactorTime) -> None:
        self.welcome = True
        self.running = False
        self.peers: list[Peer] = []
        self._clock = clock

    def serves(self, path: str) -> bool:
        """Tell whether this is its path."""
        return path.casefold() == PATH

    def start(self) -> None:
        """Note it."""
        self.running = True

    def stop(self) -> None:
        """Note it."""
        self.running = False

    def admit(self, peer: Peer, request: RequestHead) -> EchoSession:
        """Return a session."""
        if request.values(b"expect"):
            raise ProtocolError("nothing is to be expected", HTTPStatus.EXPECTATION_FAILED)
        if not self.welcome:
            raise NotAdmitted("there is an echo already", "too many echoes")
        self.peers.append(peer)
        return EchoSession(self._clock, request.rest)
