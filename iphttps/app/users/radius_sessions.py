"""The sessions of RADIUS users: accounting (RFC 2866), time limits and disconnection by a server (RFC 5176)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ...core.ip.address import IPAddress
from ...core.sstp import radius
from ...core.sstp.radius import Accepted, Attributes, Status, TerminateCause
from ...core.sstp.sessions import SessionEntry
from ...net.sstp.login import End

__all__ = ["RadiusSession", "RadiusSessions"]

_CAUSES = {
    End.CLIENT: TerminateCause.USER_REQUEST,
    End.LOST: TerminateCause.LOST_CARRIER,
    End.SERVER: TerminateCause.NAS_REQUEST,
    End.STOPPING: TerminateCause.ADMIN_REBOOT,
}


@dataclass(frozen=True, slots=True)
class Account:
    """The sender of Accounting-Requests; `send` sends one with the given attributes."""

    clock: IReactorTime
    day: Callable[[], float]
    nas: bytes
    send: Callable[[Attributes], None]


class RadiusSessions:
    """The active sessions."""

    def __init__(self) -> None:
        self._sessions: dict[RadiusSession, None] = {}
        self.emptied: Callable[[], None] = _nothing
        """Called when the last session has ended."""

    def add(self, session: RadiusSession) -> None:
        """Add a session that begins."""
        self._sessions[session] = None

    def remove(self, session: RadiusSession) -> None:
        """Remove a session that ends."""
        del self._sessions[session]
        if not self._sessions:
            self.emptied()

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[RadiusSession]:
        """Iterate over a snapshot, so that sessions may end meanwhile."""
        return iter(tuple(self._sessions))


class RadiusSession:
    """One session, from the login to its end; the service calls `begin` and `end`.

    `identifier` is its Acct-Session-Id, `name` the User-Name for accounting, `peer` the client's outer address.
    """

    def __init__(
        self,
        account: Account,
        sessions: RadiusSessions,
        identifier: bytes,
        name: bytes,
        peer: IPAddress | None,
        accepted: Accepted,
    ) -> None:
        self.identifier = identifier
        self.name = name
        self.peer = peer
        self._account = account
        self._sessions = sessions
        self._accepted = accepted
        self._entry: SessionEntry | None = None
        self._address = b""
        self._cause: TerminateCause | None = None
        self._timers: dict[str, IDelayedCall] = {}
        self._seen = (0, 0)

    @property
    def ipv4(self) -> IPv4Address | None:
        """The client's address, if it has one."""
        return IPv4Address(self._address) if self._address else None

    def begin(self, entry: SessionEntry) -> None:
        """Send Accounting-Start, and set the timers."""
        self._entry = entry
        self._address = entry.address  # a copy: the service frees the entry's before it reports the end
        self._since = self._account.clock.seconds()
        self._sessions.add(self)
        self._report(entry, Status.START, [])
        granted = self._accepted
        self._call("session", granted.session_timeout, self._session_timeout)
        self._call("idle", granted.idle_timeout, self._idle)
        self._call("interim", granted.interim, self._interim)

    def end(self, entry: SessionEntry, end: End) -> None:
        """Send Accounting-Stop if the session has begun."""
        if self._entry is None:
            return
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._report(entry, Status.STOP, self._usage(entry, self._cause or _CAUSES[end]))
        self._sessions.remove(self)
        self._entry = None

    def disconnect(self, cause: TerminateCause, sentence: str) -> None:
        """End the session for this cause."""
        if self._entry:
            self._cause = self._cause or cause
            self._entry.connection.disconnect(sentence)

    def _call(self, name: str, seconds: float, what: Callable[[], None]) -> None:
        if seconds:
            self._timers[name] = self._account.clock.callLater(seconds, self._run, name, what)

    def _run(self, name: str, what: Callable[[], None]) -> None:
        del self._timers[name]
        what()

    def _session_timeout(self) -> None:
        self.disconnect(
            TerminateCause.SESSION_TIMEOUT, f"it has reached the Session-Timeout of {self._accepted.session_timeout} s"
        )

    def _idle(self) -> None:
        """End the session if no packet has passed since the last check; checks are one idle timeout apart."""
        if self._entry is None:
            return
        counters, before = self._entry.counters, self._seen
        self._seen = (counters.packets_in, counters.packets_out)
        if self._seen == before:
            self.disconnect(
                TerminateCause.IDLE_TIMEOUT, f"it has reached the Idle-Timeout of {self._accepted.idle_timeout} s"
            )
        else:
            self._call("idle", self._accepted.idle_timeout, self._idle)

    def _interim(self) -> None:
        if self._entry:
            self._report(self._entry, Status.INTERIM, self._usage(self._entry))
            self._call("interim", self._accepted.interim, self._interim)

    def _usage(self, entry: SessionEntry, cause: TerminateCause | None = None) -> Attributes:
        return radius.usage(entry.counters, self._account.clock.seconds() - self._since, cause)

    def _report(self, entry: SessionEntry, status: Status, usage: Attributes) -> None:
        self._account.send(
            radius.accounting(
                status,
                self._account.day(),
                nas=self._account.nas,
                session=self.identifier,
                name=self.name,
                address=self.peer,
                ipv4=self._address,
                classes=self._accepted.classes,
                usage=usage,
            )
        )


def _nothing() -> None:
    """Do nothing."""
