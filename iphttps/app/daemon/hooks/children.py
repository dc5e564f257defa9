"""Programs run by the daemon: in the background, with a time limit, their output in the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from signal import Signals

from twisted.internet.defer import Deferred

from ....core.errors import ConfigError
from ....core.text import ascii_only
from ....net.interfaces import IReactor, ProgramEnd
from ..process.child import RunningProgram

MOST_LINES = 50
"""Maximum number of lines of one program written to the log."""

LONGEST_LINE = 300


class Child:
    """A running program; `ended` fires with a sentence that reports its failure, empty on success.

    `said` is called with each of the first MOST_LINES lines of output, shortened and in printable ASCII. After the time
    limit the program is killed, along with all processes of its session.
    """

    def __init__(
        self,
        reactor: IReactor,
        command: Sequence[str],
        environment: Mapping[str, str],
        limit: float,
        said: Callable[[str], None],
        given: bytes = b"",
    ) -> None:
        """Start the program, with `given` as its input.

        Raises:
            ConfigError: The program cannot be run.
        """
        self._said = said
        self._line = b""
        self._lines = 0
        try:
            self._program = RunningProgram(
                reactor,
                command,
                environment,
                limit=limit,
                late=f"did not end within {limit:g} seconds, and was killed",
                output=self._note,
                given=given,
            )
        except OSError as error:
            raise ConfigError(f"cannot run {command[0]}: {error.strerror}") from error
        self.ended: Deferred[str] = self._program.ended.addCallback(self._finish)

    def kill(self, why: str) -> None:
        """Kill the program; `ended` fires shortly after, with this reason."""
        self._program.kill(why)

    def _note(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._report(line)
        if len(self._line) > LONGEST_LINE:  # the rest counts as another line
            self._report(self._line)
            self._line = b""

    def _report(self, line: bytes) -> None:
        self._lines += 1
        if self._lines <= MOST_LINES:
            text = ascii_only(line[:LONGEST_LINE])
            self._said(text if len(line) <= LONGEST_LINE else f"{text}...")
        elif self._lines == MOST_LINES + 1:
            self._said("... (further output omitted)")

    def _finish(self, end: ProgramEnd) -> str:
        if self._line:
            self._report(self._line)
        return end.killed or _sentence(end.status)


def _sentence(status: int) -> str:
    if status < 0:
        return f"was killed by {Signals(-status).name}"
    return f"failed with status {status}" if status else ""
