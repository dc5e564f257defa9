"""Atomic file writes: a crash leaves the old file or the new one, never a partial one. And a lock on a directory."""

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
"""The system users that the packages create: for the daemons, and for an authority that has its own user."""

PRIVATE = 0o600
"""The file mode for private keys."""

PUBLIC = 0o644

LOCK_TIMEOUT = 10.0
"""Seconds to wait for another command to release the lock."""

_PAUSE = 0.02
_UNFINISHED = ".unfinished"
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


class Busy(ConfigError):
    """Another process holds the lock."""


def write(path: Path, content: bytes, mode: int = PUBLIC) -> None:
    """Write a file atomically, replacing an existing one.

    If root writes in a directory owned by a service user, the file gets that owner, so that the service can update it.
    In any other directory the file stays root's: a key must not become readable to a user without root's consent.

    Raises:
        ConfigError: The file cannot be written; an existing file is unchanged.
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
    """Write a new file atomically; an existing file is never overwritten.

    Raises:
        ConfigError: The file exists or cannot be written; nothing has changed.
    """
    with _at(path) as directory:
        unfinished = _unfinished(directory, path, content, mode)
        try:
            _link(directory, unfinished, path)
        except FileExistsError as error:
            raise ConfigError(f"{path} already exists and is not overwritten: move it away first") from error
        finally:
            with suppress(FileNotFoundError):
                os.unlink(unfinished, dir_fd=directory)
        os.fsync(directory)


def make_directory(path: Path) -> None:
    """Create a directory with mode 0700, and its parents, unless it exists.

    Raises:
        ConfigError: The directory cannot be created.
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
        raise ConfigError(f"cannot create the directory {path}: {error.strerror}") from error


@contextmanager
def locked(directory: Path, patience: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold an exclusive lock on a directory.

    Temporary files left by a crash are removed; therefore every writer in the directory must hold the lock.

    Raises:
        Busy: Another process still holds the lock after `patience` seconds.
        ConfigError: The directory cannot be opened or locked.
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
    """Remove temporary files left by a crash. The caller must ensure that no other process writes there."""
    with suppress(OSError):  # if the directory cannot be read, they stay until the next call
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
                raise Busy(f"another command is using {directory}: try again when it has finished") from error
            time.sleep(_PAUSE)
        except OSError as error:
            raise ConfigError(f"cannot lock {directory}: {error.strerror}") from error


@contextmanager
def _at(path: Path) -> Iterator[int]:
    """Open the directory of a file, and convert every OSError inside the block to ConfigError."""
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def _unfinished(directory: int, path: Path, content: bytes, mode: int) -> str:
    """Write a temporary file, sync it to disk, and return its name."""
    name = f".{token_hex(8)}{_UNFINISHED}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, PRIVATE, dir_fd=directory)
    try:
        with open(descriptor, "wb") as file:
            if os.geteuid() == 0 and _ours((owner := os.fstat(directory)).st_uid):
                with suppress(PermissionError):  # a file system without owners
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
    """Tell whether a user ID is that of a service user."""
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
        # A file system without hard links, such as FAT on a USB stick: check and rename is the best available.
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
        os.rename(unfinished, path.name, src_dir_fd=directory, dst_dir_fd=directory)
