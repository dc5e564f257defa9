"""Reload of the revocation lists when their file changes, and warnings before they expire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import time

from twisted.internet.interfaces import IReactorTime

from ...core.errors import ConfigError
from ...pki.revocation import RevocationLists, Stamp, now_of
from ..log import logger
from ..stream.poller import Poller
from .contexts import ServerTLS

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
        self._same: Stamp | None = None
        self.problem: str | None = None
        """Why the file's present lists are not in force, or None."""
        self._reported: RevocationLists | None = None
        self._report_due = 0.0

    def start(self) -> None:
        """Check now and then periodically. Call it after privileges are dropped; an unreadable file is logged."""
        if lists := self._tls.settings.revocation:
            try:
                lists.path.open("rb").close()
            except OSError as error:
                self.log.error(
                    "cannot read {path} any more ({reason}): give the user of --uid read permission",
                    event="crl-unreadable",
                    path=lists.path,
                    reason=error.strerror,
                )
        super().start()

    def look(self) -> None:
        """Load the file if it has changed, and warn of expiry if that is due.

        A file that cannot be used is tried again at each check, since the cause may pass without a change of the file:
        a date ahead of the clock, or a lack of descriptors.
        """
        lists = self._tls.settings.revocation
        if lists is None:
            self.problem = None
            return
        stamp = Stamp.of(lists.path)
        if stamp in (lists.stamp, self._same):
            self.problem = None
        else:
            lists = self._read_again(lists, stamp)
        if lists is not self._reported or not self._report_made <= self._day() < self._report_due:
            self._report(lists)

    def _read_again(self, old: RevocationLists, stamp: Stamp) -> RevocationLists:
        try:
            lists = old.reload(now_of(self._day()))
            if unchanged := lists.lists == old.lists:
                lists = old
            else:
                self._tls.change(replace(self._tls.settings, revocation=lists))
        except ConfigError as error:
            if str(error) != self.problem:
                self.problem = str(error)
                self.log.error(
                    "{error}; the revocation lists read before stay in force", event="crl-kept", error=self.problem
                )
            return old
        self._same = stamp
        before, self.problem = self.problem, None
        if unchanged and before is None:
            return old
        self.log.info(
            "{path} reloaded: {count} certificates revoked",
            event="crl-read",
            path=lists.path,
            count=lists.count,
        )
        for sentence in lists.older:
            self.log.warn("{sentence}; accepted because of allow-older-crl", event="crl-older", sentence=sentence)
        return lists

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
