"""The interface of the users' database, which is a file or a RADIUS server."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address
from typing import Protocol

from twisted.internet.defer import Deferred

from ...core.ip.address import IPAddress
from ...core.queues.rate import AS_CONFIGURED, GrantedRate
from ...core.sstp.crypto_binding import NO_HLAK
from ...core.sstp.ppp.server import Credentials
from ...core.sstp.sessions import SessionEntry

__all__ = ["Denied", "End", "Granted", "Logins", "Record"]


class End(Enum):
    """The side that ended a session."""

    CLIENT = auto()
    SERVER = auto()
    STOPPING = auto()
    """The server, because it is shutting down."""
    LOST = auto()
    """Neither: the connection was lost, or the client does not answer."""


class Record(Protocol):
    """The database's record of one session; it may disconnect the session through the entry's connection."""

    def begin(self, entry: SessionEntry) -> None:
        """Note the begin of the session: packets pass from now on."""

    def end(self, entry: SessionEntry, end: End) -> None:
        """Note the end of the session, even if `begin` was never called."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A successful login.

    `user` is the user's name in the database. `success` is the authenticator response of MS-CHAPv2, 42 bytes, and
    `hlak` the server's HLAK, 32 bytes; PAP has neither. `address` is the user's fixed IPv4 address, if there is one.
    `record` is notified of the session's begin and end. `max_rate` is the maximum rate that the login grants.
    """

    user: str
    success: bytes = b""
    hlak: bytes = NO_HLAK
    address: IPv4Address | None = None
    record: Record | None = None
    max_rate: GrantedRate = AS_CONFIGURED


@dataclass(frozen=True, slots=True)
class Denied:
    """A failed login: the code of RFC 2759 section 6 for the client, and a sentence for the log."""

    code: int
    sentence: str


class Logins(Protocol):
    """A database of users."""

    def check(self, credentials: Credentials, address: IPAddress | None) -> Deferred[Granted | Denied]:
        """Check the credentials of a client at this outer address; the result may come later, and never fails."""
