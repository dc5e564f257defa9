"""Who owns what commands write: the daemons' user owns what the daemons must read in secret, or write."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from ...core.errors import ConfigError
from .paths import USER, Places


def demand_root(places: Places, command: str, what: str) -> None:
    """Raise ConfigError unless a command may write to this machine's own places."""
    if places.root == Path("/") and os.geteuid() != 0:
        raise ConfigError(f"`iphttps {command}` {what}: run it as root, for example by sudo")


def make_public_directory(path: Path) -> None:
    """Make a directory that everybody may look into, unless it is there; raises ConfigError."""
    try:
        path.mkdir(0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the directory {path}: {error.strerror}") from error


def give(places: Places, path: Path) -> None:
    """Give a file or a directory to the daemons' user, where there is one; raises ConfigError.

    Beneath another root nobody is known, and everything belongs to who runs the command.
    """
    if places.root != Path("/") or os.geteuid() != 0:
        return
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        return  # nobody has made it: then the daemons start as root
    try:
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    except OSError as error:
        raise ConfigError(f"cannot give {path} to the user {USER}: {error.strerror}") from error
