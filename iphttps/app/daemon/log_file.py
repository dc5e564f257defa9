"""The file named by `--logfile`: it works with every mode of logrotate, and also rotates itself by size.

`docs/logs.md` documents its guarantees.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import ILogObserver, textFileLogObserver

from ...core.errors import ConfigError
from ...host.process.opening import open_for
from ...net.log import logger

DEFAULT_FILE = "twistd.log"
"""The default log file of `twistd` in the background."""

LENGTH = 10_000_000
"""Size in bytes at which the file is rotated."""

KEPT = 9
"""Number of old files kept by this rotation; it overwrites the oldest."""


class LogFile:
    """A log file that follows its path: each write goes to the file that the path names at that time.

    It is opened for appending, so after truncation in place (copytruncate) writing continues at offset 0, without a
    hole.
    """

    log = logger()

    def __init__(self, path: str, user: int | None = None, group: int | None = None) -> None:
        """Open or create the file, with the rights of the user that this process will run as; raises OSError."""
        self.path = os.path.abspath(path)
        self._owner = user, group
        self._lock = threading.RLock()
        self._file = self._open(0o666)
        self._limit = LENGTH

    def write(self, text: str) -> None:
        """Append a text."""
        with self._lock:
            with suppress(OSError):  # then the open file is used
                self._follow(os.fstat(self._file))
            rest = text.encode("utf-8", "replace")
            while rest:
                rest = rest[os.write(self._file, rest) :]

    def flush(self) -> None:
        """Do nothing, as writes are not buffered."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _follow(self, ours: os.stat_result) -> None:
        """Reopen the file if it was moved, or rotate it if it is full; raises OSError."""
        if not self._in_place(ours):
            self._reopen(ours)
        elif ours.st_size >= self._limit:
            self._limit = ours.st_size + LENGTH  # a failed rotation is not retried at each line
            self._rotate(ours)

    def renew(self) -> None:
        """Reopen the file if it was moved away, or else rotate it (SIGUSR1)."""
        self._start_new(rotate=True)

    def reopen(self) -> None:
        """Reopen the file if it was moved away."""
        self._start_new(rotate=False)

    def _start_new(self, *, rotate: bool) -> None:
        with self._lock:
            ours = os.fstat(self._file)
            try:
                if not self._in_place(ours):
                    self._reopen(ours)
                elif rotate and ours.st_size:
                    self._rotate(ours)
            except OSError as error:
                self._complain(error)

    def _complain(self, error: OSError) -> None:
        self.log.warn(
            "cannot start a new log file {path}, continuing with the old one: {reason}",
            event="log-not-reopened",
            path=self.path,
            reason=error.strerror,
        )

    def _in_place(self, ours: os.stat_result) -> bool:
        """Return whether the path still names the open file; raises OSError."""
        try:
            return os.path.samestat(ours, os.stat(self.path))
        except FileNotFoundError:
            return False

    def _reopen(self, ours: os.stat_result) -> None:
        """Open or create the file at the path, then close the old one; raises OSError."""
        fresh = self._open(stat.S_IMODE(ours.st_mode))
        os.close(self._file)
        self._file, self._limit = fresh, LENGTH

    def _open(self, mode: int) -> int:
        return open_for(Path(self.path), os.O_WRONLY | os.O_APPEND | os.O_CREAT, *self._owner, mode)

    def _rotate(self, ours: os.stat_result) -> None:
        """Rename the file to .1, older ones to .2 and so on, up to KEPT; raises OSError."""
        if not stat.S_ISREG(ours.st_mode):  # such as /dev/null
            return
        numbered = [f"{self.path}.{number}" for number in range(1, KEPT + 1)]
        free = next((at for at, name in enumerate(numbered) if not os.path.lexists(name)), KEPT - 1)
        for at in range(free, 0, -1):
            os.replace(numbered[at - 1], numbered[at])
        os.replace(self.path, numbered[0])
        self._reopen(ours)


_current: list[LogFile] = []
"""The log file of this process, if it has one."""


def log_stream(twistd: Mapping[str, Any]) -> TextIO | LogFile:
    """Return the log destination given by the options of `twistd`; raises ConfigError.

    If it is a file, SIGUSR1 renews it from now on; otherwise the signal has no effect.
    """
    path, foreground = twistd.get("logfile"), bool(twistd.get("nodaemon"))
    if path == "-" and not foreground:
        raise ConfigError("--logfile - needs --nodaemon: a background process has no standard output")
    if path == "-" or (foreground and not path):
        return sys.stdout
    try:
        file = LogFile(path or DEFAULT_FILE, twistd.get("uid"), twistd.get("gid"))
    except OSError as error:
        raise ConfigError(f"--logfile: cannot write {path or DEFAULT_FILE}: {error.strerror}") from error
    _current[:] = [file]
    return file


def text_observer(twistd: Mapping[str, Any]) -> ILogObserver | None:
    """Return the observer that writes the text log to a file, or None if that of `twistd` serves.

    Raises ConfigError.
    """
    if not twistd or twistd.get("logger") or twistd.get("syslog"):
        return None
    stream = log_stream(twistd)
    return textFileLogObserver(cast(TextIO, stream)) if isinstance(stream, LogFile) else None


def heed_signal() -> None:
    """Handle SIGUSR1 by renewing the log file; without one the signal is ignored, and does not kill a service."""
    if not signal.getsignal(signal.SIGUSR1):  # as twistd does for its own handler
        signal.signal(signal.SIGUSR1, _renew)


def reopen() -> None:
    """Reopen the log file if it was moved away."""
    for file in _current:
        file.reopen()


def _renew(number: int, frame: object) -> None:
    from twisted.internet import reactor  # twistd installs it after this module is imported

    for file in _current:
        cast(IReactorFromThreads, reactor).callFromThread(file.renew)
