"""Renames a file that has the path of a state file but is not one."""

from __future__ import annotations

import errno
from pathlib import Path

from ...core.errors import ConfigError

SUFFIX = ".unreadable"
"""Suffix of the new name."""

MOST = 10
"""Maximum number of names tried."""

_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.ENOTDIR)


def set_aside(path: Path) -> Path:
    """Rename the file or directory at a path, and return its new name.

    A file replaces an earlier one of the same name; a directory cannot, and gets a number.

    Raises:
        ConfigError: It cannot be renamed.
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
