"""The users file: TOML of mode 0600 with a table for each user.

    [alice]
    nt-hash = "878d8014606cda29677a44efa1353fc7"
    address = "10.99.0.7"
    max-rate = "20M"

    ["bob@example.org"]
    password = "secret"
    disabled = true

Only the NT hash of a password is kept in memory. For MS-CHAPv2 it is equivalent to the password, so only the file's
owner may have access to the file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from ...core.errors import ConfigError
from ...core.queues.rate import MaxRate
from ...core.sstp.ppp.mschapv2 import nt_password_hash
from ...core.sstp.ppp.user_names import LONGEST as LONGEST_NAME
from ...core.text import text_of
from ..config.rates import WANTED, max_rate
from ..config.tomlfile import Problem, TomlFile

LONGEST_PASSWORD = 256  # RFC 2759 section 8.3: a password of 0 to 256 characters
LARGEST_FILE = 16 * 1024 * 1024

KEYS = ("nt-hash", "password", "address", "address6", "max-rate", "disabled")

_HASH = re.compile(r"[0-9A-Fa-f]{32}")


@dataclass(frozen=True, slots=True)
class User:
    """A user, who may log in unless `disabled`, and the user's fixed addresses."""

    name: str
    nt_hash: bytes = field(repr=False)
    in_clear: bool = False
    """True if the file holds the cleartext password."""
    address: IPv4Address | None = None
    address6: IPv6Address | None = None
    disabled: bool = False
    max_rate: MaxRate | None = None
    """The user's maximum rate; None is the server's default."""


@dataclass(frozen=True, slots=True)
class Users:
    """The users of a file, in file order."""

    by_name: Mapping[str, User] = field(default_factory=dict)
    """Each user by the name's case-folded form."""

    def __len__(self) -> int:
        return len(self.by_name)

    def __iter__(self) -> Iterator[User]:
        """Iterate over the users."""
        return iter(self.by_name.values())

    def find(self, candidates: Iterable[str]) -> User | None:
        """Return the user of the first of these names that exists, ignoring case; None if there is none."""
        found = [user for name in candidates if (user := self.by_name.get(name.casefold()))]
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class UserChanges:
    """The names of the users whose sessions must end after a change of the file, by reason."""

    removed: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    password: tuple[str, ...] = ()
    """The users with a new password."""

    def __bool__(self) -> bool:
        """Return True if any session must end."""
        return bool(self.removed or self.disabled or self.password)


def changes(before: Users, after: Users) -> UserChanges:
    """Return the users whose sessions must end; a password replaced by its own hash is not a change."""
    removed, disabled, password = [], [], []
    for name, user in before.by_name.items():
        now = after.by_name.get(name)
        if now is None:
            removed.append(user.name)
        elif now.disabled and not user.disabled:
            disabled.append(user.name)
        elif now.nt_hash != user.nt_hash:
            password.append(user.name)
    return UserChanges(tuple(removed), tuple(disabled), tuple(password))


class UsersFile:
    """A users file, reread after a change."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises ConfigError."""
        self.path = path
        self._seen = _signature(path)
        self.users = read(path)

    def refresh(self, check: Callable[[Users], object] = len) -> UserChanges | None:
        """Reread the file if it has changed; return the users whose sessions must end, None without a change.

        If the file is invalid or missing, the users stay in force, and the error is raised once per change. `check`
        raises ConfigError to reject the users.

        Raises:
            ConfigError: The file has changed and cannot be used.
        """
        signature = _signature(self.path)
        if signature == self._seen:
            return None
        self._seen = signature
        after = read(self.path)
        check(after)
        before, self.users = self.users, after
        return changes(before, self.users)


def read(path: Path) -> Users:
    """Return the users of a file.

    Raises:
        ConfigError: The file cannot be read, or others can read it.
        Problem: Its content is invalid; the error names the line.
    """
    return parse(path, content(path))


def content(path: Path) -> bytes:
    """Return the content of the file if only its owner has access; raises ConfigError."""
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            if mode := stat.S_IMODE(about.st_mode) & 0o077:
                who = "everybody on this host" if mode & 0o007 else "its group"
                raise ConfigError(f"{path} holds passwords, and {who} has access to it: run `chmod 0600 {path}`")
            found = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist: `iphttps users add NAME` creates it") from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if len(found) > LARGEST_FILE:
        raise ConfigError(f"{path} is larger than {LARGEST_FILE >> 20} MB: it is not a users file")
    return found


def parse(path: Path, text: bytes) -> Users:
    """Return the users in the content of a file; raises Problem with the line of the mistake."""
    file = TomlFile.of(path, text)
    lines = text_of(text).split("\n")
    users: dict[str, User] = {}
    holders: dict[object, str] = {}
    for name, table in file.values.items():
        place = _Place(path, name, file.lines.get(name), lines)
        if reason := wrong_name(name):
            raise place.problem(f"not a user name: {reason}")
        if not isinstance(table, dict):
            raise place.problem(f'is not a table: write [{name}], and below it nt-hash = "..."')
        user = _user(place, table)
        if other := users.get(name.casefold()):
            raise place.problem(f"is the same user as {other.name}, because case is ignored: remove one")
        users[name.casefold()] = user
        for key, address in (("address", user.address), ("address6", user.address6)):
            if address and (holder := holders.setdefault(address, name)) != name:
                raise place.problem(f"{address} is already the address of {holder}", key)
    return Users(users)


def wrong_name(name: str) -> str | None:
    """Return the reason why this is not a valid user name, or None if it is valid."""
    if not name or not name.isprintable() or name != name.strip():
        return "it must consist of printable characters, without a space before or after them"
    if len(name.encode("utf-8")) > LONGEST_NAME:
        return f"it must have at most {LONGEST_NAME} bytes"
    return None


def wrong_password(password: str) -> str | None:
    """Return the reason why this is not a valid password, or None if it is valid."""
    if not password:
        return "it must not be empty"
    if len(password.encode("utf-16-le", "surrogatepass")) > 2 * LONGEST_PASSWORD:
        return f"it must have at most {LONGEST_PASSWORD} characters"
    return None


@dataclass(frozen=True, slots=True)
class _Place:
    """The position of a user's table in the file."""

    path: Path
    name: str
    line: int | None
    lines: list[str]

    def problem(self, sentence: str, key: str | None = None) -> Problem:
        """Return an error with the line of a key in the table, or of the table."""
        named = f"{self.name}.{key}" if key else self.name
        return Problem(f"user {self.name!r}: {sentence}", named, self.path, self._line_of(key) if key else self.line)

    def _line_of(self, key: str) -> int | None:
        if self.line is None:
            return None
        written = re.compile(rf"""\s*(?:{re.escape(key)}|"{re.escape(key)}"|'{re.escape(key)}')\s*[=.]""")
        for number, line in enumerate(self.lines[self.line :], self.line + 1):
            if line.lstrip().startswith("["):
                break
            if written.match(line):
                return number
        return self.line


def _user(place: _Place, table: Mapping[str, Any]) -> User:
    for key in table:
        if key not in KEYS:
            raise place.problem(f"unknown key {key!r}: the keys are {', '.join(KEYS)}", key)
    again = f"`iphttps users passwd {place.name}` sets a new password"
    if len({"nt-hash", "password"} & table.keys()) != 1:
        raise place.problem(f"it must have either nt-hash or password: {again}")
    if "password" in table:
        # Error messages never quote a secret.
        password = table["password"]
        reason = wrong_password(password) if isinstance(password, str) else "it must be a string"
        if reason:
            raise place.problem(f"password: {reason}", "password")
        nt_hash = nt_password_hash(password)
    else:
        if not isinstance(table["nt-hash"], str) or not _HASH.fullmatch(table["nt-hash"]):
            raise place.problem(f"nt-hash must be a string of 32 hexadecimal digits: {again}", "nt-hash")
        nt_hash = bytes.fromhex(table["nt-hash"])
    disabled = table.get("disabled", False)
    if not isinstance(disabled, bool):
        raise place.problem("disabled must be true or false, without quotes", "disabled")
    return User(
        place.name,
        nt_hash,
        "password" in table,
        _address(place, table, "address", IPv4Address, "an IPv4 address, such as 10.99.0.7"),
        _address(place, table, "address6", IPv6Address, "an IPv6 address, such as 2001:db8:3::7"),
        disabled,
        _max_rate(place, table),
    )


def _address(place: _Place, table: Mapping[str, Any], key: str, kind: type[Any], right: str) -> Any:
    value = table.get(key)
    try:
        if isinstance(value, str):
            return kind(value)
    except AddressValueError:
        value = ""
    if value is not None:
        raise place.problem(f"{key} must be {right}, in quotes", key)
    return None


def _max_rate(place: _Place, table: Mapping[str, Any]) -> MaxRate | None:
    try:
        return max_rate(table["max-rate"]) if "max-rate" in table else None
    except ValueError as error:
        raise place.problem(f"max-rate must be {WANTED}", "max-rate") from error


def _signature(path: Path) -> tuple[int, ...] | None:
    """Return a fingerprint that changes with the file's content, mode or owner; None if the file is missing."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
