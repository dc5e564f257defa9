"""Reload of revocation lists when their file has changed, for server and client."""

from __future__ import annotations

from collections.abc import Callable

from ...core.errors import ConfigError
from ...pki.revocation import RevocationLists, Stamp, now_of
from ..log import logger


class RevocationReload:
    """Puts the lists of a changed file in force; if they cannot be used, the previous ones stay in force.

    An unusable file is tried again at each check, because the cause may disappear without a change of the file, such as
    a date ahead of the clock or a lack of file descriptors.
    """

    log = logger()

    def __init__(self, day: Callable[[], float], use: Callable[[RevocationLists], None]) -> None:
        """`day` returns wall-clock time, which the lists must cover; `use` enforces lists, or raises ConfigError."""
        self._day = day
        self._use = use
        self._same: Stamp | None = None
        self.problem: str | None = None
        """The reason why the file's present lists are not in force, or None."""

    def look(self, old: RevocationLists) -> RevocationLists:
        """Check the file of the lists in force, and return the lists in force afterwards."""
        stamp = Stamp.of(old.path)
        if stamp in (old.stamp, self._same):
            self.problem = None
            return old
        try:
            lists = old.reload(now_of(self._day()))
            if unchanged := lists.lists == old.lists:
                lists = old
            else:
                self._use(lists)
        except ConfigError as error:
            if str(error) != self.problem:
                self.problem = str(error)
                self.log.error(
                    "{error}; the revocation lists read before stay in force", event="crl-kept", error=self.problem
                )
            return old
        self._same = stamp
        before, self.problem = self.problem, None
        if not unchanged or before is not None:
            self._report(lists)
        return lists

    def _report(self, lists: RevocationLists) -> None:
        self.log.info(
            "{path} reloaded: {count} {noun} revoked",
            event="crl-read",
            path=lists.path,
            count=lists.count,
            noun="certificate" if lists.count == 1 else "certificates",
        )
        for sentence in lists.older:
            self.log.warn("{sentence}; accepted because of allow-older-crl", event="crl-older", sentence=sentence)
