"""What a listener and the services on its port know of each other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from ...core.errors import IPHTTPSError
from ...core.http.answer import Answer
from ...core.http.dispatch import Resource
from ...core.http.request_head import RequestHead
from ...core.identity import Identity
from ...core.ip.address import IPAddress
from ..connection import PeerConnection

__all__ = ["CertificatePolicy", "NotAdmitted", "Peer", "Service"]


class CertificatePolicy(Enum):
    """Whether a service wants certificates of its clients."""

    REQUIRED = "a client without a certificate is refused"
    OPTIONAL = "clients without a certificate are served, so TLS must let them in"
    INHERITED = "every client is served that the other services on the port have TLS let in"


@dataclass(frozen=True, slots=True)
class Peer:
    """A client, as far as the listener has found out who it is.

    `name` is its outer address as people read it, and `address` as machines do, unless a reverse proxy hides it.
    `identity` is what its certificate says, verified, for a service that requires one and for no other. `suite` is how
    its connection is encrypted; None without TLS.
    """

    name: str
    address: IPAddress | None = None
    identity: Identity | None = None
    suite: str | None = None


class NotAdmitted(IPHTTPSError):
    """A client that a service does not admit, and whose connection ends without an answer.

    `kind` names this sort of refusal in a few words, for the log.
    """

    def __init__(self, sentence: str, kind: str) -> None:
        super().__init__(sentence)
        self.kind = kind


class Service(Resource, Protocol):
    """One protocol on the port: its link, its device, its table of clients.

    It is asked only for requests with its paths and methods, of clients that meet its `certificate` policy.
    """

    @property
    def certificate(self) -> CertificatePolicy:
        """Whether clients must show a certificate."""

    def start(self) -> None:
        """Begin: the port is open."""

    def stop(self) -> None:
        """End: the port is closed, and connections end next."""

    def admit(self, peer: Peer, request: RequestHead) -> PeerConnection | Answer:
        """Return the session that takes the connection over, or an answer after which the connection ends.

        Raises:
            ProtocolError: if the request is wrong; it is answered with the error's status.
            NotAdmitted: if the client is not welcome; its connection ends without an answer.
        """
