"""Disconnect-Requests of RADIUS servers (RFC 5176)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

from twisted.internet.protocol import DatagramProtocol

from ...core.ip.address import IPAddress, plain
from ...core.sstp.radius import ErrorCause, Received, TerminateCause, Type
from ...net.log import logger
from .radius_packets import Change, change
from .radius_sessions import RadiusSession

__all__ = ["DisconnectPort"]

REMEMBERED = 256
"""Maximum number of answers kept for retransmitted requests (RFC 5080 section 2.2.2)."""

WINDOW = 300
"""Seconds by which the Event-Timestamp of a request may differ from the time of day (RFC 5176 section 6.3)."""

_Identity = Callable[[RadiusSession], bytes | None]

IDENTITIES: dict[Type, _Identity] = {
    Type.ACCT_SESSION_ID: lambda session: session.identifier,
    Type.USER_NAME: lambda session: session.name,
    Type.FRAMED_IP_ADDRESS: lambda session: session.ipv4.packed if session.ipv4 else None,
    Type.CALLING_STATION_ID: lambda session: str(session.peer).encode("ascii") if session.peer else None,
}
"""The attributes that identify a session in a request; all those present must match (RFC 5176 section 3)."""

_ENOUGH = (Type.ACCT_SESSION_ID, Type.USER_NAME)


class DisconnectPort(DatagramProtocol):
    """Answers requests of the servers; requests from other sources or with a wrong authenticator are ignored."""

    log = logger()
    noisy = False

    def __init__(
        self,
        sessions: Iterable[RadiusSession],
        servers: Iterable[IPAddress],
        secret: bytes,
        nas: bytes,
        day: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._servers = frozenset(servers)
        self._secret = secret
        self._nas = nas
        self._day = day
        self._answers: OrderedDict[tuple[tuple[str, int], bytes], bytes] = OrderedDict()

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """Answer a request."""
        if self.transport is None or plain(addr[0]) not in self._servers:
            return
        key = addr[:2], datagram
        answer = self._answers.get(key)
        if answer is None:
            request = change(datagram, self._secret)
            if request is None or not self._is_recent(request.attributes):
                return
            answer = self._answers[key] = self._handle(request, addr[0])
            if len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        self.transport.write(answer, addr)

    def _is_recent(self, attributes: Received) -> bool:
        stamps = attributes.get(Type.EVENT_TIMESTAMP, ())
        return all(abs(int.from_bytes(stamp, "big") - self._day()) <= WINDOW for stamp in stamps)

    def _handle(self, request: Change, server: str) -> bytes:
        attributes = request.attributes
        if not request.disconnects:
            return request.answer(ErrorCause.UNSUPPORTED_EXTENSION)
        if any(value != self._nas for value in attributes.get(Type.NAS_IDENTIFIER, ())):
            return request.answer(ErrorCause.NAS_IDENTIFICATION_MISMATCH)
        if not any(kind in attributes for kind in _ENOUGH):
            return request.answer(ErrorCause.MISSING_ATTRIBUTE)
        named = [(of, value) for kind, of in IDENTITIES.items() for value in attributes.get(kind, ())]
        found = [session for session in self._sessions if all(of(session) == value for of, value in named)]
        self.log.info(
            "the RADIUS server {server} disconnects {count} sessions",
            event="radius-disconnect",
            server=server,
            count=len(found),
        )
        for session in found:
            session.disconnect(TerminateCause.ADMIN_RESET, f"the RADIUS server {server} disconnects it")
        return request.answer(0 if found else ErrorCause.SESSION_NOT_FOUND)
