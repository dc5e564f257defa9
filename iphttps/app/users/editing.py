"""Edits of the users file that preserve everything else in it, comments included.

Only the lines of one user's table change. The new content is parsed before it is written; if the result is not the
expected users, because the file uses another TOML syntax, the file stays unchanged.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from ...core.errors import ConfigError
from ...core.queues.rate import MaxRate
from ...core.sstp.ppp.mschapv2 import nt_password_hash
from ...core.text import text_of
from ...pki import atomic_files
from ..config.rates import written
from ..config.tomlfile import key_lines
from . import users_file
from .users_file import User, Users

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SECRET = re.compile(r"""\s*["']?(?:nt-hash|password)["']?\s*=""")


def add(
    path: Path,
    name: str,
    password: str,
    address: IPv4Address | None = None,
    address6: IPv6Address | None = None,
    max_rate: MaxRate | None = None,
) -> None:
    """Add a user, and create the file if it is missing. Raises ConfigError."""
    user = User(name, nt_password_hash(checked_password(password)), False, address, address6, False, max_rate)
    check_new(path, name)
    if not path.exists():
        atomic_files.create(path, b"", atomic_files.PRIVATE)
    with _locked(path):
        check_new(path, name)
        users, text = _read(path)
        header = name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)
        lines = [f"[{header}]", _secret(user)]
        lines += [f'address = "{address}"'] if address else []
        lines += [f'address6 = "{address6}"'] if address6 else []
        lines += [f'max-rate = "{written(max_rate.up)}"'] if max_rate is not None else []
        before = text.rstrip("\n") + "\n\n" if text.strip() else ""
        expected = Users({**users.by_name, name.casefold(): user})
        _write(path, before + "\n".join(lines) + "\n", expected)


def set_password(path: Path, name: str, password: str) -> None:
    """Give a user a new password. Raises ConfigError."""
    nt_hash = nt_password_hash(checked_password(password))

    def changed(user: User, table: list[str]) -> list[str]:
        line = _secret(replace(user, nt_hash=nt_hash))
        return [line if _SECRET.match(each) else each for each in table]

    _change(path, name, changed, lambda user: replace(user, nt_hash=nt_hash, in_clear=False))


def remove(path: Path, name: str) -> None:
    """Remove a user. Raises ConfigError."""
    _change(path, name, lambda user, table: _comments_after(table), lambda user: None)


def check_new(path: Path, name: str) -> None:
    """Check that a user of this name can be added; raises ConfigError."""
    if reason := users_file.wrong_name(name):
        raise ConfigError(f"{name!r} is not a user name: {reason}")
    if path.exists() and (known := users_file.read(path).by_name.get(name.casefold())):
        raise ConfigError(f"{path} already has a user {known.name}: `iphttps users passwd` sets a new password")


def check_known(path: Path, name: str) -> User:
    """Return the user of this name; raises ConfigError if there is none."""
    user = users_file.read(path).by_name.get(name.casefold())
    if user is None:
        raise ConfigError(f"{path} has no user {name}: `iphttps users list` lists its users")
    return user


def checked_password(password: str) -> str:
    """Return the password; raises ConfigError if it is not valid."""
    if reason := users_file.wrong_password(password):
        raise ConfigError(f"not a password: {reason}")
    return password


def _change(
    path: Path,
    name: str,
    table_of: Callable[[User, list[str]], list[str]],
    user_of: Callable[[User], User | None],
) -> None:
    check_known(path, name)
    with _locked(path):
        user = check_known(path, name)
        users, text = _read(path)
        lines = text.split("\n")
        starts = sorted(key_lines(text).values())
        start = key_lines(text)[user.name]
        end = next((other for other in starts if other > start), len(lines) + 1)
        lines[start - 1 : end - 1] = table_of(user, lines[start - 1 : end - 1])
        expected = {key: user_of(each) if each == user else each for key, each in users.by_name.items()}
        _write(path, "\n".join(lines), Users({key: each for key, each in expected.items() if each}))


def _comments_after(table: list[str]) -> list[str]:
    """Return the lines after a table's last key: blank lines, and comments on the next table."""
    last = max(number for number, line in enumerate(table) if line.strip() and not line.lstrip().startswith("#"))
    left = table[last + 1 :]
    return left[1:] if left and not left[0].strip() else left


def _secret(user: User) -> str:
    return f'nt-hash = "{user.nt_hash.hex()}"'


def _read(path: Path) -> tuple[Users, str]:
    content = users_file.content(path)
    return users_file.parse(path, content), text_of(content).replace("\r\n", "\n")


def _write(path: Path, text: str, expected: Users) -> None:
    content = f"{text.strip(chr(10))}\n".encode() if text.strip() else b""
    try:
        said = users_file.parse(path, content)
    except ConfigError:
        said = None
    if said != expected:
        raise ConfigError(f"{path}: this user is not written as a [table] with one key per line: change it by hand")
    before = path.stat()
    atomic_files.write(path, content, atomic_files.PRIVATE)
    if os.geteuid() == 0 and (before.st_uid, before.st_gid) != (0, 0):
        os.chown(path, before.st_uid, before.st_gid, follow_symlinks=False)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock on the file, so that concurrent commands do not lose changes."""
    try:
        descriptor = _lock(path)
    except OSError as error:
        raise ConfigError(f"cannot open {path}: {error.strerror}") from error
    try:
        yield
    finally:
        os.close(descriptor)  # releases the lock


def _lock(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Another command may have replaced the file during the wait.
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
        os.close(descriptor)
