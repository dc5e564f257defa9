"""Programs run by the daemon: in the background, with a time limit, their output in the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from signal import Signals

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from ....core.text import ascii_only
from ....host.process.child import CHUNK, ChildProcess
from ....net.interfaces import IReactor

MOST_LINES = 50
"""Maximum number of lines of one program written to the log."""

LONGEST_LINE = 300

PIPE = 1 << 16
"""Capacity of a pipe in bytes (pipe(7)): the most output that a program can leave unread when it ends."""


@implementer(IReadDescriptor)
class _Descriptor:
    """A readable descriptor for the reactor."""

    def __init__(self, number: int, ready: Callable[[], None]) -> None:
        self._number = number
        self.doRead = ready

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._number

    def connectionLost(self, reason: Failure) -> None:
        """Do nothing: the next read reports the error."""

    def logPrefix(self) -> str:
        """Return the name used in the log."""
        return "child"


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
    ) -> None:
        """Start the program; raises ConfigError if it cannot be started."""
        self._reactor = reactor
        self._process = ChildProcess(command, environment)
        self._said = said
        self._line = b""
        self._lines = 0
        self._killed = ""
        self.ended: Deferred[str] = Deferred()
        self._output = _Descriptor(self._process.output, self._read)
        self._end = _Descriptor(self._process.end, self._finish)
        reactor.addReader(self._output)
        reactor.addReader(self._end)
        self._limit = reactor.callLater(limit, self.kill, f"did not end within {limit:g} seconds, and was killed")

    def kill(self, why: str) -> None:
        """Kill the program; `ended` fires shortly after, with this reason."""
        self._killed = self._killed or why
        self._process.kill()

    def _read(self) -> None:
        data = self._process.read()
        if data == b"":
            self._reactor.removeReader(self._output)
        elif data:
            self._note(data)

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

    def _finish(self) -> None:
        # A child of the program may keep the pipe open: read only the output that is in it now.
        for _ in range(PIPE // CHUNK):
            data = self._process.read()
            if not data:
                break
            self._note(data)
        if self._line:
            self._report(self._line)
        self._reactor.removeReader(self._output)
        self._reactor.removeReader(self._end)
        if self._limit.active():
            self._limit.cancel()
        status = self._process.close()
        self.ended.callback(self._killed or _sentence(status))


def _sentence(status: int) -> str:
    if status < 0:
        return f"was killed by {Signals(-status).name}"
    return f"failed with status {status}" if status else ""
