"""A child process, in a session of its own, that inherits nothing but its arguments and environment."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ...core.errors import ConfigError

CHUNK = 4096


class ChildProcess:
    """A running program; two descriptors report its output and its end.

    It inherits no descriptors but /dev/null and the pipe for its output (CWE-403), and only the given environment
    variables. No shell is involved.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the program.

        Raises:
            ConfigError: The program cannot be run.
        """
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
        """Readable when the program has written output."""
        os.set_blocking(self.output, False)
        self.end = os.pidfd_open(self._process.pid)
        """Readable when the program has ended."""

    def read(self) -> bytes | None:
        """Return some of its output, None if there is none now, or b"" at the end of output."""
        try:
            return os.read(self.output, CHUNK)
        except BlockingIOError:
            return None

    def kill(self) -> None:
        """Kill the program and all of its children that have not left its process group."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> int:
        """Wait for the program to end and return its exit status; negative for the signal that ended it."""
        status = self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()
        os.close(self.end)
        return status
