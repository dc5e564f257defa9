"""The pid file of a daemon, written and removed as its user."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ..core.errors import ConfigError
from .aside import set_aside
from .opening import acting_as, inside, open_for

_LARGEST = 1 << 22  # the kernel's PID_MAX_LIMIT


def discard_damaged(path: Path) -> Path | None:
    """Set a pid file aside that holds no number of a process, as a full disk leaves it, and return its new name.

    twistd refuses to start then, or ends in a traceback. Whether a process of a number runs is for twistd to find out.
    Raises ConfigError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None  # there is none, or it is a link to nowhere
    try:
        number = int(os.read(descriptor, 64))
    except (OSError, ValueError):
        number = 0
    finally:
        os.close(descriptor)
    return None if 0 < number <= _LARGEST else set_aside(path)


class PidFile:
    """A file with the number of this process."""

    def __init__(self, path: Path, user: int | None = None, group: int | None = None) -> None:
        """Know the file, and the user that this process is going to be."""
        self.path = path
        self._owner = user, group
        self._written = False

    def write(self) -> None:
        """Write the number; raises ConfigError."""
        try:
            descriptor = open_for(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, *self._owner)
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
        except OSError as error:
            raise ConfigError(f"--pidfile: cannot write {self.path}: {error.strerror}") from error
        self._written = True

    def remove(self) -> None:
        """Remove it if it was written."""
        if self._written:
            self._written = False
            with suppress(OSError), inside(self.path.parent), acting_as(*self._owner):
                os.unlink(self.path.name)  # unless the directory is another's: then the next one overwrites it
