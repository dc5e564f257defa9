"""Keeps the server's certificate fresh: reads it and its key again when their files change, whoever writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from twisted.internet.interfaces import IReactorTime

from ...core.errors import ConfigError
from ...pki.certificates import UNREADABLE, Credentials, subject
from ...pki.revocation import Stamp
from ..log import logger
from ..stream.poller import Poller
from .contexts import ServerTLS

INTERVAL = 2.0
"""Seconds between two looks at the files."""

Paths = tuple[Path, Path]
"""Where the certificate is, and where its key."""


class CredentialsWatch(Poller):
    """Watches the files, also through symbolic links that are swapped, as programs for ACME do.

    The two cannot change at the same moment. So a pair that does not fit may only be half written: it is looked at
    once more before anything is said, and what was read before stays in force in any case. A pair that cannot serve is
    tried again at each look. No session ends by it.
    """

    log = logger()

    def __init__(
        self, clock: IReactorTime, tls: ServerTLS, paths: Callable[[], Paths], interval: float = INTERVAL
    ) -> None:
        super().__init__(clock, interval)
        self._tls = tls
        self._paths = paths
        self._settled: tuple[Stamp, ...] = ()
        self._doubted: tuple[Stamp, ...] = ()
        self.problem: str | None = None
        """Why what the files hold now is not in force, if it is not."""

    def look(self) -> None:
        """Take what the files hold, if they have changed."""
        paths = self._paths()
        stamps = tuple(map(Stamp.of, paths))  # before reading: what is written meanwhile shows as another change
        if stamps == self._settled:
            self.problem = None
            return
        try:
            self._take(Credentials.load(*paths), paths[0])
        except (ConfigError, *UNREADABLE) as error:
            if stamps != self._doubted:
                self._doubted = stamps
            elif str(error) != self.problem:
                self.problem = str(error)
                self.log.error(
                    "{error}; the certificate read before stays in force", event="certificate-kept", error=self.problem
                )
            return
        self._settled, self.problem = stamps, None

    def _take(self, fresh: Credentials, path: Path) -> None:
        settings = self._tls.settings
        if fresh.chain == settings.credentials.chain:
            return
        self._tls.change(replace(settings, credentials=fresh))
        self.log.info(
            "{path} is read again: clients are now shown the certificate of {subject} until {end:%Y-%m-%d}",
            event="certificate-read",
            path=path,
            subject=subject(fresh.chain[0]),
            end=fresh.chain[0].not_valid_after_utc,
        )
