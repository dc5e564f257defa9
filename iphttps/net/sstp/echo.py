"""Tells by SSTP's own echo whether the server answers ([MS-SSTP] 3.1.2.3), on request; the call does so by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ...core.counters import Counters
from ...core.failure import FailureReason, Stage
from ...core.ip.batch import Batch
from ...core.ip.ndp import router_solicitation
from ..explain import TIMED_OUT
from ..keepalive import Keepalive

__all__ = ["INTERVAL", "REQUESTS", "SOLICITATIONS", "SOLICITATION_INTERVAL", "Echo"]

REQUESTS = 3
INTERVAL = 1.0
"""Echo Requests without an answer after which the server counts as lost, and the seconds between them."""

SOLICITATIONS = 3
SOLICITATION_INTERVAL = 4.0
"""RFC 4861 section 10: MAX_RTR_SOLICITATIONS, RTR_SOLICITATION_INTERVAL."""


class Asked(Protocol):
    """The interface of the session that is asked."""

    counters: Counters

    def echo(self) -> None: ...


class Echo:
    """The liveness of an SSTP client; one session at a time, from `start` to `stop`.

    `own` returns the host's link-local address on the link, None if it has none; `addressed` tells whether the host has
    another IPv6 address there. `silent` is called when the server does not answer a check. With a nonzero `keepalive`
    the server is checked after that many seconds without a packet from it.
    """

    silence = FailureReason(Stage.SSTP, "the server does not answer", TIMED_OUT)
    """The failure that it is if the server does not answer."""
    router: bytes | None = None
    """Nobody looks for the router on the link."""
    listening = False
    """False: `hear` needs no packets from the server."""

    def __init__(
        self,
        clock: IReactorTime,
        own: Callable[[], bytes | None],
        addressed: Callable[[], bool] = bool,
        keepalive: float = 0.0,
    ) -> None:
        self.session: Asked | None = None
        """The session whose packets pass; it sets this itself."""
        self.silent: Callable[[], None] = _nothing
        self._clock = clock
        self._own = own
        self._addressed = addressed
        self._keepalive = Keepalive(clock, keepalive, self.check)
        self._send: Callable[[Batch], object] | None = None
        self._next: IDelayedCall | None = None
        self._asked_at = 0.0
        self._requests = 0
        self._received = 0
        self._asked_by: list[Deferred[float | None]] = []
        self._solicitation: IDelayedCall | None = None

    def start(self, send: Callable[[Batch], object], received: Callable[[], int]) -> None:
        """Start; the link has just come up. `send` sends packets to the server, `received` counts those from it."""
        self._send = send
        self._solicit_until_addressed(SOLICITATIONS)
        self._keepalive.start(received)

    def stop(self) -> None:
        """Stop; the link goes down."""
        self._send = self.session = None
        self._keepalive.stop()
        self._conclude(None)
        if self._solicitation and self._solicitation.active():
            self._solicitation.cancel()

    def hear(self, batch: Batch) -> None:
        """Do nothing: packets do not matter."""

    def ask(self) -> Deferred[float | None]:
        """Ask for an Echo Response; fires with the round-trip time in seconds, or None without an answer."""
        if not self.session or not self._send:
            return succeed(None)
        asked: Deferred[float | None] = Deferred()
        self._asked_by.append(asked)
        if len(self._asked_by) == 1:
            self._requests, self._received = 0, self.session.counters.packets_in
            self._ask()
        return asked

    def answered(self, session: Asked) -> None:
        """Take an Echo Response."""
        if session is self.session and self._asked_by:
            self._conclude(self._clock.seconds() - self._asked_at)

    def check(self) -> None:
        """Ask for an Echo Response, and call `silent` if neither that nor a packet comes."""
        self.ask().addCallback(self._checked)

    def _checked(self, round_trip: float | None) -> None:
        if round_trip is None and self.session and self.session.counters.packets_in == self._received:
            self.silent()

    def solicit(self) -> None:
        """Send a Router Solicitation (RFC 4861 section 6.3.7), if the link is up."""
        own = self._own()
        if self._send and own:
            self._send(Batch.of([router_solicitation(own)]))

    def _solicit_until_addressed(self, left: int) -> None:
        # The kernel does not: the link-local address, IPV6CP's, is not one that it has formed.
        if left and not self._addressed():
            self.solicit()
            self._solicitation = self._clock.callLater(SOLICITATION_INTERVAL, self._solicit_until_addressed, left - 1)

    def _ask(self) -> None:
        if self._requests == REQUESTS or not self.session:
            self._conclude(None)
            return
        self._requests += 1
        self._asked_at = self._clock.seconds()
        self._next = self._clock.callLater(INTERVAL, self._ask)
        self.session.echo()

    def _conclude(self, round_trip: float | None) -> None:
        if self._next and self._next.active():
            self._next.cancel()
        asked_by, self._asked_by = self._asked_by, []
        for asked in asked_by:
            asked.callback(round_trip)


def _nothing() -> None:
    """Do nothing: nobody wants to know."""
