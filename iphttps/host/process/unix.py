"""A listening UNIX socket private to one user: created, replaced if stale, removed at the end."""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
from pathlib import Path

from ...core.errors import ConfigError
from .opening import acting_as, inside, trusted

BACKLOG = 16
"""Maximum connections waiting to be accepted."""

LONGEST = 107
"""Maximum bytes of a socket's path (sun_path of unix(7), without the terminating zero)."""

_TAKEN = "{path} already exists and is not a socket: give --control another path"

_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): process, user, group


class PrivateSocket:
    """A listening socket at a path, with mode 0600; accept connections from `listening`.

    It belongs to the user that this process will change to, so it can be created before privileges are dropped.
    """

    def __init__(self, path: Path, user: int | None = None, group: int | None = None) -> None:
        """Listen at the path.

        Raises:
            ConfigError: The socket cannot be created, or another process listens there.
        """
        self.path = path
        self.listening = socket.socket(socket.AF_UNIX)
        owner = -1 if user is None else user, -1 if group is None else group
        try:
            _make_directory(path.parent, *owner)
            # In a directory that other users can change, act as the socket's user.
            safe = trusted(path.parent)
            _check_length(path)
            with inside(path.parent), acting_as(*((None, None) if safe else (user, group))):
                _make_room(path, Path(path.name))
                before = os.umask(0o177)  # so that no other user can ever connect
                try:
                    self.listening.bind(path.name)
                finally:
                    os.umask(before)
            if safe and owner != (-1, -1):  # a seccomp filter may forbid a needless call
                os.chown(path, *owner, follow_symlinks=False)
            self.listening.listen(BACKLOG)
            self.listening.setblocking(False)
            self._inode = os.lstat(path).st_ino
        except OSError as error:
            self.listening.close()
            raise ConfigError(refusal(path, error)) from error
        except ConfigError:
            self.listening.close()
            raise

    def close(self) -> None:
        """Stop listening and remove the socket, unless another process has replaced it."""
        self.listening.close()
        try:
            if os.lstat(self.path).st_ino == self._inode:
                self.path.unlink()
        except OSError:
            pass  # gone, or in a directory that this user cannot write: the next start replaces it


def refusal(path: Path, error: OSError) -> str:
    """Return the sentence for a socket that cannot be created."""
    return f"cannot make the control socket {path}: {_reason(path, error)}"


def check_place(path: Path) -> None:
    """Check beforehand whether a socket can be created at a path.

    Raises:
        ConfigError: It cannot be created.
    """
    if len(os.fsencode(path)) > LONGEST or not (path.parent.is_dir() or path.parent.parent.is_dir()):
        raise ConfigError(refusal(path, FileNotFoundError()))
    if path.exists() and not path.is_socket():
        raise ConfigError(_TAKEN.format(path=path))


def _reason(path: Path, error: OSError) -> str:
    """Return why a socket cannot be created at a path, and what to do if that is known."""
    if len(os.fsencode(path)) > LONGEST:
        return f"its path is too long: give --control one of at most {LONGEST} bytes"
    if isinstance(error, FileNotFoundError):
        if (above := path.parent.parent).is_dir():
            return f"the directory {path.parent} cannot be made: give --control a path in another one"
        return f"there is no directory {above}: make it, or give --control another path"
    return error.strerror or str(error)


def peer_user(connected: socket.socket) -> int:
    """Return the user id of the process at the other end of a connection (SO_PEERCRED)."""
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])


def _make_directory(directory: Path, user: int, group: int) -> None:
    """Create the directory if it is missing, as /run/iphttps is after each boot."""
    try:
        directory.mkdir(mode=0o755)
    except FileExistsError:
        return
    # The owner must be able to remove the socket, which takes write permission on the directory.
    if (user, group) != (-1, -1):
        os.chown(directory, user, group, follow_symlinks=False)


def remove_dead(path: Path, here: Path | None = None) -> bool:
    """Remove the stale socket of an ended daemon; tell whether the path is free.

    `here` is the same path relative to the current directory.

    Raises:
        ConfigError: The path exists and is not a socket.
        OSError: The socket cannot be inspected or removed.
    """
    here = here or path
    try:
        if not stat.S_ISSOCK(os.lstat(here).st_mode):
            raise ConfigError(f"{path} already exists and is not a socket: give --control another path")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            try:
                probe.connect(os.fspath(here))
            except BlockingIOError:
                return False  # its queue is full, so it is in use
            except ConnectionRefusedError:
                here.unlink()
                return True
    except FileNotFoundError:
        return True
    return False


def _check_length(path: Path) -> None:
    """Raise OSError if the path is too long to connect to, although a relative path could be listened on."""
    if len(os.fsencode(path)) > LONGEST:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))


def _make_room(path: Path, here: Path) -> None:
    """Remove the stale socket of an ended daemon; raise ConfigError if the path is in use."""
    if not remove_dead(path, here):
        raise ConfigError(f"another daemon answers on {path}: stop it, or give --control another path")
