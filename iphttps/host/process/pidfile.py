"""The pid file of a daemon, looked at, written and removed as its user.

twistd refuses to start over a file that holds no number, and over the number of any process that runs, whoever that
is by now. After a crash, or a restart of the machine or the container, nobody is there to remove the file.
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
"""Bytes of a pid file that are read."""

_NAMES_ASIDE = (".stale", *(f".stale{number}" for number in range(2, 10)))
"""What is added to the name of what is set aside; the later ones where something of another kind has the first."""


class PidFile:
    """A file with the number of this process."""

    def __init__(self, path: Path, user: int | None = None, group: int | None = None) -> None:
        """Know the file, and the user that this process is going to be."""
        self.path = path
        self._owner = user, group
        self._written = False

    def write(self) -> str | None:
        """Write the number, and return what was set aside for that, in a sentence, if there was anything.

        Raises ConfigError, also if another daemon runs by this file.
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
        """Remove it if it was written."""
        if self._written:
            self._written = False
            with suppress(OSError), inside(self.path.parent), acting_as(*self._owner):
                os.unlink(self.path.name)  # unless the directory is another's: then the next one overwrites it

    def _make_way(self) -> str | None:
        """Set aside what is not the pid file of a process that has ended; raises ConfigError and OSError."""
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
    """Return the number that a pid file holds, None if it holds none or cannot be read."""
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
    """Give an entry of a directory a name that is free, and return it; raises OSError."""
    about = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if stat.S_ISDIR(about.st_mode):
        with suppress(FileNotFoundError):
            # One with something in it is somebody's, and --pidfile a mistake: /run must not be renamed.
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
    """Tell whether a process is a twistd that was given this pid file; raises ConfigError if that cannot be seen."""
    try:
        words = os.fsdecode(Path(f"/proc/{number}/cmdline").read_bytes()).split("\0")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(
            f"--pidfile: process {number}, which {path} names, runs, and this user cannot see what it is: remove the "
            "file if it is no daemon of iphttps"
        ) from error
    # By the name alone: the path may have been given relative to another directory.
    return any("twistd" in Path(word).name for word in words) and any(
        Path(each).name == path.name for each in list(_pid_files(words)) or ["twistd.pid"]
    )


def _pid_files(words: list[str]) -> Iterator[str]:
    """Yield what stands for --pidfile in a command line, or for an abbreviation of it."""
    for word, following in pairwise([*words, ""]):
        name, equals, value = word.partition("=")
        if len(name) > 3 and "--pidfile".startswith(name):
            yield value if equals else following
