"""Files that hold a password: only their owner may read them, and they are read again for each attempt."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from ....core.errors import ConfigError

T = TypeVar("T")


class SecretFile(Generic[T]):
    """A file with a secret, read again for each attempt so that it can be corrected.

    `parse` returns the secret in the file's content, and raises ConfigError.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], T]) -> None:
        self._path = path
        self._parse = parse
        self._last: T | None = None

    def read(self) -> T:
        """Return the current secret in the file, or the last one if it is no longer valid; raises ConfigError."""
        try:
            self._last = self._read()
        except ConfigError:
            # The file may be half-written, or unreadable since `twistd` dropped privileges.
            if self._last is None:
                raise
        return self._last

    def _read(self) -> T:
        if reason := readable_by_others(self._path):
            raise ConfigError(f"{self._path} holds a password, and {reason}")
        try:
            content = self._path.read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot read {self._path}: {error.strerror}") from error
        return self._parse(content)


def readable_by_others(path: Path) -> str:
    """Return a sentence if users other than the owner can read a file; empty if not, or if the file does not exist."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return ""
    return f"its mode is {mode:04o}: make it 0600" if mode & 0o077 else ""
