"""Logins against the users file: the limits on failures, and the end of sessions whose users have changed."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from ...core.errors import ConfigError
from ...core.ip.address import IPAddress
from ...core.login_limits import TOO_MANY, LoginLimiter
from ...core.sstp.crypto_binding import NO_HLAK, server_hlak
from ...core.sstp.ppp.chap import FailureCode
from ...core.sstp.ppp.pap import AuthenticateRequest
from ...core.sstp.ppp.server import Credentials
from ...core.sstp.ppp.user_names import without_domain
from ...core.text import ascii_only
from ...net.log import logger
from ...net.sstp.login import Denied, Granted
from ...net.stream.poller import Poller
from . import verdict
from .users_file import UserChanges, Users, UsersFile, changes

__all__ = ["FileLogins"]

INTERVAL = 2.0
"""Seconds between two checks of the file; it is also checked at each login."""


class FileLogins(Poller):
    """Checks logins against a users file, which is reread after a change.

    `ended` is called with a user's name and the reason for ending the user's sessions, `changed` with the users of a
    changed file before they take effect; it raises ConfigError to reject them.
    """

    log = logger()

    def __init__(self, clock: IReactorTime, file: UsersFile) -> None:
        super().__init__(clock, INTERVAL)
        self.file = file
        self.ended: Callable[[str, str], None] = _nothing
        self.changed: Callable[[Users], object] = _nothing
        self.finished = succeed(None)
        self.problem: str | None = None
        """The error in the changed file, which is not in force; None if there is none."""
        self._clock = clock
        self._limiter = LoginLimiter()

    @property
    def users(self) -> Users:
        """The users in force."""
        return self.file.users

    def look(self) -> None:
        """Reread the file if it has changed, and end the sessions of removed and changed users."""
        try:
            ended = self.file.refresh(self.changed)
        except ConfigError as error:
            self.problem = str(error)
            self.log.error("{error}; the users read before stay in force", event="users-kept", error=str(error))
            return
        if ended is None:
            return
        self.problem = None
        self.log.info("{path} reloaded: {count} users", event="users-read", path=self.file.path, count=len(self.users))
        self._end(ended)

    def replace(self, file: UsersFile) -> None:
        """Switch to another file, or to the same file read again; the caller has checked its users."""
        self.changed(file.users)
        before, self.file, self.problem = self.users, file, None
        self._end(changes(before, file.users))

    def _end(self, changes: UserChanges) -> None:
        for names, reason in (
            (changes.removed, "the user was removed"),
            (changes.disabled, "the user was disabled"),
            (changes.password, "the user has a new password"),
        ):
            for name in names:
                self.ended(name, reason)

    def check(self, credentials: Credentials, address: IPAddress | None) -> Deferred[Granted | Denied]:
        """Check credentials against the file, delayed after repeated failures of this user or source."""
        self.look()
        name = credentials.name if isinstance(credentials, AuthenticateRequest) else credentials.response.name
        turn = self._limiter.book(_plain(name), address, self._clock.seconds())
        if turn is None:
            return succeed(Denied(FailureCode.AUTHENTICATION_FAILURE, f"{ascii_only(name[:100])!r}: {TOO_MANY}"))
        if not turn.wait:
            return succeed(self._judge(credentials, name, address))

        def cancel(found: object) -> None:
            due.cancel()
            self._limiter.cancel(turn)

        found: Deferred[Granted | Denied] = Deferred(cancel)
        due = self._clock.callLater(turn.wait, lambda: found.callback(self._judge(credentials, name, address)))
        return found

    def _judge(self, credentials: Credentials, name: bytes, address: IPAddress | None) -> Granted | Denied:
        if isinstance(credentials, AuthenticateRequest):
            result = verdict.of_pap(self.users, credentials)
        else:
            result = verdict.of_mschapv2(self.users, credentials.challenge, credentials.response)
        now = self._clock.seconds()
        if isinstance(result, verdict.Rejected):
            self._limiter.failed(_plain(name), address, now)
            return Denied(result.code, f"{ascii_only(name[:100])!r}: the name or the password is wrong")
        self._limiter.succeeded(_plain(name), address)
        proof = result.proof
        hlak = server_hlak(proof.keys.send, proof.keys.receive) if proof else NO_HLAK
        return Granted(result.user.name, proof.success if proof else b"", hlak, result.user.address)


def _plain(name: bytes) -> bytes:
    """Return the name without domain and realm, so that all forms count as one user."""
    bare = without_domain(name)
    return bare.rpartition(b"@")[0] or bare


def _nothing(*arguments: object) -> None:
    """Do nothing."""
