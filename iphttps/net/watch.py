"""Keeps the revocation lists fresh: reads their file again when it changes, and warns before they expire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import time

from twisted.internet.interfaces import IReactorTime

from ..core.errors import ConfigError
from .log import logger
from .lookout import Lookout
from .revocation import RevocationLists, Stamp, now_of
from .tls import ServerTLS

INTERVAL = 2.0
"""Seconds between two looks at the file; within it, a session whose certificate is revoked ends."""

DAY = 24 * 60 * 60.0


class RevocationWatch(Lookout):
    """Watches the file of the lists that are in force, whichever that is at the time."""

    log = logger()

    def __init__(
        self, clock: IReactorTime, tls: ServerTLS, interval: float = INTERVAL, day: Callable[[], float] = time
    ) -> None:
        """Watch by `clock`; the lists are valid by `day`, the time of day."""
        super().__init__(clock, interval)
        self._day = day
        self._report_made = 0.0
        self._tls = tls
        self._refused: Stamp | None = None
        self._reported: RevocationLists | None = None
        self._report_due = 0.0

    def start(self) -> None:
        """Watch from now on; call it when the program is the user that it will stay."""
        if lists := self._tls.settings.revocation:
            try:
                lists.path.open("rb").close()
            except OSError as error:
                self.log.error(
                    "{path} can be read no more ({reason}): the user given by --uid must have the right to",
                    event="crl-unreadable",
                    path=lists.path,
                    reason=error.strerror,
                )
        super().start()

    def look(self) -> None:
        """Take what the file holds, if it has changed, and warn if it is time to."""
        lists = self._tls.settings.revocation
        if lists is None:
            return
        stamp = Stamp.of(lists.path)
        if stamp == lists.stamp:
            self._refused = None
        elif stamp != self._refused:
            lists = self._read_again(lists, stamp)
        if lists is not self._reported or not self._report_made <= self._day() < self._report_due:
            self._report(lists)

    def _read_again(self, old: RevocationLists, stamp: Stamp) -> RevocationLists:
        try:
            lists = old.again(now_of(self._day()))
            self._tls.change(replace(self._tls.settings, revocation=lists))
        except ConfigError as error:
            self._refused = stamp
            self.log.error(
                "{error}; the revocation lists read before stay in force", event="crl-kept", error=str(error)
            )
            return old
        self._refused = None
        self.log.info(
            "{path} is read again: {count} certificates are revoked",
            event="crl-read",
            path=lists.path,
            count=lists.count,
        )
        return lists

    def _report(self, lists: RevocationLists) -> None:
        """Warn of lists that have expired or soon will; the next time in a day, or when one expires."""
        seconds = self._report_made = self._day()  # set back before it, another is due
        now = now_of(seconds)
        for sentence in lists.expired(now):
            self.log.error("{sentence}", event="crl-expired", sentence=sentence)
        for sentence in lists.expiring(now):
            self.log.warn("{sentence}", event="crl-expires", sentence=sentence)
        expiry = lists.next_expiry(now)
        self._reported = lists
        self._report_due = min(seconds + DAY, expiry.timestamp() if expiry else float("inf"))
