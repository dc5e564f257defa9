"""The pid file of a daemon, inspected, written and removed as the daemon's user.

twistd refuses to start if the file contains no number, or the number of any running process, even an unrelated one.
After a crash, or a restart of the machine or the container, nothing else removes the stale file.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from itertools import pairwise
from pathlib import Path

from ...core.errors import ConfigError
from .opening import acting_as, inside, open_for, trusted

_NUMBER = re.compile(rb"\s*([0-9]{1,10})\s*")
_LONGEST = 64
"""Maximum bytes read of a pid file."""

_NAMES_ASIDE = (".stale", *(f".stale{number}" for number in range(2, 10)))
"""Suffixes of renamed files; the later ones are used if the first name is taken by another kind of file."""


class PidFile:
    """A file with this process's id."""

    def __init__(self, path: Path, user: int | None = None, group: int | None = None) -> None:
        """Name the file, and the user that this process will change to."""
        self.path = path
        self._owner = user, group
        self._written = False

    def write(self) -> str | None:
        """Write this process's id; return a sentence about the stale file renamed for it, or None.

        Raises:
            ConfigError: The file cannot be written, or another running daemon uses it.
        """
        try:
            aside = self._make_way()
            descriptor = open_for(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, *self._owner)
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
        except OSError as error:
            raise ConfigError(f"--pidfile: cannot write {self.path}: {error.strerror}") from error
        self._written = True
        return aside

    def remove(self) -> None:
        """Remove the file if this object has written it."""
        if self._written:
            self._written = False
            with suppress(OSError), inside(self.path.parent), acting_as(*self._owner):
                os.unlink(self.path.name)  # in a read-only directory the next daemon overwrites it

    def _make_way(self) -> str | None:
        """Rename the existing file unless it is the pid file of an ended process; raise ConfigError or OSError."""
        link = self.path.is_symlink()
        if not self.path.exists() and not link:
            return None
        if link and not trusted(self.path.parent):
            return self._set_aside("is a link, in a directory that others can change")
        try:
            descriptor = open_for(self.path, os.O_RDONLY | os.O_NONBLOCK, *self._owner)
        except FileNotFoundError:
            return None  # a link of ours to a file that is still to be made
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ELOOP):  # a socket; a link that leads to itself
                return self._set_aside("is no file")
            raise
        try:
            kind = os.fstat(descriptor).st_mode
            number = _number_in(os.read(descriptor, _LONGEST)) if stat.S_ISREG(kind) else None
        finally:
            os.close(descriptor)
        if stat.S_ISDIR(kind):
            return self._set_aside("is a directory")
        if stat.S_ISCHR(kind) or stat.S_ISBLK(kind):
            raise ConfigError(f"--pidfile: {self.path} is a device: name a file, or nothing by --pidfile=")
        if not stat.S_ISREG(kind):
            return self._set_aside("is no file")
        if number is None:
            return self._set_aside("holds no number of a process")
        if number == os.getpid() or not Path(f"/proc/{number}").exists():
            return None
        if _runs_by(number, self.path):
            raise ConfigError(
                f"--pidfile: another daemon runs by {self.path}, process {number}: stop it, or name another file"
            )
        return self._set_aside(f"holds the number of a process that has nothing to do with it, {number}")

    def _set_aside(self, reason: str) -> str:
        directory = os.open(self.path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with nullcontext() if trusted(self.path.parent) else acting_as(*self._owner):
                aside = _rename(self.path.name, directory)
        except OSError as error:
            raise ConfigError(
                f"--pidfile: {self.path} {reason}, and cannot be renamed: {error.strerror}; move it away"
            ) from error
        finally:
            os.close(directory)
        return f"--pidfile: {self.path} {reason}: renamed to {self.path.with_name(aside)}"


def number_in(path: Path) -> int | None:
    """Return the process id in a pid file, or None if it has none or cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb", buffering=0) as file:
            return _number_in(file.read(_LONGEST))
    except OSError:
        return None


def _number_in(content: bytes) -> int | None:
    found = _NUMBER.fullmatch(content)
    number = int(found[1]) if found else 0
    return number if 0 < number < 1 << 31 else None


def _rename(name: str, directory: int) -> str:
    """Rename a directory entry to a free name and return the name; raise OSError."""
    about = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if stat.S_ISDIR(about.st_mode):
        with suppress(FileNotFoundError):
            # A directory that is not empty shows that --pidfile is a mistake: /run must not be renamed.
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                if os.listdir(descriptor):
                    raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
            finally:
                os.close(descriptor)
    for ending in _NAMES_ASIDE:
        try:
            os.rename(name, name + ending, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR):
                raise
            failure = error
        else:
            return name + ending
    raise failure


def _runs_by(number: int, path: Path) -> bool:
    """Tell whether a process is a twistd with this pid file; raise ConfigError if that is not visible."""
    try:
        words = os.fsdecode(Path(f"/proc/{number}/cmdline").read_bytes()).split("\0")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(
            f"--pidfile: process {number}, which {path} names, runs, and this user cannot inspect it: remove the "
            "file if it is no daemon of iphttps"
        ) from error
    # Compare only the file name: the path may be relative to another directory.
    return any("twistd" in Path(word).name for word in words) and any(
        Path(each).name == path.name for each in list(_pid_files(words)) or ["twistd.pid"]
    )


def _pid_files(words: list[str]) -> Iterator[str]:
    """Yield the values of --pidfile, or an abbreviation of it, in a command line."""
    for word, following in pairwise([*words, ""]):
        name, equals, value = word.partition("=")
        if len(name) > 3 and "--pidfile".startswith(name):
            yield value if equals else following
