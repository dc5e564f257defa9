"""A child process of the daemon: the reactor writes its input, reads its output, and kills it when its time is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor, IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from ....host.process.child import CHUNK, PIPE, ChildProcess
from ....net.interfaces import IReactor, ProgramEnd

Taker = Callable[[bytes], None]
"""A function that gets each piece of a program's output."""


@implementer(IReadDescriptor, IWriteDescriptor)
class _Descriptor:
    """A descriptor as the reactor wants it: the function is called when it is ready."""

    def __init__(self, number: int, ready: Callable[[], None]) -> None:
        self._number = number
        self.doRead = self.doWrite = ready

    def fileno(self) -> int:
        """Return its number."""
        return self._number

    def connectionLost(self, reason: Failure) -> None:
        """Do nothing: the reactor has removed it, and the program's end closes it."""

    def logPrefix(self) -> str:
        """Name it in the log."""
        return "child"


class RunningProgram:
    """A running program, in a session of its own; see `iphttps.net.interfaces.Program`."""

    def __init__(
        self,
        reactor: IReactor,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        limit: float,
        late: str,
        output: Taker,
        errors: Taker | None = None,
        given: bytes = b"",
    ) -> None:
        """Start the program. After `limit` seconds it is killed, for the reason `late`.

        `output` gets its output, and `errors` its error output; without `errors`, `output` gets both. `given` is its
        input.

        Raises:
            OSError: The program cannot be run.
        """
        self._reactor = reactor
        self._child = ChildProcess(command, environment, given, apart=errors is not None)
        self._killed = ""
        self.ended: Deferred[ProgramEnd] = Deferred()
        self._takers = [(self._child.output, output)]
        if self._child.errors is not None and errors:
            self._takers.append((self._child.errors, errors))
        self._readers = [_Descriptor(self._child.end, self._finish)]
        for number, taker in self._takers:
            self._readers.append(self._reader(number, taker))
        for reader in self._readers:
            reactor.addReader(reader)
        self._writer: _Descriptor | None = None
        if self._child.input is not None:
            self._writer = _Descriptor(self._child.input, self._write)
            reactor.addWriter(self._writer)
        self._limit = reactor.callLater(limit, self.kill, late)

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self._child.pid

    def kill(self, why: str) -> None:
        """Kill it with all that it has started in its session; `ended` fires soon, with the first reason given."""
        self._killed = self._killed or why
        self._child.kill()

    def _reader(self, number: int, taker: Taker) -> _Descriptor:
        def read() -> None:
            data = self._child.read(number)
            if data == b"":
                self._reactor.removeReader(reader)
            elif data:
                taker(data)

        reader = _Descriptor(number, read)
        return reader

    def _write(self) -> None:
        if self._child.write():
            self._end_input()

    def _end_input(self) -> None:
        if self._writer:
            self._reactor.removeWriter(self._writer)
            self._writer = None
            self._child.close_input()

    def _finish(self) -> None:
        # A grandchild may outlive the child and keep the pipe open: read only the data in the pipe now.
        for number, taker in self._takers:
            for _ in range(PIPE // CHUNK):
                data = self._child.read(number)
                if not data:
                    break
                taker(data)
        for reader in self._readers:
            self._reactor.removeReader(reader)
        self._end_input()
        if self._limit.active():
            self._limit.cancel()
        self.ended.callback(ProgramEnd(self._child.close(), self._killed))
