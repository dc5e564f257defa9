"""Renews the revocation list of our authority while the server runs, long before it expires."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.interfaces import IReactorTime

from ...core.errors import ConfigError
from ...core.http.document import Document
from ...net.log import logger
from ...net.stream.poller import Poller
from ...pki.atomic_files import Busy
from ...pki.authority.issuing import LIST_LIFETIME
from ...pki.authority.names import DOCUMENT
from ...pki.authority.store import Authority
from ...pki.revocation import Stamp, now_of
from .process.clock_step import boot_time
from .servers_list import COPY, KIND, servers_list

INTERVAL = 10.0
"""Seconds between two checks."""

RENEWED_AFTER = timedelta(days=7)
"""Age at which a list is renewed: if the new one cannot be written, the old one stays valid for weeks."""

JUMP = 60.0
"""Minimum difference in seconds between wall-clock and elapsed time that counts as a clock jump."""


class ListUpkeep(Poller):
    """Renews the list of one authority; `published` is called with each new one.

    This class only writes the file; `net/tls/revocation_watch.py` reads and enforces it. An error that prevents writing
    is logged once, and stays in `problem` while it lasts.
    """

    log = logger()

    def __init__(
        self,
        clock: IReactorTime,
        directory: Path,
        published: Callable[[tuple[Document, ...]], None],
        steady: Callable[[], float] = boot_time,
        day: Callable[[], float] = time.time,
    ) -> None:
        """Open the authority; raises ConfigError if it cannot be opened.

        `steady` and `day` both advance during suspend, so their difference changes only when the clock is set.
        """
        super().__init__(clock, INTERVAL)
        self._steady = steady
        self._day = day
        self._published = published
        self._stamp: Stamp | None = None
        self._copied: Stamp | None = None
        self._compared: tuple[Stamp, Stamp | None] | None = None
        self._offset: float | None = None
        self._in_use: set[int] = set()
        self.authority = Authority.open(directory, now=self._now, issues=False)
        self.current: x509.CertificateRevocationList | None = None
        self.problem: str | None = None

    def _now(self) -> datetime:
        return now_of(self._day())

    def look(self) -> None:
        """Renew the list if due, and publish it if the file has changed, even if another process wrote it."""
        self._note_jump()
        try:
            self._read()
            self._keep()
            self._read()
        except Busy:
            return  # a command holds the lock; the next check tries again
        except ConfigError as error:
            self._complain(str(error))
        else:
            self.problem = None

    def use(self, issuer: x509.Name, serial: int) -> None:
        """Record that a client has used this certificate, if our authority issued it."""
        if serial in self._in_use or issuer != self.authority.issuer.certificate.subject:
            return
        self._in_use.add(serial)
        try:
            self.authority.record_use(serial)
        except ConfigError as error:
            self._complain(str(error))

    def _read(self) -> None:
        stamp, copied = Stamp.of(self.authority.list_path), Stamp.of(self.authority.directory / COPY)
        if (stamp, copied) == (self._stamp, self._copied):
            return
        self.current = self.authority.current_list()
        others = servers_list(self.authority.directory)
        # The next check reads an unreadable list again.
        self._stamp, self._copied = None if self.current is None else stamp, copied
        if self.current is None:  # `not self.current` would include an empty list
            self._published(others)
        else:
            self._published((Document(DOCUMENT, KIND, self.current.public_bytes(Encoding.DER)), *others))

    def _keep(self) -> None:
        if not os.access(self.authority.directory, os.W_OK, effective_ids=True):
            raise ConfigError(
                f"cannot write to {self.authority.directory}, so the revocation list is not renewed: "
                "the server's user must own it"
            )
        if reason := self._reason():
            self.authority.write_list(patience=0)
            self.log.info("wrote {path}: {reason}", event="crl-written", path=self.authority.list_path, reason=reason)

    def _reason(self) -> str | None:
        """Return why a new list is due, or None."""
        current, now = self.current, self._now()
        if current is None or current.next_update_utc is None:
            return "there was no usable revocation list"
        if current.last_update_utc > now:
            return (
                f"the old one is not valid before {current.last_update_utc:%Y-%m-%d %H:%M} UTC; the clock was set back"
            )
        if current.next_update_utc <= now:
            return "the old one had expired"
        if current.next_update_utc - now < LIST_LIFETIME - RENEWED_AFTER:
            return "the old one was a week old"
        compared = Stamp.of(self.authority.certificates_path), self._stamp
        if compared == self._compared:  # skip the comparison: there may be many certificates
            return None
        if self.authority.missing_from(current):
            return "the old one lacks a revoked certificate"
        self._compared = compared
        return None

    def _note_jump(self) -> None:
        offset = self._day() - self._steady()
        before, self._offset = self._offset, offset
        if before is not None and abs(offset - before) > JUMP:
            self.log.warn(
                "the clock was set {way} by {seconds:.0f} seconds: certificates and lists are affected",
                event="clock-set",
                way="forward" if offset > before else "back",
                seconds=abs(offset - before),
            )

    def _complain(self, sentence: str) -> None:
        if sentence != self.problem:
            self.log.error("{sentence}", event="authority-problem", sentence=sentence)
        self.problem = sentence
