"""Reload of the revocation lists when their file changes, and warnings before they expire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import time

from twisted.internet.interfaces import IReactorTime

from ...pki.revocation import RevocationLists, now_of
from ..log import logger
from ..stream.poller import Poller
from .contexts import ServerTLS
from .revocation_reload import RevocationReload

INTERVAL = 2.0
"""Seconds between two checks of the file, and so the maximum delay until a revoked client's session ends."""

DAY = 24 * 60 * 60.0


class RevocationWatch(Poller):
    """A poller of the file of the revocation lists in force, which a change of settings can replace."""

    log = logger()

    def __init__(
        self, clock: IReactorTime, tls: ServerTLS, interval: float = INTERVAL, day: Callable[[], float] = time
    ) -> None:
        """Poll by `clock`; `day` returns the time of day, for the validity of the lists."""
        super().__init__(clock, interval)
        self._day = day
        self._report_made = 0.0
        self._tls = tls
        self._reload = RevocationReload(day, self._use)
        self._reported: RevocationLists | None = None
        self._report_due = 0.0

    @property
    def problem(self) -> str | None:
        """The reason why the file's present lists are not in force, or None."""
        return self._reload.problem if self._tls.settings.revocation else None

    def start(self) -> None:
        """Check now and then periodically. Call it after privileges are dropped; an unreadable file is logged."""
        if lists := self._tls.settings.revocation:
            try:
                lists.path.open("rb").close()
            except OSError as error:
                self.log.error(
                    "cannot read {path} any longer ({reason}): give the user of --uid read permission",
                    event="crl-unreadable",
                    path=lists.path,
                    reason=error.strerror,
                )
        super().start()

    def look(self) -> None:
        """Put the lists of a changed file in force, and log a warning if one is due."""
        if self._tls.settings.revocation is None:
            return
        lists = self._reload.look(self._tls.settings.revocation)
        if lists is not self._reported or not self._report_made <= self._day() < self._report_due:
            self._report(lists)

    def _use(self, lists: RevocationLists) -> None:
        self._tls.change(replace(self._tls.settings, revocation=lists))

    def _report(self, lists: RevocationLists) -> None:
        """Warn of lists that have expired or expire soon; again in a day, or when one expires."""
        seconds = self._report_made = self._day()  # if the clock is set back before this, another report is due
        now = now_of(seconds)
        for sentence in lists.expired(now):
            self.log.error("{sentence}", event="crl-expired", sentence=sentence)
        for sentence in lists.expiring(now):
            self.log.warn("{sentence}", event="crl-expires", sentence=sentence)
        for sentence in lists.partial():
            self.log.warn("{sentence}", event="crl-partial", sentence=sentence)
        expiry = lists.next_expiry(now)
        self._reported = lists
        self._report_due = min(seconds + DAY, expiry.timestamp() if expiry else float("inf"))
