"""Moves out of the way what lies in the place of a state file and is none."""

from __future__ import annotations

import errno
from pathlib import Path

from ...core.errors import ConfigError

SUFFIX = ".unreadable"
"""What is appended to the name, so that it is in nobody's way and can be looked at."""

MOST = 10
"""How many names are tried."""

_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.ENOTDIR)


def set_aside(path: Path) -> Path:
    """Rename what lies at a path, and return its new name; raises ConfigError.

    A file takes the place of the one before; a directory cannot, and gets a number.
    """
    aside = path.with_name(path.name + SUFFIX)
    for number in range(1, MOST + 1):
        try:
            path.replace(aside)
        except OSError as error:
            if number == MOST or error.errno not in _TAKEN:
                raise ConfigError(f"cannot rename {path} to {aside}: {error.strerror}; move it away") from error
            aside = path.with_name(f"{path.name}{SUFFIX}.{number}")
        else:
            break
    return aside
