"""Probes the router on the link, when it may be unreachable or on request."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ...core.failure import FailureReason, Stage
from ...core.ip.batch import Batch
from ...core.ip.ndp import router_solicitation
from ...core.iphttps.liveness import INTERVAL, RouterWatch
from ..keepalive import Keepalive
from ..log import logger

NO_ROUTER = 10.0
"""Seconds without a Router Advertisement after which a warning is logged."""


class Liveness:
    """Watches one session at a time, from `start` to `stop`.

    `own` returns the host's link-local address on the link, or None if it has none yet; `silent` is called when the
    router does not answer a check. With a nonzero `keepalive` the router is probed after that many seconds without a
    packet from the server, because proxies close idle connections, and a path may fail silently.
    """

    log = logger()
    silence = FailureReason(Stage.ROUTER, "the router on the link does not answer")
    """The failure that it is if the router does not answer."""

    def __init__(
        self,
        clock: IReactorTime,
        own: Callable[[], bytes | None],
        silent: Callable[[], None],
        keepalive: float = 0.0,
    ) -> None:
        self._clock = clock
        self._own = own
        self._silent = silent
        self._keepalive = Keepalive(clock, keepalive, self._idle)
        self._watch = RouterWatch()
        self._send: Callable[[Batch], object] = _nothing
        self._received: Callable[[], int] = int
        self._next: IDelayedCall | None = None
        self._warning: IDelayedCall | None = None
        self._asked_by: list[Deferred[float | None]] = []
        self._started = False
        self._doubted = False
        """True if a check is pending until the router has advertised itself."""

    @property
    def router(self) -> bytes | None:
        """The router's link-local address, once it has advertised itself."""
        return self._watch.router

    @property
    def listening(self) -> bool:
        """True if `hear` must be called with packets from the server."""
        return self._watch.listening or self._doubted

    def start(self, send: Callable[[Batch], object], received: Callable[[], int]) -> None:
        """Start; the link has just come up. `send` sends packets to the server, `received` counts those from it."""
        self._watch = RouterWatch()
        self._send, self._received, self._started, self._doubted = send, received, True, False
        self._warning = self._clock.callLater(NO_ROUTER, self._warn)
        self._keepalive.start(received)

    def stop(self) -> None:
        """Stop; the link goes down."""
        self._started = False
        self._conclude(None)
        self._watch = RouterWatch()
        self._keepalive.stop()
        if self._warning and self._warning.active():
            self._warning.cancel()

    def hear(self, batch: Batch) -> None:
        """Process packets from the server; needed only while `listening`."""
        self._watch.hear(batch, self._clock.seconds())
        if self._asked_by and not self._watch.waiting:
            self._conclude(self._watch.round_trip)
        elif self._doubted and self._can_ask():
            self.check()

    def ask(self) -> Deferred[float | None]:
        """Probe the router; fires with the round-trip time in seconds, or None without an answer.

        It also fires with None if no router has advertised itself, or the host has no link-local address yet.
        """
        if not self._started or not self._can_ask():
            return succeed(None)
        asked: Deferred[float | None] = Deferred()
        self._asked_by.append(asked)
        if len(self._asked_by) == 1:
            self._question()
        return asked

    def solicit(self) -> None:
        """Send a Router Solicitation (RFC 4861 section 6.3.7), if the link is up."""
        own = self._own()
        if self._started and own:
            self._send(Batch.of([router_solicitation(own)]))

    def _can_ask(self) -> bool:
        return self._watch.router is not None and self._own() is not None

    def check(self) -> None:
        """Probe the router, and call `silent` if it does not answer.

        Other packets do not count: the path may be dead in one direction only. If no router has advertised itself yet,
        the check waits for that; if none ever does, only TCP detects a dead connection.
        """
        self._doubted = not self._can_ask()
        if not self._doubted:
            self.ask().addCallback(self._checked)

    def _checked(self, round_trip: float | None, before: int | None = None) -> None:
        if round_trip is None and self._started and before in (None, self._received()):
            self._silent()

    def _question(self) -> None:
        own = self._own()
        question = self._watch.ask(own, self._clock.seconds()) if own else None
        if question is None:
            self._conclude(None)
            return
        self._next = self._clock.callLater(INTERVAL, self._question)
        self._send(Batch.of([question]))

    def _conclude(self, round_trip: float | None) -> None:
        self._watch.give_up()
        if self._next and self._next.active():
            self._next.cancel()
        asked_by, self._asked_by = self._asked_by, []
        for asked in asked_by:
            asked.callback(round_trip)

    def _warn(self) -> None:
        if self._watch.router is None:
            self.log.warn(
                "the link is up, but no router has advertised itself in {seconds:.0f} seconds:"
                " nothing beyond the link can be reached",
                event="no-router",
                seconds=NO_ROUTER,
            )

    def _idle(self) -> None:
        # Here a packet that arrives is a sign of life: the question may wait behind many others.
        if self._can_ask():
            self.ask().addCallback(self._checked, self._received())


def _nothing(batch: Batch) -> None:
    """Send nothing: there is no session."""
