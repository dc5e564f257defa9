"""The interface between a listener and the services on its port."""

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
from ...pki.verification import CheckedConnection
from ..connection import PeerConnection

__all__ = ["CertificatePolicy", "NotAdmitted", "Peer", "Service"]


class CertificatePolicy(Enum):
    """The policy of a service for client certificates."""

    REQUIRED = "a client without a certificate is rejected"
    OPTIONAL = "a client without a certificate is admitted"
    INHERITED = "the policy of the other services on the port applies"


@dataclass(frozen=True, slots=True)
class Peer:
    """A client, as known to the listener.

    `name` is its outer address as text, and `address` as an object, None if a reverse proxy hides it. `identity` is the
    verified identity in its certificate, only for a service that requires one. `tls` is the state of its TLS
    connection; None without TLS.
    """

    name: str
    address: IPAddress | None = None
    identity: Identity | None = None
    tls: CheckedConnection | None = None

    @property
    def suite(self) -> str | None:
        """The cipher suite."""
        return self.tls.suite if self.tls else None


class NotAdmitted(IPHTTPSError):
    """A client is not admitted by a service; its connection ends without a response.

    `kind` is a short name of the reason, for the log.
    """

    def __init__(self, sentence: str, kind: str) -> None:
        super().__init__(sentence)
        self.kind = kind


class Service(Resource, Protocol):
    """One protocol on the port, with its own link, device and client table.

    It receives only requests for its paths and methods, from clients that meet its `certificate` policy.
    """

    @property
    def certificate(self) -> CertificatePolicy:
        """True if clients must present a certificate."""

    def start(self) -> None:
        """Start the service: the port is open."""

    def stop(self) -> None:
        """Stop the service: the port is closed, and its connections end next."""

    def admit(self, peer: Peer, request: RequestHead) -> PeerConnection | Answer:
        """Return the session that takes over the connection, or a response after which the connection ends.

        Raises:
            ProtocolError: The request is invalid; the response has the error's status.
            NotAdmitted: The client is not admitted; its connection ends without a response.
        """
