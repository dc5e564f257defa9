"""A listening UNIX socket that is one user's own: made, a dead one replaced, removed at the end."""

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
"""Connections that may wait to be accepted."""

LONGEST = 107
"""Bytes that a socket's path may have (sun_path of unix(7), without the zero at its end)."""

_TAKEN = "{path} is there already and is no socket: give --control another path"

_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): process, user, group


class PrivateSocket:
    """A socket that listens at a path, with mode 0600; `listening` is to be accepted from.

    The owner is the user that this process is going to be, so it can be made before privileges are given up.
    """

    def __init__(self, path: Path, user: int | None = None, group: int | None = None) -> None:
        """Listen at the path; raises ConfigError if that cannot be, above all if somebody listens there already."""
        self.path = path
        self.listening = socket.socket(socket.AF_UNIX)
        owner = -1 if user is None else user, -1 if group is None else group
        try:
            _make_directory(path.parent, *owner)
            # In a directory that others can change, what is removed and made is so as the user that it is to be.
            safe = trusted(path.parent)
            _check_length(path)
            with inside(path.parent), acting_as(*((None, None) if safe else (user, group))):
                _make_room(path, Path(path.name))
                before = os.umask(0o177)  # so that at no time anybody else can connect
                try:
                    self.listening.bind(path.name)
                finally:
                    os.umask(before)
            if safe and owner != (-1, -1):  # a filter of system calls may forbid to call it for nothing
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
        """Stop listening and remove the socket, unless somebody else's is there by now."""
        self.listening.close()
        try:
            if os.lstat(self.path).st_ino == self._inode:
                self.path.unlink()
        except OSError:
            pass  # gone already, or in a directory that is not ours to write: the next start replaces it


def refusal(path: Path, error: OSError) -> str:
    """Return the sentence for a socket that cannot be made."""
    return f"cannot make the control socket {path}: {_reason(path, error)}"


def check_place(path: Path) -> None:
    """Raise ConfigError if it can be seen beforehand that there can be no socket at a path."""
    if len(os.fsencode(path)) > LONGEST or not (path.parent.is_dir() or path.parent.parent.is_dir()):
        raise ConfigError(refusal(path, FileNotFoundError()))
    if path.exists() and not path.is_socket():
        raise ConfigError(_TAKEN.format(path=path))


def _reason(path: Path, error: OSError) -> str:
    """Say why there can be no socket at a path, and what to do where that is known."""
    if len(os.fsencode(path)) > LONGEST:
        return f"its path is too long: give --control one of at most {LONGEST} bytes"
    if isinstance(error, FileNotFoundError):
        if (above := path.parent.parent).is_dir():
            return f"the directory {path.parent} cannot be made: give --control a path in another one"
        return f"there is no directory {above}: make it, or give --control another path"
    return error.strerror or str(error)


def peer_user(connected: socket.socket) -> int:
    """Return the user who is at the other end of a connection, as the kernel noted it (SO_PEERCRED)."""
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])


def _make_directory(directory: Path, user: int, group: int) -> None:
    """Make the directory if it is missing, as it is for /run/iphttps after each boot."""
    try:
        directory.mkdir(mode=0o755)
    except FileExistsError:
        return
    # The socket is to be removed by its owner, which takes a directory of his own.
    if (user, group) != (-1, -1):
        os.chown(directory, user, group, follow_symlinks=False)


def remove_dead(path: Path, here: Path | None = None) -> bool:
    """Remove the socket of a daemon that is dead; return whether nobody listens there.

    `here` is the same path from where this process is.

    Raises ConfigError if something else is there, and OSError if it cannot be looked at or removed.
    """
    here = here or path
    try:
        if not stat.S_ISSOCK(os.lstat(here).st_mode):
            raise ConfigError(f"{path} is there already and is no socket: give --control another path")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            try:
                probe.connect(os.fspath(here))
            except BlockingIOError:
                return False  # its queue is full, so it lives
            except ConnectionRefusedError:
                here.unlink()
                return True
    except FileNotFoundError:
        return True
    return False


def _check_length(path: Path) -> None:
    """Raise OSError where nobody could connect: below its directory a longer path could be listened at."""
    if len(os.fsencode(path)) > LONGEST:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))


def _make_room(path: Path, here: Path) -> None:
    """Remove the socket of a dead daemon; raises ConfigError if something else is there."""
    if not remove_dead(path, here):
        raise ConfigError(f"another daemon answers on {path}: stop it, or give --control another path")
