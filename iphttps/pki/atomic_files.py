"""Files written so that a crash at any moment leaves the old one or the new one, and a lock for who writes several."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from ..core.errors import ConfigError

SERVICE_USERS = ("iphttps", "iphttps-ca")
"""The users that the packages make: the daemons', and that of an authority with a user of its own."""

PRIVATE = 0o600
"""The mode of files that hold a key."""

PUBLIC = 0o644

PATIENCE = 10.0
"""Seconds that a command waits for another one that holds the lock."""

_PAUSE = 0.02
_UNFINISHED = ".unfinished"
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


class Busy(ConfigError):
    """Somebody else holds the lock."""


def write(path: Path, content: bytes, mode: int = PUBLIC) -> None:
    """Write a file in place of the one that may be there.

    What root writes in a directory of the daemons' user, or of the authority's, is that user's, who can go on with it.
    In another's directory it stays root's: a key is nobody's whom root has not given it.

    Raises:
        ConfigError: And then nothing has changed.
    """
    with _at(path) as directory:
        unfinished = _unfinished(directory, path, content, mode)
        try:
            os.rename(unfinished, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError:
            os.unlink(unfinished, dir_fd=directory)
            raise
        os.fsync(directory)


def create(path: Path, content: bytes, mode: int = PUBLIC) -> None:
    """Write a file where there must be none yet.

    Raises:
        ConfigError: And then nothing has changed.
    """
    with _at(path) as directory:
        unfinished = _unfinished(directory, path, content, mode)
        try:
            _link(directory, unfinished, path)
        except FileExistsError as error:
            raise ConfigError(f"{path} is there already, and is not overwritten: move it away first") from error
        finally:
            with suppress(FileNotFoundError):
                os.unlink(unfinished, dir_fd=directory)
        os.fsync(directory)


def make_directory(path: Path) -> None:
    """Make a directory, readable for its owner only, unless it is there.

    Raises:
        ConfigError: ???
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.mkdir(0o700)
        except FileExistsError:
            if not path.is_dir():
                raise
            return
        if os.geteuid() == 0 and _ours((above := path.parent.stat()).st_uid):
            os.chown(path, above.st_uid, above.st_gid, follow_symlinks=False)
    except OSError as error:
        raise ConfigError(f"cannot make the directory {path}: {error.strerror}") from error


@contextmanager
def locked(directory: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a directory.

    What a crash has left unfinished there is removed, so all who write there must hold the lock.

    Raises:
        Busy: If another holds it for longer than `patience` seconds.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"cannot open the directory {directory}: {error.strerror}") from error
    try:
        _lock(descriptor, directory, time.monotonic() + patience)
        sweep(directory)
        yield
    finally:
        os.close(descriptor)  # and with it the lock


def sweep(directory: Path) -> None:
    """Remove unfinished files; only for who knows that nobody else writes there now."""
    with suppress(OSError):  # without a descriptor for the directory they stay until the next time
        for path in directory.glob(f".*{_UNFINISHED}"):
            with suppress(OSError):
                path.unlink()


def _lock(descriptor: int, directory: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise Busy(f"another command is at work in {directory}: try again when it has ended") from error
            time.sleep(_PAUSE)
        except OSError as error:
            raise ConfigError(f"cannot lock {directory}: {error.strerror}") from error


@contextmanager
def _at(path: Path) -> Iterator[int]:
    """Open the directory of a file, and put into words what goes wrong there."""
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def _unfinished(directory: int, path: Path, content: bytes, mode: int) -> str:
    """Write a file under a name of its own, down to the disk, and return that name."""
    name = f".{token_hex(8)}{_UNFINISHED}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, PRIVATE, dir_fd=directory)
    try:
        with open(descriptor, "wb") as file:
            if os.geteuid() == 0 and _ours((owner := os.fstat(directory)).st_uid):
                with suppress(PermissionError):  # a file system that knows no owners
                    os.fchown(descriptor, owner.st_uid, owner.st_gid)
            if mode != PRIVATE:
                with suppress(PermissionError):
                    os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        os.unlink(name, dir_fd=directory)
        raise
    return name


def _ours(user: int) -> bool:
    """Tell whether a user is that of the daemons, or that of an authority with a user of its own."""
    try:
        return pwd.getpwuid(user).pw_name in SERVICE_USERS
    except KeyError:
        return False


def _link(directory: int, unfinished: str, path: Path) -> None:
    try:
        os.link(unfinished, path.name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without links, such as that of a USB stick: as good as it can be there.
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
        os.rename(unfinished, path.name, src_dir_fd=directory, dst_dir_fd=directory)
