"""Opens files in other users' directories without following their symbolic links and without root's privileges."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def trusted(directory: Path) -> bool:
    """Tell whether only root and this process's user can change a directory's path and its contents.

    Raises:
        OSError: The directory cannot be inspected.
    """
    ours = 0, os.geteuid()
    if directory.stat().st_mode & stat.S_IWOTH:
        return False
    for start in (directory.absolute(), directory.resolve()):
        for each in (start, *start.parents):
            about = each.lstat()
            open_to_all = about.st_mode & stat.S_IWOTH and not about.st_mode & stat.S_ISVTX
            if about.st_uid not in ours or (open_to_all and not stat.S_ISLNK(about.st_mode)):
                return False
    return True


@contextmanager
def acting_as(user: int | None, group: int | None) -> Iterator[None]:
    """Act as another user within the context, if this process is root and will change to that user."""
    if os.geteuid() != 0 or not user:
        yield
        return
    own_group, own_groups = os.getegid(), os.getgroups()
    os.setgroups([] if group is None else [group])
    try:
        if group is not None:
            os.setegid(group)
        os.seteuid(user)
        yield
    finally:
        os.seteuid(0)
        os.setegid(own_group)
        os.setgroups(own_groups)


def open_for(path: Path, flags: int, user: int | None = None, group: int | None = None, mode: int = 0o666) -> int:
    """Open a file for the user that this process will change to, and return the descriptor.

    In a directory that other users can change, symbolic links are not followed, and root opens the file as that user.

    Raises:
        OSError: The file cannot be opened.
    """
    flags |= os.O_CLOEXEC | os.O_NOCTTY
    if trusted(path.parent):
        return os.open(path, flags, mode)
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)  # only root may be able to reach it
    try:
        with acting_as(user, group):
            return os.open(path.name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, mode, dir_fd=directory)
    except OSError as error:
        if error.errno == errno.ELOOP:
            error.strerror = "it is a symbolic link in a directory that other users can change: remove it"
        raise
    finally:
        os.close(directory)


@contextmanager
def inside(directory: Path) -> Iterator[None]:
    """Change to a directory within the context, for calls without a `dir_fd` parameter.

    Raises:
        OSError: The directory cannot be entered.
    """
    before = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(directory)
        yield
    finally:
        os.fchdir(before)
        os.close(before)
