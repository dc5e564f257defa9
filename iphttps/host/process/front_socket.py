"""The UNIX socket on which the server listens for a reverse proxy on the same host."""

from __future__ import annotations

import grp
import os
import socket
import stat
from pathlib import Path

from ...core.errors import ConfigError
from .unix import LONGEST, remove_dead

BACKLOG = 1024
"""Maximum connections waiting to be accepted."""


class FrontSocket:
    """A listening socket at a path, with mode 0600, or 0660 for a group; accept connections from `listening`."""

    def __init__(self, path: Path, group: str = "", user: int | None = None) -> None:
        """Listen at the path; the socket belongs to `user`.

        Raises:
            ConfigError: The socket cannot be created.
        """
        check(path, group)
        self.path = path
        self.listening = socket.socket(socket.AF_UNIX)
        owner = -1 if user is None else user, grp.getgrnam(group).gr_gid if group else -1
        try:
            if not remove_dead(path):
                self.listening.close()
                raise ConfigError(f"--uri: another program listens at {path}: stop it, or give another path")
            before = os.umask(0o117 if group else 0o177)  # no chmod later: the path may change meanwhile
            try:
                self.listening.bind(os.fspath(path))
            finally:
                os.umask(before)
            self._inode = os.lstat(path).st_ino
            if owner != (-1, -1):
                os.chown(path, *owner, follow_symlinks=False)
            self.listening.listen(BACKLOG)
            self.listening.setblocking(False)
        except OSError as error:
            self.close()
            hint = f": is the daemon's user a member of the group {group}?" if group else ""
            raise ConfigError(f"--uri: cannot listen at {path}: {error.strerror}{hint}") from error

    def close(self) -> None:
        """Stop listening and remove the socket, unless another process has replaced it."""
        self.listening.close()
        try:
            if os.lstat(self.path).st_ino == getattr(self, "_inode", None):
                self.path.unlink()
        except OSError:
            pass  # gone, or in a directory that this user cannot write: the next start replaces it


def check(path: Path, group: str = "") -> None:
    """Check beforehand whether a socket for a group can be created at a path.

    Raises:
        ConfigError: It cannot be created.
    """
    if len(os.fsencode(path)) > LONGEST:
        raise ConfigError(f"--uri: the path of the socket is too long: give one of at most {LONGEST} bytes")
    if group:
        try:
            grp.getgrnam(group)
        except KeyError as error:
            raise ConfigError(f"--socket-group: there is no group {group}") from error
    try:
        mode = path.parent.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise ConfigError(f"--uri: any user can replace a socket in {path.parent}: give another directory")
        if os.path.lexists(path) and not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise ConfigError(f"--uri: {path} already exists and is not a socket: give another path")
    except FileNotFoundError as error:
        raise ConfigError(f"--uri: there is no directory {path.parent}: create it, or give another path") from error
    except OSError as error:
        raise ConfigError(f"--uri: cannot listen at {path}: {error.strerror}") from error
