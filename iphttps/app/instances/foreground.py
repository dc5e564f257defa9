"""A daemon in the foreground: it ends with the command, and its control socket and log are temporary."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from ...core.errors import ConfigError
from ...host.process.parent_death import signal_at_parent_death
from .launch import STOPPING, last_words, twistd
from .paths import command


class Foreground:
    """A daemon of a role, run with options and additional environment variables while the context is entered.

    The daemon ends as well if this process is killed. With `verbose` its log goes to this process's standard output and
    standard error.
    """

    def __init__(
        self, role: str, options: Sequence[str], variables: Mapping[str, str], *, verbose: bool = False
    ) -> None:
        self._role = role
        self._options = options
        self._variables = variables
        self._verbose = verbose
        self._process: subprocess.Popen[bytes] | None = None
        self._directory = Path()

    @property
    def control(self) -> Path:
        """The control socket."""
        return self._directory / "control.sock"

    def __enter__(self) -> Self:
        """Start the daemon; raises ConfigError."""
        self._directory = Path(tempfile.mkdtemp(prefix="iphttps-"))
        words = (
            twistd(), "-n", "--pidfile=", command(self._role), *self._options, "--control", str(self.control),
        )  # fmt: skip
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    words,
                    env=os.environ | self._variables,
                    stdin=subprocess.DEVNULL,
                    stdout=None if self._verbose else log,
                    stderr=None if self._verbose else log,
                    # Without a session of its own the daemon would get the terminal's SIGINT as well as our SIGTERM.
                    start_new_session=True,
                    preexec_fn=partial(signal_at_parent_death, signal.SIGTERM),
                )
        except OSError as error:
            shutil.rmtree(self._directory, ignore_errors=True)
            raise ConfigError(f"cannot start {words[0]}: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """End the daemon, which restores the host, and remove its files."""
        assert self._process
        self._process.terminate()
        try:
            self._process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def ended(self) -> str | None:
        """Return the reason for which the daemon has ended, or None while it is running."""
        assert self._process
        if self._process.poll() is None:
            return None
        return last_words(self._log) or f"the daemon ended with status {self._process.returncode}"

    @property
    def _log(self) -> Path:
        return self._directory / "log"
