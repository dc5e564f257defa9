"""Owners of files that commands write: the daemons' user owns secrets that they read, and files that they write."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from ...core.errors import ConfigError
from .paths import USER, Places


def demand_root(places: Places, command: str, what: str) -> None:
    """Check that a command may write to this machine's own directories.

    Raises:
        ConfigError: The root is / and the user is not root.
    """
    if places.root == Path("/") and os.geteuid() != 0:
        raise ConfigError(f"`iphttps {command}` {what}: run it as root, for example with sudo")


def make_public_directory(path: Path) -> None:
    """Create a world-readable directory unless it exists; raises ConfigError."""
    try:
        path.mkdir(0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot create the directory {path}: {error.strerror}") from error


def give(places: Places, path: Path) -> None:
    """Make the daemons' user, if it exists, the owner of a file or directory; raises ConfigError.

    Below another root the users are unknown, and files keep the owner that runs the command.
    """
    if places.root != Path("/") or os.geteuid() != 0:
        return
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        return  # without this user the daemons run as root
    try:
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    except OSError as error:
        raise ConfigError(f"cannot make {USER} the owner of {path}: {error.strerror}") from error
