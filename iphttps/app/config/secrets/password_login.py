"""The user and password of the SSTP client: the source of the password, and the conditions for withholding it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ....core.errors import ConfigError
from ....core.login_lockout import PAUSE, LoginLockout
from ....core.sstp.ppp.mschapv2 import nt_password_hash
from ....core.text import text_of
from ...users.users_file import wrong_password
from ..sstp_client_config import SSTPClientConfig
from .secret_file import SecretFile

__all__ = ["PASSWORD", "LoginWithheldError", "PasswordLogin", "UserPassword", "checked_password"]

PASSWORD = "IPHTTPS_SSTP_PASSWORD"
"""The environment variable that holds the password."""


@dataclass(frozen=True, slots=True)
class UserPassword:
    """A user and the password; neither appears in its repr."""

    user: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def nt_hash(self) -> bytes:
        """The NT hash of the password, the key of MS-CHAPv2 (RFC 2759 section 8.3)."""
        return nt_password_hash(self.password)


class LoginWithheldError(ConfigError):
    """The login is not sent to the server, because it or other servers have rejected it."""


class PasswordLogin:
    """The user's login for servers, and the record of the servers that have rejected it.

    `source` returns the current password. The URI identifies a server. A rejected login is not sent to that server for
    15 minutes, and to no server once two have rejected it: they may use the same directory, which locks accounts. A new
    password is sent at once.
    """

    def __init__(self, user: str, source: Callable[[], str], pause: float = PAUSE) -> None:
        self._user = user
        self._source = source
        self._lockout: LoginLockout[str, UserPassword] = LoginLockout(pause)

    @classmethod
    def configured(cls, config: SSTPClientConfig, environment: Mapping[str, str] = os.environ) -> PasswordLogin:
        """Return the login of a configuration, from the password file or the environment.

        Raises:
            ConfigError: There is no password, or the file cannot be read or is invalid.
        """
        source = password_source(config.file("password-file"), environment)
        source()
        return cls(config.user, source)

    def login(self, server: str, now: float) -> UserPassword:
        """Return the login for an attempt.

        Raises:
            LoginWithheldError: It has been rejected and must not be sent now.
        """
        login = UserPassword(self._user, self._source())
        if waiting := self._lockout.remaining(server, login, now):
            who = "the server has" if self._lockout.has_rejected(server, login) else "other servers have"
            raise LoginWithheldError(
                f"{who} rejected the user or the password, which is not sent for {max(waiting / 60, 1):.0f} minutes, or"
                " until it changes, so that the account is not locked"
            )
        return login

    def rejected(self, server: str, login: UserPassword, now: float) -> None:
        """Note that a server has rejected a login."""
        self._lockout.rejected(server, login, now)

    def accepted(self, server: str) -> None:
        """Note that a server has accepted the login."""
        self._lockout.accepted(server)


def password_source(path: Path | None, environment: Mapping[str, str] = os.environ) -> Callable[[], str]:
    """Return a function that returns the current password: from a file, or else from the environment.

    The function raises ConfigError if the file cannot be used.

    Raises:
        ConfigError: There is neither a file nor a password in the environment.
    """
    if path:
        return SecretFile(path, partial(_read, path)).read
    if PASSWORD not in environment:
        raise ConfigError(f"the password is missing: give --password-file, or set {PASSWORD} in the environment")
    password = checked_password(environment[PASSWORD], PASSWORD)
    return lambda: password


def checked_password(text: str, source: str) -> str:
    """Return the password if it is valid; raises ConfigError, whose sentence begins with `source`."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # The error may quote the password.
        raise ConfigError(f"{source} holds no password: it must be UTF-8") from None
    if reason := wrong_password(text):
        raise ConfigError(f"{source} holds no password: {reason}")
    return text


def _read(path: Path, content: bytes) -> str:
    try:
        text = text_of(content)
    except UnicodeDecodeError:
        # The error may quote the password.
        raise ConfigError(f"{path} is not UTF-8: it must hold the password in one line") from None
    lines = text.splitlines()
    if len(lines) != 1:
        raise ConfigError(f"{path} must hold the password in one line")
    return checked_password(lines[0], str(path))
