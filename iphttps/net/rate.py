"""The rate limits of a server's sessions: the sessions of one identity share one limit in each direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ..core.counters import Counters
from ..core.errors import DropReason
from ..core.ip.batch import EMPTY, Batch
from ..core.queues.memory import SharedMemory
from ..core.queues.rate import (
    AS_CONFIGURED,
    LATE,
    TICK,
    UNLIMITED,
    GrantedRate,
    MaxRate,
    RateBucket,
    RateSettings,
    Shaper,
)

__all__ = ["SMALLEST_READ", "RateLimits", "SessionRate"]

READ = 0.02
"""Seconds of the rate that one read of a limited connection may bring."""

SMALLEST_READ = 16 * 1024
"""Bytes that one read of a limited connection may bring at any rate: a TLS record."""


class Session(Protocol):
    """The interface of a session used here; `rate` is the limit in force for it, None without one."""

    counters: Counters
    rate: SessionRate | None

    def send(self, batch: Batch) -> None: ...
    def bound_reads(self, size: int | None) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class SessionRate:
    """The limit of an identity as one of its sessions sees it."""

    __slots__ = ("_limit", "_memory", "_released", "_session")

    def __init__(self, session: Session, limit: IdentityLimit, memory: SharedMemory) -> None:
        self._session = session
        self._limit = limit
        self._memory = memory
        self._released = EMPTY

    def received(self, size: int) -> None:
        """Count `size` bytes of packets from the client; over the rate, its connection is not read for a while."""
        self._limit.received(self._session, size)

    def admit(self, batch: Batch) -> Batch:
        """Return the packets to send to the client now; others wait, or are dropped and counted if there is no room.

        If `batch` is empty, these are packets that have waited.
        """
        if not batch:
            batch, self._released = self._released, EMPTY
            return batch
        passing, waiting = self._limit.admit(self._session, batch, self._memory.share)
        self._memory.hold(batch.bounds[passing + waiting] - batch.bounds[passing])
        if passing + waiting < len(batch):
            self._session.counters.dropped(DropReason.OVER_RATE, len(batch) - passing - waiting)
        return batch.portion(0, passing)

    def release(self, batch: Batch) -> None:
        """Send packets that have waited."""
        self._memory.hold(-len(batch.data))
        self._released = batch
        self._session.send(EMPTY)

    def forget(self, waiting: Batch) -> None:
        """Discard the packets that wait: the session has ended."""
        self._memory.hold(-len(waiting.data))


class IdentityLimit:
    """The limits of one identity, shared by its sessions."""

    def __init__(self, clock: IReactorTime, memory: SharedMemory) -> None:
        self._clock = clock
        self._memory = memory
        self._up: RateBucket | None = None
        self._down: Shaper[Session] | None = None
        self._read_bound: int | None = None
        self.sessions: dict[Session, SessionRate] = {}
        """Its sessions, each with the limit as it sees it."""
        self._paused: set[Session] = set()
        self._resumed = False
        """True if sessions are read again after a pause, and nothing has been received since."""
        self._reading: IDelayedCall | None = None
        self._sending: IDelayedCall | None = None

    def change(self, rate: MaxRate) -> None:
        """Put other maximum rates in force, also for the sessions that exist."""
        self._change_up(rate.up / 8)
        self._change_down(rate.down / 8)
        for session in self.sessions:
            self._apply(session)

    def _change_up(self, rate: float) -> None:
        self._read_bound = max(int(rate * READ), SMALLEST_READ) if rate else None
        if not rate:
            self._up = None
            self._reading = _cancel(self._reading)
            self._read()
        elif self._up:
            self._up.change(rate)
        else:
            self._up = RateBucket(rate)

    def _change_down(self, rate: float) -> None:
        down = self._down
        if rate and down:
            down.change(rate)
        elif rate:
            self._down = Shaper(rate)
        elif down:
            self._down = None
            self._sending = _cancel(self._sending)
            for session, limit in tuple(self.sessions.items()):
                limit.release(down.forget(session))

    def _apply(self, session: Session) -> None:
        session.rate = self.sessions[session] if self._up or self._down else None
        session.bound_reads(self._read_bound)

    def join(self, session: Session) -> None:
        """Limit another session."""
        self.sessions[session] = SessionRate(session, self, self._memory)
        self._apply(session)

    def leave(self, session: Session) -> None:
        """Limit a session no longer: it ends. Packets that wait for it are discarded."""
        limit = self.sessions.pop(session)
        if self._down:
            limit.forget(self._down.forget(session))
        session.rate = None
        session.bound_reads(None)
        self._paused.discard(session)
        session.resume_reading()
        if not self.sessions:
            self._reading = _cancel(self._reading)
            self._sending = _cancel(self._sending)

    @property
    def owes(self) -> bool:
        """True if the sessions have used more than their rate so far."""
        now = self._clock.seconds()
        return bool((self._up and self._up.tokens(now) < 0) or (self._down and self._down.overdrawn(now)))

    # From the clients.

    def received(self, session: Session, size: int) -> None:
        """Charge packets from a client, and pause reading its connection until the debt is paid."""
        bucket = self._up
        if bucket is None:
            return
        now = self._clock.seconds()
        if not self._paused:
            bucket.rest(now, LATE if self._resumed else 0.0)
            self._resumed = False
        bucket.charge(size)
        if bucket.tokens(now) < 0:
            self._paused.add(session)
            session.pause_reading()
            if not self._reading:
                self._reading = self._clock.callLater(bucket.wait(now, TICK), self._read)

    def _read(self) -> None:
        """Read the connections again, unless others have taken what this one has waited for."""
        self._reading = None
        now = self._clock.seconds()
        if self._up and self._up.tokens(now) < 0:
            self._reading = self._clock.callLater(self._up.wait(now, TICK), self._read)
            return
        paused, self._paused = self._paused, set()
        self._resumed = bool(paused)
        for session in paused:
            session.resume_reading()

    # To the clients.

    def admit(self, session: Session, batch: Batch, memory: int) -> tuple[int, int]:
        """Return how many packets of a batch may be sent to a client at once, and how many behind them wait."""
        shaper = self._down
        if shaper is None:
            return len(batch), 0
        now = self._clock.seconds()
        passing, waiting = shaper.admit(session, batch, now, memory)
        if waiting and not self._sending:
            self._arm(shaper, now)
        return passing, waiting

    def _arm(self, shaper: Shaper[Session], now: float) -> None:
        wait = shaper.wait(now)
        if wait is not None:
            self._sending = self._clock.callLater(wait, self._send)

    def _send(self) -> None:
        self._sending = None
        shaper = self._down
        if shaper:
            now = self._clock.seconds()
            for session, batch in shaper.release(now):
                self.sessions[session].release(batch)
            self._arm(shaper, now)


def _cancel(timer: IDelayedCall | None) -> IDelayedCall | None:
    """Cancel a timer if it is set; return what takes its place, none."""
    if timer:
        timer.cancel()
    return None


@dataclass(frozen=True, slots=True)
class _Member:
    """A session, its identity, the names of that in the settings, and the maximum rate that its login has granted."""

    session: Session
    identity: object
    names: tuple[str, ...]
    granted: GrantedRate


class RateLimits:
    """The rate limits of a service's sessions."""

    def __init__(self, clock: IReactorTime, memory: SharedMemory) -> None:
        self._clock = clock
        self._memory = memory
        self._settings = RateSettings()
        self._members: dict[object, _Member] = {}
        self._limits: dict[object, IdentityLimit] = {}
        self._left: set[object] = set()
        """Identities whose sessions have all ended in debt: it stays, so that a new connection does not avoid it."""

    def join(
        self,
        session: Session,
        identity: object | None,
        names: tuple[str, ...] = (),
        granted: GrantedRate = AS_CONFIGURED,
    ) -> None:
        """Limit a session as one of its identity, which has these names; without an identity it has its own limit.

        `granted` is the maximum rate by the login, which precedes that of the settings.
        """
        self._forget_paid()
        member = self._members[session] = _Member(session, identity or session, names, granted)
        limit = self._limits.setdefault(member.identity, IdentityLimit(self._clock, self._memory))
        limit.join(session)
        limit.change(self._rate(member))

    def leave(self, session: object) -> None:
        """Limit a session no longer: it ends. A repeated call has no effect."""
        member = self._members.pop(session, None)
        if member is None:
            return
        limit = self._limits[member.identity]
        limit.leave(member.session)
        if member.identity is session:  # nobody else pays for it
            del self._limits[member.identity]
        elif not limit.sessions:
            self._left.add(member.identity)
            self._forget_paid()

    def _forget_paid(self) -> None:
        for identity in [each for each in self._left if not self._limits[each].owes]:
            self._left.remove(identity)
            if not self._limits[identity].sessions:
                del self._limits[identity]

    def change(self, settings: RateSettings) -> None:
        """Put other settings in force, also for the sessions that exist."""
        self._settings = settings
        for member in self._members.values():
            self._limits[member.identity].change(self._rate(member))

    def of(self, session: object) -> MaxRate:
        """Return the maximum rate of a session's identity."""
        member = self._members.get(session)
        return self._rate(member) if member else UNLIMITED

    def _rate(self, member: _Member) -> MaxRate:
        return member.granted.over(self._settings.of(member.names))
