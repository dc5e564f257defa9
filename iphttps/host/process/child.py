"""A program that is run: in a session of its own, with nothing of ours but what it is given."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ...core.errors import ConfigError

CHUNK = 4096


class ChildProcess:
    """A running program; two descriptors tell when it has said something, and when it has ended.

    It inherits no descriptor but /dev/null and the pipe that takes what it prints (CWE-403), and no variable but
    those given. No shell reads anything.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it; raises ConfigError if that cannot be."""
        try:
            self._process = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigError(f"cannot run {command[0]}: {error.strerror}") from error
        assert self._process.stdout
        self.output = self._process.stdout.fileno()
        """Readable when it has said something."""
        os.set_blocking(self.output, False)
        self.end = os.pidfd_open(self._process.pid)
        """Readable when it has ended."""

    def read(self) -> bytes | None:
        """Return some of what it has said, or None if there is no more for now; empty if there never will be."""
        try:
            return os.read(self.output, CHUNK)
        except BlockingIOError:
            return None

    def kill(self) -> None:
        """End it, with all that it has started and that has not left its session."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> int:
        """Return the exit status once it has ended; negative if a signal ended it."""
        status = self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()
        os.close(self.end)
        return status
