"""A child process, in a session of its own, that inherits nothing but its arguments and environment."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

CHUNK = 4096

PIPE = 1 << 16
"""Bytes that a pipe holds (pipe(7)): the most that a program which has ended can have left in one."""


class ChildProcess:
    """A running program; its descriptors report its output, its end, and when it takes input.

    It inherits no descriptors but its standard input, output and error output (CWE-403): pipes, or /dev/null for an
    empty input. It gets only the given environment variables. No shell is involved.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], given: bytes = b"", *, apart: bool = False
    ) -> None:
        """Start the program with `given` as its input; `apart` separates its error output from its output.

        Raises:
            OSError: The program cannot be run.
        """
        self._process = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if apart else subprocess.STDOUT,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
        self._given = memoryview(given)
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._pipes = [pipe for pipe in pipes if pipe]
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
        assert self._process.stdout
        self.pid = self._process.pid
        self.output = self._process.stdout.fileno()
        """Readable when the program has written output."""
        self.errors = self._process.stderr.fileno() if self._process.stderr else None
        """Readable when the program has written error output; None if that is part of the output."""
        self.input = self._process.stdin.fileno() if self._process.stdin else None
        """Writable while the program takes input; None if there is none or it has ended."""
        self.end = self._pidfd()
        """Readable when the program has ended."""

    def read(self, descriptor: int) -> bytes | None:
        """Return some of `output` or `errors`, None if there is none now, or b"" at its end."""
        try:
            return os.read(descriptor, CHUNK)
        except BlockingIOError:
            return None

    def write(self) -> bool:
        """Write as much of the input as the pipe takes now; return whether nothing is left to write.

        Nothing is left either once the program has closed its input.
        """
        assert self.input is not None
        try:
            self._given = self._given[os.write(self.input, self._given) :]
        except BlockingIOError:
            return False
        except BrokenPipeError:
            return True
        return not self._given

    def close_input(self) -> None:
        """End the program's input, whether all of it has been written or not."""
        if self._process.stdin:
            self._process.stdin.close()
        self.input = None
        self._given = memoryview(b"")

    def kill(self) -> None:
        """Kill the program and all of its children that have not left its process group.

        Without the permission, as for root without CAP_KILL and a program with another user, it lives on.
        """
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> int:
        """Wait for the program to end and return its exit status; negative for the signal that ended it."""
        status = self._wait()
        os.close(self.end)
        return status

    def _pidfd(self) -> int:
        try:
            return os.pidfd_open(self.pid)
        except OSError:
            self.kill()
            self._wait()
            raise

    def _wait(self) -> int:
        status = self._process.wait()
        for pipe in self._pipes:
            pipe.close()
        return status
