"""The configured user database of SSTP: a file, or RADIUS servers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from twisted.internet.defer import Deferred

from ...core.errors import ConfigError
from ...core.ip.address import IPAddress
from ...core.sstp.ppp.server import Credentials
from ...net.interfaces import IReactor
from ...net.log import logger
from ...net.sstp.login import Denied, Granted
from ..config.secrets.key_exposure import exposed
from ..config.sstp_options import SSTPOptions
from .logins import FileLogins
from .users_file import User, Users, UsersFile

__all__ = ["Database", "open_logins"]

_log = logger()


class Database(Protocol):
    """The user database, as the service and the daemon use it.

    `ended` is called with a user's name and the reason for ending the user's sessions. `problem` is a sentence that
    names the problem with the database, or None. `finished` fires after `stop`, when all work is done.
    """

    ended: Callable[[str, str], None]
    finished: Deferred[None]

    @property
    def users(self) -> Users | Sequence[User]: ...
    @property
    def problem(self) -> str | None: ...
    def check(self, credentials: Credentials, address: IPAddress | None) -> Deferred[Granted | Denied]: ...
    def look(self) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


def open_logins(reactor: IReactor, config: SSTPOptions) -> Database:
    """Open the configured database.

    Raises:
        ConfigError: A file cannot be read or is invalid, or the port for requests of RADIUS servers cannot be opened.
    """
    if config.sstp_radius and config.sstp_radius_secret:
        from .radius import RadiusLogins  # its library is optional
        from .radius_exchange import Server

        return RadiusLogins(
            reactor,
            [Server(each.address, each.port) for each in config.sstp_radius],
            _secret(config.sstp_radius_secret),
            disconnect_port=config.sstp_radius_disconnect,
        )
    if config.sstp_users is None:
        raise ConfigError("--sstp-users or --sstp-radius is missing: SSTP needs users")
    return FileLogins(reactor, UsersFile(config.sstp_users))


def _secret(path: Path) -> bytes:
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"--sstp-radius-secret {path} cannot be read: {error.strerror}") from error
    if not secret or b"\n" in secret:
        raise ConfigError(f"--sstp-radius-secret {path} must hold the secret in one line")
    if warning := exposed(path):
        _log.warn("{sentence}", event="secret-exposed", sentence=warning)
    return secret
