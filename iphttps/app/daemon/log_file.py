"""The file that `--logfile` names: logrotate may rotate it in any of its ways, and it rotates itself at a length.

`docs/logs.md` says what an administrator can rely on.
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
"""Where `twistd` logs in the background, unless it is told something else."""

LENGTH = 10_000_000
"""Bytes at which a file rotates itself."""

KEPT = 9
"""Files from before that its own rotation keeps; it overwrites the oldest."""


class LogFile:
    """A log file that follows its path: what is written goes to the file that stands there.

    It is opened for appending, so that a file cut off in place (copytruncate) goes on at its begin, without a hole.
    """

    log = logger()

    def __init__(self, path: str, user: int | None = None, group: int | None = None) -> None:
        """Open or create the file, as the user that this process is going to be; raises OSError."""
        self.path = os.path.abspath(path)
        self._owner = user, group
        self._lock = threading.RLock()
        self._file = self._open(0o666)
        self._limit = LENGTH

    def write(self, text: str) -> None:
        """Append a text."""
        with self._lock:
            with suppress(OSError):  # then the file that is open takes it
                self._follow(os.fstat(self._file))
            rest = text.encode("utf-8", "replace")
            while rest:
                rest = rest[os.write(self._file, rest) :]

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Close the file, for good."""
        os.close(self._file)

    def _follow(self, ours: os.stat_result) -> None:
        """See to it that the open file is the right one to write to; raises OSError."""
        if not self._in_place(ours):
            self._reopen(ours)
        elif ours.st_size >= self._limit:
            self._limit = ours.st_size + LENGTH  # if it fails, not again at each line
            self._rotate(ours)

    def renew(self) -> None:
        """Open the file anew where it was moved away, and begin a new one where it was not (SIGUSR1)."""
        self._begin_anew(rotate=True)

    def reopen(self) -> None:
        """Open the file anew where it was moved away."""
        self._begin_anew(rotate=False)

    def _begin_anew(self, *, rotate: bool) -> None:
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
        """Tell whether the open file stands at the path; raises OSError."""
        try:
            return os.path.samestat(ours, os.stat(self.path))
        except FileNotFoundError:
            return False

    def _reopen(self, ours: os.stat_result) -> None:
        """Open what stands at the path, or create it; the old file is closed only then. Raises OSError."""
        fresh = self._open(stat.S_IMODE(ours.st_mode))
        os.close(self._file)
        self._file, self._limit = fresh, LENGTH

    def _open(self, mode: int) -> int:
        return open_for(Path(self.path), os.O_WRONLY | os.O_APPEND | os.O_CREAT, *self._owner, mode)

    def _rotate(self, ours: os.stat_result) -> None:
        """Rename the file to .1, those from before to .2 and so on up to a bound; raises OSError."""
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
    """Return where the options of `twistd` have the log written; raises ConfigError.

    From then on SIGUSR1 renews the file; where there is none, it does nothing.
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
    """Return the observer that writes lines for people to a file, None where `twistd` does that well itself.

    Raises ConfigError.
    """
    if not twistd or twistd.get("logger") or twistd.get("syslog"):
        return None
    stream = log_stream(twistd)
    return textFileLogObserver(cast(TextIO, stream)) if isinstance(stream, LogFile) else None


def heed_signal() -> None:
    """Have SIGUSR1 renew the log file; it must not end a process that has none, such as a service's."""
    if not signal.getsignal(signal.SIGUSR1):  # as twistd does with its own
        signal.signal(signal.SIGUSR1, _renew)


def reopen() -> None:
    """Open the log file anew if it was moved away."""
    for file in _current:
        file.reopen()


def _renew(number: int, frame: object) -> None:
    from twisted.internet import reactor  # installed by twistd only just now

    for file in _current:
        cast(IReactorFromThreads, reactor).callFromThread(file.renew)
