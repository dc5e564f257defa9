"""Keeps the revocation lists fresh: reads their file again when it changes, and warns before they expire."""

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
"""Seconds between two looks at the file; within it, a session whose certificate is revoked ends."""

DAY = 24 * 60 * 60.0


class RevocationWatch(Poller):
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
        self._same: Stamp | None = None
        self.problem: str | None = None
        """Why what the file holds now is not in force, if it is not."""
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
        """Take what the file holds, if it has changed, and warn if it is time to.

        A file that cannot be taken is tried again at each look, for what is wrong may pass without a change of the
        file: a date ahead of the clock, or no descriptor free.
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
            "{path} is read again: {count} certificates are revoked",
            event="crl-read",
            path=lists.path,
            count=lists.count,
        )
        for sentence in lists.older:
            self.log.warn("{sentence}, and taken all the same", event="crl-older", sentence=sentence)
        return lists

    def _report(self, lists: RevocationLists) -> None:
        """Warn of lists that have expired or soon will; the next time in a day, or when one expires."""
        seconds = self._report_made = self._day()  # set back before it, another is due
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
