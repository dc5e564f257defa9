"""What the service asks of the users' database, whatever it is: a file, or a RADIUS server."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address
from typing import Protocol

from twisted.internet.defer import Deferred

from ...core.ip.address import IPAddress
from ...core.sstp.crypto_binding import NO_HLAK
from ...core.sstp.ppp.server import Credentials
from ...core.sstp.sessions import SessionEntry

__all__ = ["Denied", "End", "Granted", "Logins", "Record"]


class End(Enum):
    """Who has ended a session."""

    CLIENT = auto()
    SERVER = auto()
    STOPPING = auto()
    """The server, because it stops."""
    LOST = auto()
    """Nobody: the connection is gone, or the client does not answer."""


class Record(Protocol):
    """What the database keeps about one session; it may end the session through its entry's connection."""

    def begin(self, entry: SessionEntry) -> None:
        """Note that packets pass from now on."""

    def end(self, entry: SessionEntry, end: End) -> None:
        """Note that the session has ended; it may not have begun."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The login is right.

    `user` is the user's name in the database. `success` is the authenticator response of MS-CHAPv2, 42 bytes, and
    `hlak` the server's HLAK, 32 bytes; PAP has neither. `address` is the user's own IPv4 address, if there is one.
    `record` is told of the session's begin and end.
    """

    user: str
    success: bytes = b""
    hlak: bytes = NO_HLAK
    address: IPv4Address | None = None
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """The login is wrong: the code of RFC 2759 section 6 for the client, and a sentence for the log."""

    code: int
    sentence: str


class Logins(Protocol):
    """A database of users."""

    def check(self, credentials: Credentials, address: IPAddress | None) -> Deferred[Granted | Denied]:
        """Check what a client at this outer address has shown; fires at once or later, and never fails."""
