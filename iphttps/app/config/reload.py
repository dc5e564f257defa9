"""The effect of a reload, which reads the same command line and the same files again.

A reload with any error is rejected as a whole. It ends only the sessions that are no longer permitted: those whose
certificates are no longer valid, or all of them if the Authentication Mode changes (3.2.7.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar

from .daemon_config import DaemonConfig
from .kinds import OptionError
from .option import rows
from .options import DaemonOptions

Options = TypeVar("Options", bound=DaemonOptions)


@dataclass(frozen=True, slots=True)
class Changes:
    """The names of options with a new value or file content: applied now, or only by a restart."""

    now: tuple[str, ...]
    restart: tuple[str, ...]
    shown: Callable[[str], str] = field(default=str, compare=False)
    """Returns the text for an option, such as the file that it stands for."""

    def __str__(self) -> str:
        words = f"changed: {', '.join(map(self.shown, self.now)) or 'nothing'}"
        return f"{words}; restart to apply: {', '.join(self.restart)}" if self.restart else words


def file_options(config: DaemonConfig) -> list[str]:
    """Return the names of the options that name files read by the daemon."""
    return [row.name for row in rows(type(config)).values() if row.is_file]


def contents(config: DaemonConfig) -> dict[str, bytes]:
    """Return a digest of each configured file. Raises OptionError if one cannot be read."""
    return {name: content for name in file_options(config) if (content := digest(config, name))}


def digest(config: DaemonConfig, name: str) -> bytes | None:
    """Return a digest of the file named by an option, None if it is not set.

    Raises:
        OptionError: The file cannot be read.
    """
    path = config.path(name)
    try:
        return sha256(path.read_bytes()).digest() if path else None
    except OSError as error:
        raise OptionError(name, f"--{name}: cannot read {path}: {error.strerror}") from error


def different(before: DaemonConfig, after: DaemonConfig) -> set[str]:
    """Return the names of the options whose values differ."""
    table = rows(type(before)).values()
    return {row.name for row in table if getattr(before, row.field) != getattr(after, row.field)}


def keep_what_takes_a_restart(before: Options, after: Options) -> tuple[str, ...]:
    """Copy from `before` to `after` the options that need a restart; return the names of those that differ.

    Raises ConfigError if the result is inconsistent.
    """
    kept = {name for name in different(before.config, after.config) if not after.table[name].reload}
    for name in kept:
        after.keep(name, before)
    after.check()
    return tuple(sorted(kept))


def changed(
    before: DaemonConfig, files_before: dict[str, bytes], after: DaemonConfig, files_after: dict[str, bytes]
) -> tuple[str, ...]:
    """Return the names of the options whose values or file contents differ."""
    files = {name for name in {*files_before, *files_after} if files_before.get(name) != files_after.get(name)}
    return tuple(sorted(different(before, after) | files))
