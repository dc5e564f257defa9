"""Reload of the server's certificate and key when their files change."""

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
"""Seconds between two checks of the files."""

Paths = tuple[Path, Path]
"""The paths of the certificate and of its key."""


class CredentialsWatch(Poller):
    """A poller of the certificate and key files, also behind symbolic links that are replaced, as by ACME clients.

    The two files cannot change at the same moment, so a pair that does not match may be half written: it is checked
    once more before an error is logged. Until the new pair can be used, the old one stays in force; an unusable pair is
    tried again at every check. Sessions are not affected.
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
        """The reason why the files' present content is not in force, or None."""

    def look(self) -> None:
        """Load the files if they have changed."""
        paths = self._paths()
        stamps = tuple(map(Stamp.of, paths))  # before reading, so that a concurrent write shows as another change
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
            "{path} reloaded: new connections use the certificate of {subject}, valid until {end:%Y-%m-%d}",
            event="certificate-read",
            path=path,
            subject=subject(fresh.chain[0]),
            end=fresh.chain[0].not_valid_after_utc,
        )
